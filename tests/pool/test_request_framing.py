"""Framing headers that the caller sets, over the pool and over the library's own transport."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import h11
import pytest

from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async._http.library import httpx
from cloud66_async.pool import Pool
from cloud66_async.pool.errors import BodyLengthError

from ..support import iterations
from .servers import Peer, ReceivedRequest, Server, echo, get, make_response, request_headers, serve

INNER = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = ("Transfer-Encoding", "chunked")
Headers = list[tuple[str, str]]
Transport = Callable[[Pool], httpx.AsyncBaseTransport]


async def strict_echo(peer: Peer) -> None:
    """Respond like `echo`, but read the framing of each request as a cautious server does."""
    while (headers := await peer.read_headers()) is not None:
        if "transfer-encoding" in headers.headers:
            body = await peer.read_chunks()
        else:
            body = await peer.reader.readexactly(int(headers.headers.get("content-length", "0")))
        peer.server.received.append(headers._replace(body=body))
        await peer.send(make_response(body))


def over_pool(pool: Pool) -> httpx.AsyncBaseTransport:
    return HttpxAdapter(pool)


def over_library(pool: Pool) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport()


async def streamed(*items: bytes) -> AsyncIterator[bytes]:
    for item in items:
        yield item


async def post(server: Server, transport: httpx.AsyncBaseTransport, body: tuple[bytes, ...], headers: Headers) -> str:
    """Send a body of one item as bytes and any other streamed. Return its echo or the name of the error."""
    async with httpx.AsyncClient(transport=transport, timeout=60.0) as client:
        content = body[0] if len(body) == 1 else streamed(*body)
        try:
            return (await client.post(server.url, content=content, headers=headers)).text
        except (httpx.HTTPError, h11.LocalProtocolError) as error:  # the library lets the second through
            return type(error).__name__


@pytest.mark.parametrize("transport", [over_pool, over_library])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ((b"hello",), [CHUNKED]),
        ((INNER,), [CHUNKED]),
        ((INNER,), [("Transfer-Encoding", "Chunked")]),
        ((b"x" * 200_000,), [CHUNKED]),
        ((b"hello",), [("Content-Length", "5")]),
        ((b"hello",), [("Content-Length", "5"), ("content-length", "5")]),
        ((b"hello",), [("Content-Length", "5, 5")]),
        ((b"he", b"", b"llo"), [("Content-Length", "5")]),
        ((b"he", b"", b"llo"), [CHUNKED]),
        ((b"", INNER), []),
        ((b"",), []),
        ((), [("Content-Length", "0")]),
        ((b"", b""), [("Content-Length", "0")]),
    ],
)
async def test_body_is_framed_as_the_headers_announce(
    body: tuple[bytes, ...], headers: Headers, transport: Transport, pool: Pool
) -> None:
    async with serve(strict_echo) as server:
        assert await post(server, transport(pool), body, headers) == b"".join(body).decode()
        assert [received.target for received in server.received] == ["/"]


@pytest.mark.parametrize("transport", [over_pool, over_library])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ((INNER,), [("Content-Length", "3")]),
        ((INNER,), [("Content-Length", "0")]),
        ((b"hello",), [("Content-Length", "50")]),
        ((b"hello",), [("Content-Length", "3"), ("Content-Length", "5")]),
        ((b"hello",), [("Content-Length", "5, 3")]),
        ((b"hello",), [("Content-Length", "+5")]),
        ((b"hello",), [("Content-Length", "5_0")]),
        ((b"hello",), [("Content-Length", "")]),
        ((b"hello",), [("Content-Length", "9" * 21)]),
        ((b"hello",), [CHUNKED, CHUNKED]),
        ((b"hello",), [("Transfer-Encoding", "gzip, chunked")]),
        ((b"hello",), [("Transfer-Encoding", "identity")]),
        ((b"he", b"llo"), [("Transfer-Encoding", "chunked;a=b")]),
        ((b"hello", INNER), [("Content-Length", "5")]),
        ((b"hello", b""), [("Content-Length", "25")]),
        ((b"", b""), [("Content-Length", "25")]),
        ((b"hello",), [("Host", "a"), ("Host", "b")]),
    ],
)
async def test_contradicting_framing_is_rejected(
    body: tuple[bytes, ...], headers: Headers, transport: Transport, pool: Pool
) -> None:
    async with serve(strict_echo) as server:
        assert await post(server, transport(pool), body, headers) == "LocalProtocolError"
        assert pool.live == 0
        if transport is over_pool:
            assert (await get(pool, server, "/next")).status == 200
            assert {received.target for received in server.received} <= {"/", "/next"}
            assert all(received.body in {b"", b"hello"} for received in server.received)


@pytest.mark.parametrize("body", [(INNER,), (b"0\r\n\r\n", INNER)])
async def test_both_framing_headers_are_rejected(body: tuple[bytes, ...], pool: Pool) -> None:
    # The library sends both, which RFC 9112, section 6.2, forbids.
    async with serve(strict_echo) as server:
        headers = [("Content-Length", "3"), CHUNKED]
        assert await post(server, over_pool(pool), body, headers) == "LocalProtocolError"
        assert server.received == []


async def test_chunked_request_has_no_content_length(pool: Pool) -> None:
    async with serve(strict_echo) as server:
        assert await post(server, over_pool(pool), (b"hello",), [CHUNKED]) == "hello"
        assert "content-length" not in server.received[0].headers


async def test_request_without_framing_headers_has_no_body(pool: Pool) -> None:
    async with serve(strict_echo) as server:
        for content in (b"hello", streamed(b"hello")):
            request = httpx.Request("POST", server.url, content=content)
            for name in ("content-length", "transfer-encoding"):
                with suppress(KeyError):
                    del request.headers[name]
            with pytest.raises(httpx.LocalProtocolError):
                await over_pool(pool).handle_async_request(request)
        assert server.received == []
        assert pool.live == 0


async def test_surplus_is_not_written(pool: Pool) -> None:
    received = bytearray()

    async def handler(peer: Peer) -> None:
        while data := await peer.reader.read(65536):
            received.extend(data)

    async with serve(handler) as server:
        result = await post(server, over_pool(pool), (b"hello", b"GET /smuggled"), [("Content-Length", "5")])
        assert result == "LocalProtocolError"
        await iterations(20)
        assert received.endswith(b"\r\n\r\nhello")


async def test_short_body_that_got_a_response_closes_the_connection(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while (received := await peer.read_headers()) is not None:
            await peer.send(make_response(received.target.encode()))
            await peer.reader.readexactly(int(received.headers.get("content-length", "0")))

    async with serve(handler) as server, httpx.AsyncClient(transport=HttpxAdapter(pool)) as client:
        for _ in range(3):
            headers = {"Content-Length": "25"}
            with suppress(httpx.LocalProtocolError):
                await client.post(server.url + "/early", content=streamed(b"he", b"llo"), headers=headers)
            assert (await client.get(server.url + "/next")).text == "/next"


async def test_length_of_items_is_their_number_of_bytes(pool: Pool) -> None:
    async def items() -> AsyncIterator[bytes]:
        yield memoryview(b"four" * 3).cast("I")  # type: ignore[misc]  # any buffer works

    async with serve(echo) as server:
        headers = request_headers("POST", length=12)
        assert (await pool.request(server.origin, "POST", headers, items())).body == b"/|fourfourfour"
        headers = request_headers("POST", chunked=True)
        assert (await pool.request(server.origin, "POST", headers, items(), chunked=True)).body == b"/|fourfourfour"
        headers = request_headers("POST", length=3)
        with pytest.raises(BodyLengthError, match=re.escape("longer than its Content-Length (3)")):
            await pool.request(server.origin, "POST", headers, items())


@pytest.mark.parametrize("size", [0, 5, 200_000])
async def test_pool_sends_bytes_in_chunks(size: int, pool: Pool) -> None:
    async with serve(echo) as server:
        for _ in range(2):
            headers = request_headers("POST", chunked=True)
            response = await pool.request(server.origin, "POST", headers, b"x" * size, chunked=True)
            assert response.body == b"/|" + b"x" * size
        assert pool.opened == 1
        assert isinstance(server.received[0], ReceivedRequest)


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ([("Content-Length", "5"), ("content-length", "5")], [b"Content-Length: 5"]),
        ([("Content-Length", "5, 5")], [b"Content-Length: 5"]),
        ([("transfer-encoding", "Chunked")], [b"Transfer-Encoding: chunked"]),
        ([CHUNKED, ("Content-Length", "5")], [b"Transfer-Encoding: chunked"]),
        ([], [b"Content-Length: 5"]),
    ],
)
async def test_one_framing_header_is_written(headers: Headers, sent: list[bytes], pool: Pool) -> None:
    lines: list[bytes] = []

    async def handler(peer: Peer) -> None:
        lines.extend((await peer.reader.readuntil(b"\r\n\r\n")).split(b"\r\n"))
        await peer.send(make_response())

    async with serve(handler) as server:
        assert await post(server, over_pool(pool), (b"hello",), headers) == ""
        assert [line for line in lines if line.lower().startswith((b"content-l", b"transfer-e"))] == sent
