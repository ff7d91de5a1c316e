"""Every framing over real sockets, plain and TLS: split at every byte, and truncated at every byte."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Pool
from cloud66_async.pool.connection import Connection

from .servers import Peer, get, make_response, serve, wait_until
from .test_parser import BODIES, ENDED_BY_CLOSE, FRAMINGS


def only_connection(pool: Pool) -> Connection:
    (connection,) = pool._live
    return connection


def waiting_at(pool: Pool, position: int) -> Callable[[], bool]:
    """Return a condition: the client has received exactly `position` bytes of a response and expects more."""
    return lambda: not only_connection(pool).parser.complete and only_connection(pool).parser.received == position


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", FRAMINGS)
async def test_response_split_at_every_byte(
    name: str, secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    data = FRAMINGS[name]
    pool = Pool(1, tls=client_tls)

    async def split(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            at = int(received.target[1:])
            await peer.send(data[:at])
            await wait_until(waiting_at(pool, at))
            await peer.send(data[at:])

    async with serve(split, tls=server_tls if secure else None) as server:
        for at in range(1, len(data)):
            result = await get(pool, server, f"/{at}")
            assert (result.body, result.status) == (BODIES[name], int(data[data.rindex(b"HTTP/") + 9 :][:3]))
        assert pool.opened == 1
        await pool.aclose()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", [*FRAMINGS, *ENDED_BY_CLOSE])
async def test_response_truncated_at_every_byte(
    name: str, secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    data = {**FRAMINGS, **ENDED_BY_CLOSE}[name]
    body = data.index(b"\r\n\r\n") + 4
    pool = Pool(1, tls=client_tls)

    async def end(peer: Peer) -> None:
        received = await peer.read_request()
        assert received is not None
        await peer.send(data[: int(received.target[1:])])

    async with serve(end, tls=server_tls if secure else None) as server:
        for at in range(len(data)):
            if name in ENDED_BY_CLOSE and at >= body:
                assert (await get(pool, server, f"/{at}")).body == data[body:at]
            else:
                with pytest.raises(TransportError) as caught:
                    await get(pool, server, f"/{at}")
                assert caught.value.sent
            assert pool._limiter.free == 1
        assert (await get(pool, server, f"/{len(data)}")).body == BODIES.get(name, b"hello")
        assert len(server.received) == len(data) + 1  # a truncated response does not cause a retry
        await pool.aclose()


async def test_connection_reset_within_the_body(pool: Pool) -> None:
    async def reset(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"x" * 100)[:-50])
        await wait_until(lambda: only_connection(pool).parser.size == 50)
        peer.abort()

    async with serve(reset) as server:
        with pytest.raises(TransportError):
            await get(pool, server)


async def test_three_ways_to_read_headers(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(make_response(b"hi", headers=b"X-One: 1 \t\r\nX-Two: a\r\nx-two: b\r\nX-Latin: \xe9\r\n"))

    async with serve(handler) as server:
        result = await get(pool, server)
        assert result.header(b"x-one") == b"1"
        assert result.header(b"x-two") == b"a"
        assert result.header(b"x-none") is None
        assert dict(result.headers) == {"content-length": "2", "x-one": "1", "x-two": "a, b", "x-latin": "é"}
        assert (b"x-two", b"b") in result.raw_headers
        assert result.reason == b"Reason"
        assert result.headers is result.headers
