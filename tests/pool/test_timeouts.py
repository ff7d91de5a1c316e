"""The five timeouts, with a clock that the tests advance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cloud66_async.pool import Origin, Pool
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import (
    NO_TIMEOUTS,
    Clock,
    Peer,
    echo,
    get,
    make_response,
    never_respond,
    post,
    serve,
    timed_out,
    wait_until,
)

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def never_read_body(peer: Peer) -> None:
    """Read the headers of a request and nothing more."""
    await peer.read_headers()
    await asyncio.get_running_loop().create_future()


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
