"""Reuse of connections, and the limit on their number."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from cloud66_async.errors import ConfigError
from cloud66_async.pool import Pool
from cloud66_async.pool.connection import Connection
from cloud66_async.pool.errors import ConnectionLost
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import Clock, Peer, echo, get, make_response, post, request_headers, serve, wait_until


async def test_connection_is_reused(pool: Pool) -> None:
    async with serve(echo) as server:
        for number in range(10):
            assert (await get(pool, server, f"/{number}")).body == b"/%d|" % number
            assert (await post(pool, server, b"body", f"/{number}")).body == b"/%d|body" % number
        assert pool.opened == 1
        assert pool.live == 1


async def test_limit_on_connections(pool: Pool) -> None:
    in_flight = peak = 0
    full = asyncio.Event()

    async def slow(peer: Peer) -> None:
        nonlocal in_flight, peak
        while (received := await peer.read_request()) is not None:
            in_flight += 1
            peak = max(peak, in_flight)
            if in_flight == pool.limit:
                full.set()
            await asyncio.wait_for(full.wait(), 10)
            await iterations(5)  # time for a connection beyond the limit
            in_flight -= 1
            await peer.send(make_response(received.target.encode()))

    async with serve(slow) as server:
        results = await asyncio.gather(*(get(pool, server, f"/{number}") for number in range(100)))
        assert [result.body for result in results] == [b"/%d" % number for number in range(100)]
        assert peak == pool.opened == pool.limit == 4


async def test_most_recently_used_connection_is_reused_first(pool: Pool) -> None:
    async with serve(echo) as server:
        await asyncio.gather(*(get(pool, server) for _ in range(3)))
        assert pool.opened == 3
        last = pool._idle.pop(server.origin)
        assert last is not None
        pool._idle.add(last)
        for _ in range(5):
            await get(pool, server)
            assert last.idle_since >= max(connection.idle_since for connection in pool._live)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_idle_connection_is_closed_after_the_idle_timeout(clock: Clock) -> None:
    pool = Pool(4, idle=15.0)
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=30.0))
        await clock.advance(14)
        assert pool.live == 1
        await get(pool, server, timeouts=Timeouts(read=30.0))
        await clock.advance(14)
        assert pool.live == 1
        await clock.advance(2)
        assert pool.live == 0
        assert pool.opened == 1
        await get(pool, server, timeouts=Timeouts(read=30.0))
        assert pool.opened == 2
        await pool.aclose()


async def test_unsolicited_data_closes_the_connection(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        await server.peers[0].send(make_response(b"unsolicited"))
        await wait_until(lambda: pool.live == 0)
        assert (await get(pool, server, "/next")).body == b"/next|"


@pytest.mark.parametrize("surplus", [make_response(b"second"), b"H", b"junk", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_surplus_bytes_close_the_connection_but_not_the_response(pool: Pool, surplus: bytes) -> None:
    async def send_surplus(peer: Peer) -> None:
        received = await peer.read_request()
        assert received is not None
        await peer.send(make_response(received.target.encode()) + surplus)
        await peer.read_headers()

    async with serve(send_surplus) as server:
        for number in range(5):
            assert (await get(pool, server, f"/{number}")).body == b"/%d" % number
        assert pool.opened == 5
        assert pool.live == 0


@pytest.mark.parametrize("headers", [b"Connection: close\r\n", b"connection: Close\r\n"])
async def test_connection_close_header_is_honored(pool: Pool, headers: bytes) -> None:
    async def closing(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"bye", headers=headers))
        await peer.read_headers()

    async with serve(closing) as server:
        for _ in range(3):
            assert (await get(pool, server)).body == b"bye"
            assert pool.live == 0


async def test_head_requests_share_a_connection_with_others(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            data = make_response(received.target.encode())
            await peer.send(data[: data.index(b"\r\n\r\n") + 4] if received.method == "HEAD" else data)

    async with serve(handler) as server:
        for number in range(4):
            result = await get(pool, server, f"/{number}", method="HEAD")
            assert (result.body, result.header(b"content-length")) == (b"", b"2")
            assert (await get(pool, server, f"/{number}")).body == b"/%d" % number
        assert pool.opened == 1


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop counts whole milliseconds
async def test_longest_idle_connection_of_any_origin_is_closed_at_the_limit() -> None:
    pool = Pool(2)
    async with serve(echo) as first, serve(echo) as second, serve(echo) as third:
        await get(pool, first)
        await get(pool, second)
        await get(pool, third)
        assert {connection.origin for connection in pool._live} == {second.origin, third.origin}
        await get(pool, second)
        await get(pool, first)
        assert {connection.origin for connection in pool._live} == {second.origin, first.origin}
        await pool.aclose()


async def test_origin_without_connections_is_forgotten(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        server.peers[0].abort()
        await wait_until(lambda: pool.live == 0)
        assert pool._idle._by_origin == {}


async def test_pending_connections_count_toward_the_limit() -> None:
    pool = Pool(3)
    async with serve(echo) as first, serve(echo) as second:
        await asyncio.gather(*(get(pool, first) for _ in range(3)))
        assert pool.live == 3
        requests = [asyncio.ensure_future(get(pool, second)) for _ in range(3)]
        while not all(request.done() for request in requests):
            assert pool.live + pool._connecting <= 3
            await asyncio.sleep(0)
        await asyncio.gather(*requests)
        await pool.aclose()


async def test_idle_connection_holds_no_response_data(pool: Pool) -> None:
    async with serve(echo) as server:
        await post(pool, server, b"x" * 1000)
        (connection,) = pool._live
        assert connection.parser.data == []
        assert connection.parser.header_section == b""


def test_limit_below_one_is_rejected() -> None:
    with pytest.raises(ConfigError, match="invalid limit 0"):
        Pool(0)


async def test_headers_and_small_body_are_one_write(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        (connection,) = pool._live
        written: list[bytes] = []
        real = connection.transport

        class Recording:
            def write(self, data: bytes) -> None:
                written.append(bytes(data))
                real.write(data)

        monkeypatch.setattr(connection, "transport", Recording())
        await post(pool, server, b"body")
        monkeypatch.undo()
        assert written == [request_headers("POST", length=4) + b"body"]


async def test_connection_of_a_body_ended_by_close_is_not_reused(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")

    async with serve(handler) as server:
        for count in (1, 2):
            assert (await get(pool, server)).body == b"hello"
            assert (pool.opened, pool.live) == (count, 0)


async def test_connection_reset_while_idle_leaves_the_pool(pool: Pool) -> None:
    async def reset(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one"))
        await proceed.wait()
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.abort()

    proceed = asyncio.Event()
    async with serve(reset) as server:
        assert (await get(pool, server)).body == b"one"
        (connection,) = pool._live
        proceed.set()
        await wait_until(lambda: connection.closed)
        assert (pool.live, pool._idle.oldest()) == (0, None)


async def test_error_after_the_response_does_not_replace_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    update = Connection.buffer_updated

    def update_and_fail(self: Connection, nbytes: int) -> None:
        update(self, nbytes)
        self.fail(ConnectionLost("too late"))

    monkeypatch.setattr(Connection, "buffer_updated", update_and_fail)
    async with serve(echo) as server:
        assert (await get(pool, server)).body == b"/|"
        assert pool.live == 0
