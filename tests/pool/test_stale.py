"""Connections that the server closes, and the retry of a request on a stale one."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async.pool import Pool, pool as pool_module
from cloud66_async.pool.connection import READING
from cloud66_async.pool.errors import ConnectionLost, StaleConnection

from ..support import iterations
from .servers import Peer, async_body, echo, get, make_response, post, request_headers, serve, wait_until


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


async def test_streamed_request_with_an_iterable_body_is_not_retried(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await get(pool, server, "/1")
        headers = request_headers("POST", "/2", chunked=True)
        with pytest.raises(StaleConnection):
            await pool.stream(server.origin, "POST", headers, async_body(b"x"), chunked=True)
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


async def test_write_uses_a_connection_just_used_immediately(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        task = asyncio.ensure_future(post(pool, server, b"x"))
        await iterations(1)
        (connection,) = pool._live
        assert connection._phase == READING
        assert (await task).body == b"/|x"


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
