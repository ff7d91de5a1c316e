"""The five timeouts, with a clock that the tests advance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Origin, Pool
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import NO_TIMEOUTS, Clock, Peer, echo, get, make_response, post, serve, stream, wait_until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def never_respond(peer: Peer) -> None:
    """Read a request and never respond."""
    await peer.read_request()
    await peer.read_headers()


async def never_read_body(peer: Peer) -> None:
    """Read the headers of a request and nothing more."""
    await peer.read_headers()
    await asyncio.get_running_loop().create_future()


async def timed_out(task: asyncio.Task[object] | asyncio.Future[object]) -> tuple[str, bool]:
    await iterations(4)
    assert task.done()  # on the test clock, not only when real time has passed, too
    with pytest.raises(TransportTimeout) as caught:
        await task
    assert f"{caught.value.phase} timeout" in str(caught.value)
    return caught.value.phase, caught.value.sent


@pytest.fixture
def hanging_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: object, origin: Origin) -> object:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("cloud66_async.pool.connector.Connector._resolve", never)


@pytest.mark.usefixtures("hanging_dns")
async def test_connect_timeout(pool: Pool, clock: Clock) -> None:
    task = asyncio.ensure_future(get(pool, Origin("name", 80), timeouts=NO_TIMEOUTS._replace(connect=5.0)))
    await iterations(5)
    await clock.advance(4.9)
    assert not task.done()
    await clock.advance(0.2)
    assert await timed_out(task) == ("connect", False)
    assert (pool._connecting, pool._limiter.free) == (0, pool.limit)


@pytest.mark.usefixtures("hanging_dns")
async def test_total_timeout_while_connecting(pool: Pool, clock: Clock) -> None:
    task = asyncio.ensure_future(get(pool, Origin("name", 80), timeouts=Timeouts(5.0, 5.0, 5.0, 5.0, 3.0)))
    await iterations(5)
    await clock.advance(3.1)
    assert await timed_out(task) == ("total", False)


@pytest.mark.parametrize(("timeouts", "phase"), [(Timeouts(pool=2.0), "pool"), (Timeouts(total=2.0), "total")])
async def test_timeout_while_waiting_for_a_slot(timeouts: Timeouts, phase: str, clock: Clock) -> None:
    pool = Pool(1)
    async with serve(never_respond) as server:
        holder = asyncio.ensure_future(get(pool, server))
        await wait_until(lambda: len(server.received) == 1)
        task = asyncio.ensure_future(get(pool, server, timeouts=timeouts))
        await iterations(5)
        await clock.advance(1.9)
        assert not task.done()
        await clock.advance(0.2)
        assert await timed_out(task) == (phase, False)
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        assert pool._limiter.free == 1
        await pool.aclose()


async def test_no_pool_timeout_by_default(clock: Clock) -> None:
    pool = Pool(1)
    async with serve(echo) as server:
        tasks = [asyncio.ensure_future(get(pool, server, timeouts=Timeouts())) for _ in range(200)]
        await clock.advance(20)
        assert {result.status for result in await asyncio.gather(*tasks)} == {200}
        await pool.aclose()


async def test_read_timeout(pool: Pool, clock: Clock) -> None:
    async with serve(never_respond) as server:
        task = asyncio.ensure_future(get(pool, server, timeouts=Timeouts(read=30.0)))
        await wait_until(lambda: len(server.received) == 1)
        await clock.advance(29.5)
        assert not task.done()
        await clock.advance(1)
        assert await timed_out(task) == ("read", True)
        assert pool.live == 0


async def test_read_timeout_restarts_with_each_byte(pool: Pool, clock: Clock) -> None:
    steps = asyncio.Queue[bytes]()

    async def slow(peer: Peer) -> None:
        await peer.read_request()
        while data := await steps.get():
            await peer.send(data)

    async with serve(slow) as server:
        task = asyncio.ensure_future(get(pool, server, timeouts=Timeouts(read=10.0)))
        await wait_until(lambda: len(server.received) == 1)
        for byte in make_response(b"slow body"):
            await clock.advance(9)
            assert not task.done()
            steps.put_nowait(bytes([byte]))
            await iterations(8)
        assert (await task).body == b"slow body"
        steps.put_nowait(b"")


async def test_total_timeout(pool: Pool, clock: Clock) -> None:
    steps = asyncio.Queue[bytes]()

    async def slow(peer: Peer) -> None:
        await peer.read_request()
        while data := await steps.get():
            await peer.send(data)

    async with serve(slow) as server:
        task = asyncio.ensure_future(get(pool, server, timeouts=Timeouts(read=10.0, total=25.0)))
        await wait_until(lambda: len(server.received) == 1)
        for _ in range(3):
            steps.put_nowait(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await iterations(8)
            await clock.advance(8)
        assert not task.done()
        steps.put_nowait(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await iterations(8)
        await clock.advance(2)
        assert await timed_out(task) == ("total", True)
        steps.put_nowait(b"")


async def test_write_timeout(pool: Pool, clock: Clock) -> None:
    async with serve(never_read_body) as server:
        task = asyncio.ensure_future(post(pool, server, b"x" * 50_000_000, timeouts=Timeouts(write=7.0, read=1.0)))
        await wait_until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        await iterations(50)
        await clock.advance(6.5)
        assert not task.done()
        await clock.advance(1)
        assert await timed_out(task) == ("write", True)


async def test_pause_of_the_body_does_not_count_as_a_timeout(pool: Pool, clock: Clock) -> None:
    proceed = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"a"
        await proceed.wait()
        yield b"b"

    async with serve(echo) as server:
        task = asyncio.ensure_future(post(pool, server, slow_body(), timeouts=Timeouts(write=1.0, read=1.0)))
        await wait_until(lambda: pool.live == 1)
        await iterations(8)
        await clock.advance(100)
        assert not task.done()
        proceed.set()
        assert (await task).body == b"/|ab"


async def test_pause_of_the_body_after_a_pause_of_the_server(pool: Pool, clock: Clock) -> None:
    read_body, proceed = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"x" * 20_000_000
        await proceed.wait()
        yield b"y"

    async def slow(peer: Peer) -> None:
        await peer.read_headers()
        await read_body.wait()
        await peer.send(make_response(b"%d" % len(await peer.read_chunks())))
        await peer.read_headers()

    async with serve(slow) as server:
        task = asyncio.ensure_future(post(pool, server, slow_body(), timeouts=Timeouts(write=10.0)))
        await wait_until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        read_body.set()
        await wait_until(lambda: not next(iter(pool._live))._writing_paused)
        await wait_until(lambda: next(iter(pool._live))._waiter is None)
        await clock.advance(100)
        assert not task.done()
        proceed.set()
        assert (await task).body == b"20000001"


async def test_total_timeout_while_the_body_pauses(pool: Pool, clock: Clock) -> None:
    ended: list[BaseException] = []

    async def hanging_body() -> AsyncIterator[bytes]:
        yield b"a"
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            ended.append(error)
            raise

    async with serve(echo) as server:
        task = asyncio.ensure_future(post(pool, server, hanging_body(), timeouts=Timeouts(total=10.0)))
        await wait_until(lambda: pool.live == 1)
        await iterations(8)
        await clock.advance(11)
        assert await timed_out(task) == ("total", True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert not task.cancelled()


async def test_pause_of_the_reader_does_not_count_as_a_timeout(pool: Pool, clock: Clock) -> None:
    more = asyncio.Event()

    async def send_three(peer: Peer) -> None:
        await peer.read_request()
        data = make_response(b"one" + b"two" + b"six")
        await peer.send(data[:-6])
        for end in (data[-6:-3], data[-3:]):
            await more.wait()
            more.clear()
            await peer.send(end)
        await peer.read_headers()

    async with serve(send_three) as server, stream(pool, server, timeouts=Timeouts(read=5.0)) as streamed:
        reader = aiter(streamed)
        assert await anext(reader) == b"one"
        await clock.advance(60)
        task = asyncio.ensure_future(anext(reader))
        await iterations(4)
        await clock.advance(4)
        assert not task.done()
        more.set()
        assert await task == b"two"
        await clock.advance(60)
        more.set()
        assert await anext(reader) == b"six"


async def test_read_timeout_of_a_waiting_reader(pool: Pool, clock: Clock) -> None:
    async def send_half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one" + b"two")[:-3])
        await peer.read_headers()

    async with serve(send_half) as server, stream(pool, server, timeouts=Timeouts(read=5.0)) as streamed:
        reader = aiter(streamed)
        assert await anext(reader) == b"one"
        task = asyncio.ensure_future(anext(reader))
        await iterations(4)
        await clock.advance(6)
        assert await timed_out(task) == ("read", True)


async def test_timed_out_stream_leaves_no_timer(pool: Pool, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send_half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one" + b"two")[:-3])
        await peer.read_headers()

    async with serve(send_half) as server:
        async with stream(pool, server, timeouts=Timeouts(read=5.0, total=3600.0)) as streamed:
            reader = aiter(streamed)
            assert await anext(reader) == b"one"
            connection = next(iter(pool._live))
            task = asyncio.ensure_future(anext(reader))
            await iterations(4)
            await clock.advance(6)
            assert await timed_out(task) == ("read", True)
        await iterations(4)
        assert connection._timer is None


async def test_total_timeout_while_the_reader_pauses(pool: Pool, clock: Clock) -> None:
    async def send_half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one" + b"two")[:-3])
        await peer.read_headers()

    async with serve(send_half) as server, stream(pool, server, timeouts=Timeouts(total=10.0)) as streamed:
        reader = aiter(streamed)
        assert await anext(reader) == b"one"
        await clock.advance(11)
        assert pool.live == 0
        with pytest.raises(TransportTimeout) as caught:
            await anext(reader)
        assert caught.value.phase == "total"


async def test_timer_of_an_earlier_request_does_not_affect_a_later_one(pool: Pool, clock: Clock) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=5.0))
        await clock.advance(4)
        assert (await get(pool, server, timeouts=Timeouts(read=None))).status == 200
        await clock.advance(4)
        assert pool.live == 1


async def test_requests_share_one_timer(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_read_timeout_before_the_earlier_idle_timeout(pool: Pool, clock: Clock) -> None:
    async def once(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"first"))
        await never_respond(peer)

    async with serve(once) as server:
        assert (await get(pool, server)).body == b"first"  # from now on, the timer waits for the idle timeout
        task = asyncio.ensure_future(get(pool, server, timeouts=NO_TIMEOUTS._replace(read=2.0)))
        await wait_until(lambda: len(server.received) == 2)
        await clock.advance(1.9)
        assert not task.done()
        await clock.advance(0.2)
        assert await timed_out(task) == ("read", True)


async def test_write_timeout_stops_when_the_server_accepts_data_again(pool: Pool, clock: Clock) -> None:
    pausing, proceed = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 8 * 1024 * 1024  # more than the server's buffers hold
        pausing.set()
        await proceed.wait()
        yield b"end"

    async with serve(echo) as server:
        task = asyncio.ensure_future(post(pool, server, body(), timeouts=NO_TIMEOUTS._replace(write=2.0)))
        await pausing.wait()
        await clock.advance(5.0)
        await iterations(4)
        assert not task.done()
        proceed.set()
        assert (await task).body.endswith(b"end")


async def test_data_that_the_reader_does_not_wait_for_starts_no_timeout(pool: Pool, clock: Clock) -> None:
    more = asyncio.Event()

    async def send_in_parts(peer: Peer) -> None:
        await peer.read_request()
        data = make_response(b"one" + b"two" + b"six")
        await peer.send(data[:-6])
        await more.wait()
        await peer.send(data[-6:-3])
        await peer.read_headers()

    async with serve(send_in_parts) as server, stream(pool, server, timeouts=Timeouts(read=5.0)) as streamed:
        reader = aiter(streamed)
        assert await anext(reader) == b"one"
        (connection,) = pool._live
        more.set()
        await wait_until(lambda: connection.parser.size == 6)
        await clock.advance(60)
        assert not connection.closed
        assert await anext(reader) == b"two"


async def test_data_during_an_upload_starts_no_read_timeout(pool: Pool, clock: Clock) -> None:
    proceed = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"a"
        await proceed.wait()
        yield b"b"

    async def respond_early(peer: Peer) -> None:
        await peer.read_headers()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await peer.read_chunks()
        await peer.send(b"k")
        await peer.read_headers()

    async with serve(respond_early) as server:
        task = asyncio.ensure_future(post(pool, server, slow_body(), timeouts=Timeouts(read=5.0)))
        await wait_until(lambda: pool.live == 1 and next(iter(pool._live)).parser.size == 1)
        await clock.advance(60)
        assert not task.done()
        proceed.set()
        assert (await task).body == b"ok"


async def test_timer_without_a_timeout_is_not_set_again(pool: Pool, clock: Clock) -> None:
    async def send_half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one" + b"two")[:-3])
        await peer.read_headers()

    async with serve(send_half) as server, stream(pool, server, timeouts=Timeouts(read=5.0, total=None)) as streamed:
        reader = aiter(streamed)
        assert await anext(reader) == b"one"
        (connection,) = pool._live
        await clock.advance(6)
        assert not connection.closed
        assert connection._timer is None


async def test_timer_is_cancelled_by_an_earlier_one_and_by_a_lost_connection(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=60.0))
        (connection,) = pool._live
        first = connection._timer
        await get(pool, server, timeouts=Timeouts(read=5.0))
        second = connection._timer
        assert first is not None
        assert second is not None
        assert first.cancelled()
        for peer in server.peers:
            peer.abort()
        await wait_until(lambda: connection._timer is None)
        assert second.cancelled()
