"""Reuse of connections, and retries of requests."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest

from cloud66_async._core.limiter import INFINITY
from cloud66_async.errors import ConfigError, TransportError
from cloud66_async.pool import Origin, Pool, pool as pool_module
from cloud66_async.pool.connection import READING, Connection
from cloud66_async.pool.connector import Connector
from cloud66_async.pool.errors import ConnectionLost, StaleConnection
from cloud66_async.pool.request import PoolRequest
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import (
    NO_TIMEOUTS,
    Clock,
    Peer,
    async_body,
    echo,
    get,
    make_response,
    open_sockets,
    post,
    request_headers,
    serve,
    wait_until,
)


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


class ClosingServer:
    """Handler that closes each of the first `connections` when it has read one request more than `responses`."""

    def __init__(self, responses: int, last_data: bytes = b"", connections: int = 1) -> None:
        self.responses = responses
        self.last_data = last_data
        self.connections = connections
        self.read: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        number = len(peer.server.peers)
        sent = 0
        while (received := await peer.read_request()) is not None:
            self.read.append(received.target)
            if number <= self.connections and sent >= self.responses:
                await peer.send(self.last_data)
                return
            sent += 1
            await peer.send(make_response(received.target.encode()))


async def test_request_on_a_stale_connection_is_retried_on_a_new_one(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await get(pool, server, "/1")
        assert (await get(pool, server, "/2")).body == b"/2"
        assert closing.read == ["/1", "/2", "/2"]
        assert pool.opened == 2


async def test_second_attempt_does_not_use_an_idle_connection(pool: Pool) -> None:
    closing = ClosingServer(1, connections=2)
    async with serve(closing) as server:
        await asyncio.gather(get(pool, server, "/1"), get(pool, server, "/1"))
        assert (await get(pool, server, "/2")).body == b"/2"
        assert closing.read.count("/2") == 2
        assert pool.opened == 3


async def test_request_is_retried_only_once(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await asyncio.gather(get(pool, server, "/1"), get(pool, server, "/1"))
        closing.responses, closing.connections = 0, 99
        with pytest.raises(ConnectionLost):
            await get(pool, server, "/2")
        assert closing.read.count("/2") == 2


async def test_request_that_is_not_repeatable_is_not_retried(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await get(pool, server, "/1")
        with pytest.raises(StaleConnection) as caught:
            await post(pool, server, b"x", "/2")
        assert caught.value.sent
        assert closing.read == ["/1", "/2"]
        assert pool._limiter.free == pool.limit


async def test_request_with_an_iterable_body_is_not_retried(pool: Pool) -> None:
    closing = ClosingServer(1)

    async with serve(closing) as server:
        await get(pool, server, "/1")
        with pytest.raises(StaleConnection):
            await post(pool, server, async_body(b"x"), "/2", repeatable=True)
        assert closing.read == ["/1", "/2"]


async def test_new_connection_is_never_stale(pool: Pool) -> None:
    closing = ClosingServer(0)
    async with serve(closing) as server:
        with pytest.raises(ConnectionLost) as caught:
            await get(pool, server, "/1")
        assert not isinstance(caught.value, StaleConnection)
        assert closing.read == ["/1"]


async def test_request_with_a_partial_response_is_not_retried(pool: Pool) -> None:
    closing = ClosingServer(1, last_data=b"HTTP/1.1 200")
    async with serve(closing) as server:
        await get(pool, server, "/1")
        with pytest.raises(ConnectionLost) as caught:
            await get(pool, server, "/2")
        assert not isinstance(caught.value, StaleConnection)
        assert closing.read == ["/1", "/2"]


async def test_408_with_close_on_a_reused_connection_is_retried(pool: Pool) -> None:
    closing = ClosingServer(1, last_data=make_response(b"too slow", status=408, headers=b"Connection: close\r\n"))
    async with serve(closing) as server:
        await get(pool, server, "/1")
        assert (await get(pool, server, "/2")).body == b"/2"
        assert closing.read == ["/1", "/2", "/2"]


@pytest.mark.parametrize("first", [True, False])
async def test_any_other_408_is_a_response(pool: Pool, first: bool) -> None:
    headers = b"Connection: close\r\n" if first else b""
    closing = ClosingServer(0 if first else 1, last_data=make_response(b"too slow", status=408, headers=headers))
    async with serve(closing) as server:
        if not first:
            await get(pool, server, "/1")
        assert (await get(pool, server, "/2")).status == 408


async def test_write_does_not_use_a_connection_that_was_closed(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "TRUSTED_IDLE", -1.0)
    async with serve(echo) as server:
        for number in range(20):
            assert (await get(pool, server)).status == 200
            for peer in server.peers:
                peer.abort()
            assert (await post(pool, server, b"x", f"/{number}")).body == b"/%d|x" % number
        assert sum(received.method == "POST" for received in server.received) == 20


async def test_server_that_closes_connections_under_load(pool: Pool) -> None:
    async def close_after_three(peer: Peer) -> None:
        for _ in range(3):
            received = await peer.read_request()
            if received is None:
                return
            await peer.send(make_response(received.target.encode()))

    async with serve(close_after_three) as server:
        results = await asyncio.gather(*(get(pool, server, f"/{number}") for number in range(300)))
        assert [result.body for result in results] == [b"/%d" % number for number in range(300)]


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


async def test_closed_pool_rejects_requests() -> None:
    pool = Pool()
    await pool.aclose()
    async with serve(echo) as server:
        with pytest.raises(TransportError, match="pool is closed") as caught:
            await get(pool, server)
        assert not caught.value.sent
        await pool.aclose()


async def test_closing_fails_requests_in_flight_and_waiting() -> None:
    async def never_respond(peer: Peer) -> None:
        await peer.read_request()
        await peer.read_headers()

    pool = Pool(2)
    async with serve(never_respond) as server:
        requests = [asyncio.ensure_future(get(pool, server)) for _ in range(5)]
        await wait_until(lambda: len(server.received) == 2)
        await pool.aclose()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert [isinstance(result, TransportError) and result.sent for result in results] == [True] * 2 + [False] * 3
        assert all("pool was closed" in str(result) for result in results)
        assert pool._limiter.free == 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_sockets_are_closed_when_aclose_returns(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    pool = Pool(3, tls=client_tls)
    async with serve(echo, tls=server_tls if secure else None) as server:
        await asyncio.gather(*(get(pool, server) for _ in range(3)))
        before = open_sockets()
        await pool.aclose()
        assert open_sockets() <= before - 3


def test_another_event_loop_is_rejected() -> None:
    pool = Pool()
    with asyncio.Runner() as runner:
        runner.run(_once(pool))
    with asyncio.Runner() as runner:
        for attempt in (_once(pool), pool.aclose()):
            with pytest.raises(ConfigError, match="another event loop; create one client per event loop"):
                runner.run(attempt)


async def _once(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        for connection in tuple(pool._live):
            connection.abort()
        await iterations(4)


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


async def test_connection_of_a_retried_408_is_closed(pool: Pool) -> None:
    closed: list[bool] = []

    async def handler(peer: Peer) -> None:
        first = len(peer.server.peers) == 1
        if await peer.read_request() is not None:
            await peer.send(make_response(b"first"))
        while await peer.read_request() is not None:
            headers = b"Connection: close\r\n" if first else b""
            await peer.send(make_response(b"second", status=408 if first else 200, headers=headers))
        closed.append(first)

    async with serve(handler) as server:
        assert (await get(pool, server)).body == b"first"
        assert (await get(pool, server)).body == b"first"  # on the second connection
        assert (pool.opened, pool.live) == (2, 1)
        await wait_until(lambda: closed == [True])


async def test_write_with_a_408_is_not_retried(pool: Pool) -> None:
    closing = ClosingServer(1, last_data=make_response(b"too slow", status=408, headers=b"Connection: close\r\n"))
    async with serve(closing) as server:
        await get(pool, server, "/1")
        assert (await post(pool, server, b"x", "/2")).status == 408
        assert closing.read == ["/1", "/2"]


async def test_streamed_request_with_an_iterable_body_is_not_retried(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await get(pool, server, "/1")
        headers = request_headers("POST", "/2", chunked=True)
        with pytest.raises(StaleConnection):
            await pool.stream(server.origin, "POST", headers, async_body(b"x"), chunked=True)
        assert closing.read == ["/1", "/2"]


async def test_connection_opened_while_the_pool_closes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(2)
    connect = Connector._open

    async def connect_and_close(self: Connector, origin: Origin) -> Connection:
        connection = await connect(self, origin)
        pool._closed = True  # as if aclose ran after the connection was made and before this task went on
        return connection

    monkeypatch.setattr(Connector, "_open", connect_and_close)
    async with serve(echo) as server:
        with pytest.raises(TransportError, match="pool was closed") as caught:
            await get(pool, server)
        assert not caught.value.sent
        assert (pool.live, pool._limiter.free, server.received) == (0, 2, [])
        await iterations(6)


async def test_closing_pool_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "TRUSTED_IDLE", -1.0)
    pool = Pool(2)
    async with serve(echo) as server:
        await get(pool, server)
        task = asyncio.ensure_future(post(pool, server, b"x"))
        await iterations(1)
        assert not task.done()
        await pool.aclose()
        with pytest.raises(TransportError, match="pool was closed") as caught:
            await task
        assert not caught.value.sent
        await iterations(10)
        assert len(server.peers) == 1


async def test_response_that_arrives_while_the_pool_closes_leaves_no_connection() -> None:
    pool = Pool(2)
    headers = request_headers()
    request = PoolRequest(headers, b"", False, False, True, NO_TIMEOUTS, INFINITY, 1000, True)
    async with serve(echo) as server:
        await get(pool, server)
        connection = await pool._send(server.origin, request)
        pool._closed = True
        pool.release(connection)
        assert connection.closed
        assert (pool.live, pool._limiter.free) == (0, 2)
        await iterations(6)


async def test_connection_of_a_body_ended_by_close_is_not_reused(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")

    async with serve(handler) as server:
        for count in (1, 2):
            assert (await get(pool, server)).body == b"hello"
            assert (pool.opened, pool.live) == (count, 0)


async def test_write_uses_a_connection_just_used_immediately(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        task = asyncio.ensure_future(post(pool, server, b"x"))
        await iterations(1)
        (connection,) = pool._live
        assert connection._phase == READING
        assert (await task).body == b"/|x"


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


async def test_closed_connection_leaves_no_reference_cycle() -> None:
    pool = Pool(1)
    async with serve(echo) as server:
        await get(pool, server)
        (connection,) = pool._live
        await pool.aclose()
        await wait_until(lambda: connection.parser._parser is None)


async def test_error_after_the_response_does_not_replace_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    update = Connection.buffer_updated

    def update_and_fail(self: Connection, nbytes: int) -> None:
        update(self, nbytes)
        self.fail(ConnectionLost("too late"))

    monkeypatch.setattr(Connection, "buffer_updated", update_and_fail)
    async with serve(echo) as server:
        assert (await get(pool, server)).body == b"/|"
        assert pool.live == 0
