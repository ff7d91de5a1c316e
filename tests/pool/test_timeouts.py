"""The five timeouts, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Origin, Pool
from cloud66_async.transport import Timeouts

from .servers import PATIENT, Clock, Peer, answer, echo, get, post, serve, stream, turns, until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def silent(peer: Peer) -> None:
    """Reads a request and never answers."""
    await peer.request()
    await peer.head()


async def deaf(peer: Peer) -> None:
    """Reads the head of a request and nothing more."""
    await peer.head()
    await asyncio.get_running_loop().create_future()


async def timed_out(task: asyncio.Task[object] | asyncio.Future[object]) -> tuple[str, bool]:
    await turns(4)
    assert task.done()  # now, not when the time of the real clock has come too
    with pytest.raises(TransportTimeout) as caught:
        await task
    assert f"{caught.value.phase} timeout" in str(caught.value)
    return caught.value.phase, caught.value.sent


@pytest.fixture
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: object, origin: Origin) -> object:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("cloud66_async.pool.connector.Connector._look_up", never)


@pytest.mark.usefixtures("nobody_answers")
async def test_connect(pool: Pool, clock: Clock) -> None:
    task = asyncio.ensure_future(get(pool, Origin("name", 80), timeouts=PATIENT._replace(connect=5.0)))
    await turns(5)
    await clock.forward(4.9)
    assert not task.done()
    await clock.forward(0.2)
    assert await timed_out(task) == ("connect", False)
    assert (pool._opening, pool._limiter.free) == (0, pool.limit)


@pytest.mark.usefixtures("nobody_answers")
async def test_the_whole_time_counts_while_connecting(pool: Pool, clock: Clock) -> None:
    task = asyncio.ensure_future(get(pool, Origin("name", 80), timeouts=Timeouts(5.0, 5.0, 5.0, 5.0, 3.0)))
    await turns(5)
    await clock.forward(3.1)
    assert await timed_out(task) == ("total", False)


@pytest.mark.parametrize(("timeouts", "phase"), [(Timeouts(pool=2.0), "pool"), (Timeouts(total=2.0), "total")])
async def test_waiting_for_a_place(timeouts: Timeouts, phase: str, clock: Clock) -> None:
    pool = Pool(1)
    async with serve(silent) as server:
        holder = asyncio.ensure_future(get(pool, server))
        await until(lambda: len(server.received) == 1)
        task = asyncio.ensure_future(get(pool, server, timeouts=timeouts))
        await turns(5)
        await clock.forward(1.9)
        assert not task.done()
        await clock.forward(0.2)
        assert await timed_out(task) == (phase, False)
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        assert pool._limiter.free == 1
        await pool.aclose()


async def test_by_default_nobody_is_sent_away_from_the_queue(clock: Clock) -> None:
    pool = Pool(1)
    async with serve(echo) as server:
        tasks = [asyncio.ensure_future(get(pool, server, timeouts=Timeouts())) for _ in range(200)]
        await clock.forward(20)
        assert {result.status for result in await asyncio.gather(*tasks)} == {200}
        await pool.aclose()


async def test_read(pool: Pool, clock: Clock) -> None:
    async with serve(silent) as server:
        task = asyncio.ensure_future(get(pool, server, timeouts=Timeouts(read=30.0)))
        await until(lambda: len(server.received) == 1)
        await clock.forward(29.5)
        assert not task.done()
        await clock.forward(1)
        assert await timed_out(task) == ("read", True)
        assert pool.live == 0


async def test_read_counts_silence_not_length(pool: Pool, clock: Clock) -> None:
    steps = asyncio.Queue[bytes]()

    async def slow(peer: Peer) -> None:
        await peer.request()
        while part := await steps.get():
            await peer.send(part)

    async with serve(slow) as server:
        task = asyncio.ensure_future(get(pool, server, timeouts=Timeouts(read=10.0)))
        await until(lambda: len(server.received) == 1)
        for byte in answer(b"slow body"):
            await clock.forward(9)
            assert not task.done()
            steps.put_nowait(bytes([byte]))
            await turns(8)
        assert (await task).body == b"slow body"
        steps.put_nowait(b"")


async def test_whole(pool: Pool, clock: Clock) -> None:
    steps = asyncio.Queue[bytes]()

    async def slow(peer: Peer) -> None:
        await peer.request()
        while part := await steps.get():
            await peer.send(part)

    async with serve(slow) as server:
        task = asyncio.ensure_future(get(pool, server, timeouts=Timeouts(read=10.0, total=25.0)))
        await until(lambda: len(server.received) == 1)
        for _ in range(3):
            steps.put_nowait(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await turns(8)
            await clock.forward(8)
        assert not task.done()
        steps.put_nowait(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await turns(8)
        await clock.forward(2)
        assert await timed_out(task) == ("total", True)
        steps.put_nowait(b"")


async def test_write(pool: Pool, clock: Clock) -> None:
    async with serve(deaf) as server:
        task = asyncio.ensure_future(post(pool, server, b"x" * 50_000_000, timeouts=Timeouts(write=7.0, read=1.0)))
        await until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        await turns(50)
        await clock.forward(6.5)
        assert not task.done()
        await clock.forward(1)
        assert await timed_out(task) == ("write", True)


async def test_the_senders_own_pauses_are_not_the_servers(pool: Pool, clock: Clock) -> None:
    go_on = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"a"
        await go_on.wait()
        yield b"b"

    async with serve(echo) as server:
        task = asyncio.ensure_future(post(pool, server, slow_body(), timeouts=Timeouts(write=1.0, read=1.0)))
        await until(lambda: pool.live == 1)
        await turns(8)
        await clock.forward(100)
        assert not task.done()
        go_on.set()
        assert (await task).body == b"/|ab"


async def test_nor_are_they_after_the_server_was_slow_once(pool: Pool, clock: Clock) -> None:
    read_on, go_on = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"x" * 20_000_000
        await go_on.wait()
        yield b"y"

    async def slow(peer: Peer) -> None:
        await peer.head()
        await read_on.wait()
        await peer.send(answer(b"%d" % len(await peer._chunks())))
        await peer.head()

    async with serve(slow) as server:
        task = asyncio.ensure_future(post(pool, server, slow_body(), timeouts=Timeouts(write=10.0)))
        await until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        read_on.set()
        await until(lambda: not next(iter(pool._live))._writing_paused)
        await until(lambda: next(iter(pool._live))._waiter is None)
        await clock.forward(100)
        assert not task.done()
        go_on.set()
        assert (await task).body == b"20000001"


async def test_the_whole_time_counts_while_the_sender_pauses(pool: Pool, clock: Clock) -> None:
    ended: list[BaseException] = []

    async def stuck() -> AsyncIterator[bytes]:
        yield b"a"
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            ended.append(error)
            raise

    async with serve(echo) as server:
        task = asyncio.ensure_future(post(pool, server, stuck(), timeouts=Timeouts(total=10.0)))
        await until(lambda: pool.live == 1)
        await turns(8)
        await clock.forward(11)
        assert await timed_out(task) == ("total", True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert not task.cancelled()


async def test_the_readers_own_pauses_are_not_the_servers(pool: Pool, clock: Clock) -> None:
    more = asyncio.Event()

    async def three_parts(peer: Peer) -> None:
        await peer.request()
        data = answer(b"one" + b"two" + b"six")
        await peer.send(data[:-6])
        for part in (data[-6:-3], data[-3:]):
            await more.wait()
            more.clear()
            await peer.send(part)
        await peer.head()

    async with serve(three_parts) as server, stream(pool, server, timeouts=Timeouts(read=5.0)) as streamed:
        parts = aiter(streamed)
        assert await anext(parts) == b"one"
        await clock.forward(60)
        task = asyncio.ensure_future(anext(parts))
        await turns(4)
        await clock.forward(4)
        assert not task.done()
        more.set()
        assert await task == b"two"
        await clock.forward(60)
        more.set()
        assert await anext(parts) == b"six"


async def test_a_reader_who_waits_is_told_of_silence(pool: Pool, clock: Clock) -> None:
    async def half(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"one" + b"two")[:-3])
        await peer.head()

    async with serve(half) as server, stream(pool, server, timeouts=Timeouts(read=5.0)) as streamed:
        parts = aiter(streamed)
        assert await anext(parts) == b"one"
        task = asyncio.ensure_future(anext(parts))
        await turns(4)
        await clock.forward(6)
        assert await timed_out(task) == ("read", True)


async def test_the_whole_time_counts_while_the_reader_pauses(pool: Pool, clock: Clock) -> None:
    async def half(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"one" + b"two")[:-3])
        await peer.head()

    async with serve(half) as server, stream(pool, server, timeouts=Timeouts(total=10.0)) as streamed:
        parts = aiter(streamed)
        assert await anext(parts) == b"one"
        await clock.forward(11)
        assert pool.live == 0
        with pytest.raises(TransportTimeout) as caught:
            await anext(parts)
        assert caught.value.phase == "total"


async def test_a_timer_of_an_earlier_request_does_not_end_a_later_one(pool: Pool, clock: Clock) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=5.0))
        await clock.forward(4)
        assert (await get(pool, server, timeouts=Timeouts(read=None))).status == 200
        await clock.forward(4)
        assert pool.live == 1


async def test_requests_set_no_timer_of_their_own(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts())
        loop = asyncio.get_running_loop()
        set_timers: list[float] = []
        real = loop.call_at

        def call_at(when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            set_timers.append(when)
            return real(when, callback)

        monkeypatch.setattr(loop, "call_at", call_at)
        for _ in range(20):
            await get(pool, server, timeouts=Timeouts())
        assert set_timers == []


async def test_a_request_may_end_before_its_connections_idle_time_would(pool: Pool, clock: Clock) -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"first"))
        await silent(peer)

    async with serve(once) as server:
        assert (await get(pool, server)).body == b"first"  # from here the timer waits for the idle time to end
        task = asyncio.ensure_future(get(pool, server, timeouts=PATIENT._replace(read=2.0)))
        await until(lambda: len(server.received) == 2)
        await clock.forward(1.9)
        assert not task.done()
        await clock.forward(0.2)
        assert await timed_out(task) == ("read", True)


async def test_a_body_that_pauses_after_the_server_did_is_not_timed_out(pool: Pool, clock: Clock) -> None:
    pausing, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 8 * 1024 * 1024  # more than the server's buffers take at once
        pausing.set()
        await go_on.wait()
        yield b"end"

    async with serve(echo) as server:
        task = asyncio.ensure_future(post(pool, server, body(), timeouts=PATIENT._replace(write=2.0)))
        await pausing.wait()
        await clock.forward(5.0)
        await turns(4)
        assert not task.done()
        go_on.set()
        assert (await task).body.endswith(b"end")
