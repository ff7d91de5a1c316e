"""Streamed request bodies and responses."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from unittest import mock

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Pool, StreamedResponse, connection as connection_module
from cloud66_async.pool.errors import ConnectionLost, InvalidResponse
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import (
    NO_TIMEOUTS,
    Peer,
    async_body,
    echo,
    get,
    make_response,
    post,
    request_headers,
    serve,
    stream,
    wait_until,
)

BIG = bytes(range(256)) * 8192  # 2 MiB


async def big(peer: Peer) -> None:
    while (received := await peer.read_request()) is not None:
        await peer.send(make_response(BIG if received.target == "/big" else received.target.encode()))


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


async def test_streamed_response(pool: Pool) -> None:
    async with serve(big) as server:
        async with stream(pool, server, "/big") as streamed:
            assert streamed.status == 200
            assert streamed.header(b"content-length") == b"%d" % len(BIG)
            assert b"".join([data async for data in streamed]) == BIG
            assert pool._limiter.free == pool.limit  # released when the body was complete
        assert pool.live == 1
        async with stream(pool, server, "/small") as streamed:
            assert b"".join([data async for data in streamed]) == b"/small"
        assert pool.opened == 1


async def test_streamed_response_closed_early_closes_its_connection(pool: Pool) -> None:
    async with serve(big) as server:
        async with stream(pool, server, "/big") as streamed:
            async for _ in streamed:
                break
        assert pool.live == 0
        assert pool._limiter.free == pool.limit
        streamed.close()
        assert pool._limiter.free == pool.limit
        assert [data async for data in streamed] == []


async def test_error_in_the_block_propagates_unchanged(pool: Pool) -> None:
    async with serve(big) as server:
        with pytest.raises(ZeroDivisionError):
            async with stream(pool, server, "/big"):
                raise ZeroDivisionError
        assert pool._limiter.free == pool.limit


async def test_closing_the_pool_fails_a_stream_and_a_waiting_request() -> None:
    pool = Pool(1)
    async with serve(big) as server, stream(pool, server, "/big") as streamed:
        waiting = asyncio.ensure_future(get(pool, server))
        await iterations(4)
        await pool.aclose()
        with pytest.raises(TransportError, match="pool was closed"):
            await asyncio.wait_for(waiting, 5)
        with pytest.raises(ConnectionLost, match="pool was closed"):
            async for _ in streamed:
                pass
    assert pool._limiter.free == 1


async def test_slow_reader_pauses_the_server(pool: Pool) -> None:
    sent = 0

    async def endless(peer: Peer) -> None:
        nonlocal sent
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)
            sent += 65536

    async with serve(endless) as server, stream(pool, server) as streamed:
        reader = aiter(streamed)
        await anext(reader)
        (connection,) = pool._live
        await wait_until(lambda: connection._reading_paused)
        assert connection.parser.size - connection.parser.taken < connection_module.HIGH_WATER * 3
        before = connection.parser.size
        await iterations(200)
        assert connection.parser.size == before
        while connection.parser.size < before + 4 * connection_module.HIGH_WATER:
            await anext(reader)
        assert sent > before


async def test_truncated_streamed_body(pool: Pool) -> None:
    async def truncate(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"x" * 10)[:-5])

    async with serve(truncate) as server, stream(pool, server) as streamed:
        received: list[bytes] = []
        with pytest.raises(ConnectionLost):
            async for data in streamed:
                received.append(data)  # noqa: PERF401
        assert b"".join(received) == b"x" * 5
        assert pool._limiter.free == pool.limit


async def test_limit_on_a_streamed_body(pool: Pool) -> None:
    async with serve(big) as server:
        with pytest.raises(InvalidResponse):
            async with pool.stream(server.origin, "GET", request_headers("GET", "/big"), limit=1000) as streamed:
                pytest.fail(f"{streamed} exceeds the limit")


async def test_limit_on_a_collected_body(pool: Pool) -> None:
    small = Pool(1, max_body=1000)
    async with serve(big) as server:
        with pytest.raises(InvalidResponse, match="exceeds 1000 bytes"):
            await get(small, server, "/big")
        assert len((await get(small, server, "/big", limit=len(BIG))).body) == len(BIG)
        await small.aclose()


async def test_several_concurrent_readers(pool: Pool) -> None:
    async def read(target: str) -> bytes:
        async with stream(pool, server, target) as streamed:
            return b"".join([data async for data in streamed])

    async with serve(big) as server:
        results = await asyncio.gather(*(read("/big" if number % 2 else f"/{number}") for number in range(20)))
        assert results == [BIG if number % 2 else b"/%d" % number for number in range(20)]


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


async def test_unclosed_streamed_response_releases_its_slot(pool: Pool) -> None:
    async with serve(big) as server:
        response = await stream(pool, server, "/big")
        with pytest.warns(ResourceWarning, match="<StreamedResponse 200> was never closed"):
            del response
        await iterations(2)
        assert pool.live == 0
        assert pool._limiter.free == pool.limit


def test_unclosed_streamed_response_after_the_event_loop() -> None:
    async def open_stream() -> StreamedResponse:
        pool = Pool()
        async with serve(big) as server:
            response = await stream(pool, server, "/big")
            await pool.aclose()
            return response

    def forget(responses: list[StreamedResponse]) -> None:
        responses.clear()
        gc.collect()

    with asyncio.Runner() as runner:
        responses = [runner.run(open_stream())]
    with pytest.warns(ResourceWarning, match="never closed"):
        forget(responses)


async def test_connection_of_a_truncated_stream_is_not_reused(pool: Pool) -> None:
    async def truncate(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhe")

    async with serve(truncate) as server:
        async with stream(pool, server) as streamed:
            with pytest.raises(TransportError):
                assert [data async for data in streamed] == []
        assert pool._idle.pop(server.origin) is None
        assert (pool.live, pool._limiter.free) == (0, pool.limit)


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


async def test_data_before_an_error_is_returned(pool: Pool) -> None:
    async def truncate(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"x" * 10)[:-5])

    async with serve(truncate) as server, stream(pool, server) as streamed:
        (connection,) = pool._live
        await wait_until(lambda: connection.closed)
        reader = aiter(streamed)
        assert await anext(reader) == b"x" * 5
        with pytest.raises(ConnectionLost):
            await anext(reader)
