"""Closing the pool, and its event loop."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from cloud66_async._core.limiter import INFINITY
from cloud66_async.errors import ConfigError, TransportError
from cloud66_async.pool import Origin, Pool, pool as pool_module
from cloud66_async.pool.connection import Connection
from cloud66_async.pool.connector import Connector
from cloud66_async.pool.request import PoolRequest

from ..support import iterations
from .servers import NO_TIMEOUTS, echo, get, never_respond, open_sockets, post, request_headers, serve, wait_until


async def test_closed_pool_rejects_requests() -> None:
    pool = Pool()
    await pool.aclose()
    async with serve(echo) as server:
        with pytest.raises(TransportError, match="pool is closed") as caught:
            await get(pool, server)
        assert not caught.value.sent
        await pool.aclose()


async def test_closing_fails_requests_in_flight_and_waiting() -> None:
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


async def test_closed_connection_leaves_no_reference_cycle() -> None:
    pool = Pool(1)
    async with serve(echo) as server:
        await get(pool, server)
        (connection,) = pool._live
        await pool.aclose()
        await wait_until(lambda: connection.parser._parser is None)


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
