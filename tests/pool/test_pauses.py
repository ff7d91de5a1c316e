"""Timeouts of bodies that the program or the server pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Pool
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import Clock, Peer, echo, make_response, post, serve, stream, timed_out, wait_until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


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
