"""Every check of a response through a socket: the whole response in one write, in two, and in small ones."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cloud66_async.pool import Pool, parser
from cloud66_async.pool.errors import InvalidResponse

from ..support import iterations
from .servers import Peer, get, make_response, serve, stream
from .test_parser import OK

LIMIT = 1000
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
LENGTH = b"Content-Length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LAST_CHUNKS = b"2\r\nhi\r\n0\r\n"

ACCEPTED = {
    "plain": OK + LENGTH,
    "many headers": OK + b"A: b\r\n" * (parser.MAX_HEADERS - 6) + LENGTH,
    "long header": OK + b"A: " + b"x" * (parser.MAX_HEADER_SECTION - 200) + b"\r\n" + LENGTH,
    "interim responses": INTERIM * parser.MAX_INTERIM + OK + LENGTH,
    "body of the limit": make_response(b"x" * LIMIT),
    "trailers": CHUNKED + LAST_CHUNKS + b"A: 1234\r\n" * 10_000 + b"\r\n",
}
REJECTED = {
    "HTTP/0.9": (b"HTTP/0.9 200 OK\r\n" + LENGTH, "HTTP/0.9"),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\n" + LENGTH, "HTTP/2.0"),
    "another protocol": (b"ICY/1.0 200 OK\r\n" + LENGTH, "invalid HTTP/1.1|unsupported protocol"),
    "two transfer encodings": (
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + LAST_CHUNKS + b"\r\n",
        "unsupported Transfer-Encoding",
    ),
    "repeated Transfer-Encoding": (
        OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + LAST_CHUNKS + b"\r\n",
        "unsupported Transfer-Encoding",
    ),
    "too many headers": (OK + b"A: b\r\n" * 2000 + LENGTH, "headers exceed"),
    "too long a header": (OK + b"A: " + b"x" * 100_000 + b"\r\n" + LENGTH, "headers exceed"),
    "far too long a header": (OK + b"A: " + b"x" * 200_000 + b"\r\n" + LENGTH, "headers exceed|no body data"),
    "too many interim responses": (INTERIM * 1000 + OK + LENGTH, "interim responses"),
    "status 099 before the response": (b"HTTP/1.1 099 No\r\n\r\n" + OK + LENGTH, "invalid status"),
    "body over the limit": (make_response(b"x" * (LIMIT + 1)), f"exceeds {LIMIT} bytes"),
    "chunked body over the limit": (
        CHUNKED + b"3e9\r\n" + b"x" * (LIMIT + 1) + b"\r\n0\r\n\r\n",
        f"exceeds {LIMIT} bytes",
    ),
    "long trailers": (CHUNKED + LAST_CHUNKS + b"A: 1234\r\n" * 25_000 + b"\r\n", "no body data"),
    "long chunk extension": (CHUNKED + b"2;a=" + b"b" * 225_000 + b"\r\nhi\r\n0\r\n\r\n", "no body data"),
}


def sizes(response: bytes, count: str) -> list[int]:
    """Return the positions at which to split the response."""
    headers = response.rindex(b"HTTP/") if b"103" in response else 0
    return {
        "one write": [],
        "two writes": [response.index(b"\r\n\r\n", headers) + 4],
        "two halves": [len(response) // 2],
        "many writes": list(range(1000, len(response), 1000)),
    }[count]


@pytest.mark.parametrize("streamed", [False, True], ids=["collected", "streamed"])
@pytest.mark.parametrize("count", ["one write", "two writes", "two halves", "many writes"])
@pytest.mark.parametrize("name", [*ACCEPTED, *REJECTED])
async def test_checks_do_not_depend_on_the_reads(name: str, count: str, streamed: bool, pool: Pool) -> None:
    response, reason = REJECTED.get(name, (ACCEPTED.get(name, b""), ""))

    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            for start, end in pairwise([0, *sizes(response, count), len(response)]):
                await peer.send(response[start:end])
                await iterations(3)

    async def body() -> bytes:
        if not streamed:
            return (await get(pool, server, limit=LIMIT)).body
        async with stream(pool, server, limit=LIMIT) as result:
            return b"".join([data async for data in result])

    async with serve(handler) as server:
        if reason:
            with pytest.raises(InvalidResponse, match=reason):
                await body()
            assert pool.live == 0
            assert len(server.received) == 1
        else:
            assert len(await body()) in {2, LIMIT}
            assert pool.live == 1


async def test_rejected_response_leaves_the_pool_usable(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            await peer.send(REJECTED["HTTP/2.0"][0] if received.target == "/bad" else OK + LENGTH)

    async with serve(handler) as server:
        with pytest.raises(InvalidResponse):
            await get(pool, server, "/bad")
        assert (await get(pool, server)).body == b"hi"
        assert pool._limiter.free == pool.limit
