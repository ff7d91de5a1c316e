"""Request bodies: bytes and iterables, early responses, and slow servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from unittest import mock

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Pool, connection as connection_module
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import BIG, NO_TIMEOUTS, Peer, async_body, echo, make_response, post, request_headers, serve, wait_until


@pytest.mark.parametrize("size", [0, 1, connection_module.SLICE, connection_module.SLICE + 1, 1_000_000])
async def test_bodies_of_every_size(pool: Pool, size: int) -> None:
    body = (BIG * 2)[:size]
    async with serve(echo) as server:
        for _ in range(3):
            assert (await post(pool, server, body)).body == b"/|" + body
            assert (await post(pool, server, async_body(body, b"", body))).body == b"/|" + body + body
        assert pool.opened == 1


async def test_data_longer_than_a_slice_is_split_into_chunks(pool: Pool) -> None:
    async with serve(echo) as server:
        assert (await post(pool, server, async_body(BIG))).body == b"/|" + BIG


async def test_iterable_body_with_content_length(pool: Pool) -> None:
    async with serve(echo) as server:
        result = await pool.request(server.origin, "PUT", request_headers("PUT", length=6), async_body(b"abc", b"def"))
        assert result.body == b"/|abcdef"
        assert pool.live == 1


async def reject(peer: Peer) -> None:
    """Respond with 413 to the headers alone, and read no body."""
    if await peer.read_headers() is not None:
        await peer.send(make_response(b"too large", status=413))
        await asyncio.get_running_loop().create_future()


async def test_early_error_response_stops_the_upload(pool: Pool) -> None:
    async with serve(reject) as server:
        for body in (b"x" * 20_000_000, async_body(*[b"x" * 100_000] * 200)):
            result = await post(pool, server, body)
            assert (result.status, result.body) == (413, b"too large")
            assert pool.live == 0


async def test_early_error_response_interrupts_a_suspended_body(pool: Pool) -> None:
    ended: list[str] = []

    async def suspended() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("body")

    async with serve(reject) as server:
        result = await post(pool, server, suspended())
        assert result.status == 413
        assert ended == ["body"]
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0


async def test_headers_of_an_error_response_stop_the_upload(pool: Pool) -> None:
    yielded = 0
    sent_later: list[int] = []

    async def reject_slowly(peer: Peer) -> None:
        await peer.read_headers()
        data = make_response(b"too large", status=413)
        await peer.send(data[:-5])
        await iterations(30)
        before = yielded
        await iterations(30)
        sent_later.append(yielded - before)
        await peer.send(data[-5:])
        await asyncio.get_running_loop().create_future()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal yielded
        while True:
            await asyncio.sleep(0)
            yielded += 1
            yield b"x"

    async with serve(reject_slowly) as server:
        assert (await post(pool, server, endless())).body == b"too large"
        assert pool.live == 0
        assert sent_later == [0]


async def reject_when_full(peer: Peer, pool: Pool) -> None:
    """Read no body, and respond with 413 when the client has paused writing."""
    await peer.read_headers()
    await wait_until(lambda: next(iter(pool._live))._writing_paused)
    await peer.send(make_response(b"too large", status=413))
    await asyncio.get_running_loop().create_future()


async def test_error_response_stops_a_body_of_bytes(pool: Pool) -> None:
    async with serve(lambda peer: reject_when_full(peer, pool)) as server:
        task = asyncio.ensure_future(post(pool, server, b"x" * 32 * 1024 * 1024, timeouts=NO_TIMEOUTS))
        await wait_until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        connection = next(iter(pool._live))
        connection.transport = watched = mock.Mock(wraps=connection.transport)
        assert (await task).status == 413
        watched.write.assert_not_called()
        watched.abort.assert_called()


async def test_error_response_stops_a_body_that_never_suspends(pool: Pool) -> None:
    yielded = 0

    async def busy() -> AsyncIterator[bytes]:
        nonlocal yielded
        for _ in range(1000):
            yielded += 1
            yield b"x" * 65536

    async with serve(lambda peer: reject_when_full(peer, pool)) as server:
        assert (await post(pool, server, busy(), timeouts=NO_TIMEOUTS)).status == 413
        assert yielded < 1000


async def test_lost_connection_interrupts_a_suspended_body(pool: Pool) -> None:
    async def suspended() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.get_running_loop().create_future()

    async def close(peer: Peer) -> None:
        await peer.read_headers()

    async with serve(close) as server:
        with pytest.raises(TransportError):
            await post(pool, server, suspended())


async def test_error_of_the_body_propagates_unchanged(pool: Pool) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise TimeoutError("from the body")

    async with serve(echo) as server:
        with pytest.raises(TimeoutError, match="from the body"):
            await post(pool, server, failing())
        assert pool.live == 0
        assert pool._limiter.free == pool.limit


async def test_early_success_response_does_not_stop_the_upload(pool: Pool) -> None:
    async def respond_early(peer: Peer) -> None:
        await peer.read_headers()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        body = await peer.read_chunks()
        await peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        await peer.read_headers()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"a"
        await wait_until(lambda: next(iter(pool._live)).parser.headers_done)
        yield b"b"
        yield b"c"

    async with serve(respond_early) as server:
        assert (await post(pool, server, slow_body())).body == b"abc"
        assert pool.live == 1


async def test_slow_server_pauses_the_body(pool: Pool) -> None:
    yielded = 0
    proceed = asyncio.Event()

    async def counting() -> AsyncIterator[bytes]:
        nonlocal yielded
        for _ in range(400):
            yielded += 1
            yield b"x" * 65536

    async def slow(peer: Peer) -> None:
        while await peer.read_headers() is not None:
            await proceed.wait()
            await peer.send(make_response(b"%d" % len(await peer.read_chunks())))

    async with serve(slow) as server:
        task = asyncio.ensure_future(post(pool, server, counting(), timeouts=NO_TIMEOUTS))
        await wait_until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        await iterations(100)
        assert yielded < 300
        proceed.set()
        assert (await task).body == b"%d" % (400 * 65536)


async def test_default_timeouts_do_not_interrupt_an_upload(pool: Pool) -> None:
    async with serve(echo) as server:
        result = await post(pool, server, async_body(*[b"x" * 10_000] * 50), timeouts=Timeouts())
        assert len(result.body) == 500_002


async def test_wake_up_is_not_room_in_the_send_buffer(pool: Pool) -> None:
    async def respond_without_reading(peer: Peer) -> None:
        await peer.read_headers()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"1\r\na\r\n")
            await iterations(2)

    headers = request_headers("POST", chunked=True)
    async with serve(respond_without_reading) as server:
        sending = pool.stream(server.origin, "POST", headers, async_body(*[b"x" * 65536] * 500), chunked=True)
        task = asyncio.ensure_future(sending._sending)
        await wait_until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        (connection,) = pool._live
        size = connection.parser.size
        await wait_until(lambda: connection.parser.size > size + 50)
        assert connection.transport.get_write_buffer_size() < 2_000_000
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
