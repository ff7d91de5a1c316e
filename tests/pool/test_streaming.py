"""Streamed responses, and the limits on the size of a body."""

from __future__ import annotations

import asyncio
import gc

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Pool, StreamedResponse, connection as connection_module
from cloud66_async.pool.errors import ConnectionLost, InvalidResponse

from ..support import iterations
from .servers import BIG, Peer, big, get, make_response, request_headers, serve, stream, wait_until


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
            await asyncio.wait_for(waiting, 60)
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
