"""PoolTransport: the bytes of each request, and secrets that stay hidden."""

from __future__ import annotations

import traceback

import pytest

from cloud66_async.config import Address
from cloud66_async.errors import ConfigError, TransportError
from cloud66_async.pool import Pool, PoolTransport
from cloud66_async.secret import Hidden
from cloud66_async.transport import RawResponse, Request, SharedHeaders, Timeouts, Transport

from .servers import Peer, echo, serve

TOKEN = "very-secret-token"
HEADERS = SharedHeaders([("Authorization", f"Bearer {TOKEN}"), ("Accept", "application/json")])


def request(
    method: str = "GET",
    target: str = "/api/3/stacks.json?page=1",
    *,
    body: bytes | None = None,
    request_id: str = "id-1",
) -> Request:
    return Request(method, target, HEADERS, request_id, body, method == "GET", Timeouts())


class RecordingHandler:
    """Handler that records the bytes of every request."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.requests.append(await peer.reader.readuntil(b"\r\n\r\n"))
            length = [line for line in self.requests[-1].split(b"\r\n") if line.startswith(b"Content-Length")]
            if length:
                self.requests[-1] += await peer.reader.readexactly(int(length[0].split(b": ")[1]))
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\n{}")


async def test_every_byte_of_a_request(pool: Pool) -> None:
    handler = RecordingHandler()
    async with serve(handler) as server:
        transport: Transport = PoolTransport(pool, server.origin)
        result: RawResponse = await transport.send(request())
        assert (result.status, result.body, result.header(b"x-a"), result.headers["x-a"]) == (200, b"{}", b"1", "1")
        await transport.send(request("POST", "/a", body=b'{"b":1}'))
        await transport.send(request("POST", "/a"))
        await transport.send(request("DELETE", "/a"))
        start = "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRequest-Id: id-1\r\n"
        rest = f"Authorization: Bearer {TOKEN}\r\nAccept: application/json\r\n"
        port = server.origin.port
        assert [raw.decode() for raw in handler.requests] == [
            start % ("GET", "/api/3/stacks.json?page=1", port) + rest + "\r\n",
            start % ("POST", "/a", port) + rest + 'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"b":1}',
            start % ("POST", "/a", port) + rest + "Content-Length: 0\r\n\r\n",
            start % ("DELETE", "/a", port) + rest + "\r\n",
        ]


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("https://app.cloud66.com", ("app.cloud66.com", 443, True, None), "app.cloud66.com"),
        ("https://app.cloud66.com:443/api/3", ("app.cloud66.com", 443, True, None), "app.cloud66.com"),
        ("http://localhost:8000/", ("localhost", 8000, False, None), "localhost:8000"),
        ("http://LOCALHOST", ("localhost", 80, False, None), "localhost"),
        ("https://[::1]:8443", ("::1", 8443, True, None), "[::1]:8443"),
        ("https://[::1]", ("::1", 443, True, None), "[::1]"),
    ],
)
def test_origin_and_host_header(url: str, origin: tuple[object, ...], host: str) -> None:
    transport = PoolTransport(Pool(), Address.parse(url).origin)
    assert transport._origin == origin
    assert transport._host_line == f"HTTP/1.1\r\nHost: {host}\r\n"


@pytest.mark.parametrize(
    "invalid",
    [
        request("GET\r\nX: y"),
        request("get"),
        request(""),
        request(target="/a b"),
        request(target="/a\r\nX: y"),
        request(target="/a\0"),
        request(target="/ä"),
        request(target=""),
        request(request_id="a\r\nX: y"),
        request(request_id="a\nX: y"),
        request(request_id=""),
    ],
)
async def test_header_injection_is_rejected(pool: Pool, invalid: Request) -> None:
    async with serve(echo) as server:
        with pytest.raises(ConfigError, match="visible ASCII"):
            await PoolTransport(pool, server.origin).send(invalid)
        assert pool._limiter.free == pool.limit
        assert server.received == []


@pytest.mark.parametrize(
    "pair", [("X", "a\r\nY: b"), ("X", "\xe9"), ("X", "a\0"), ("X Y", "a"), ("X\n", "a"), ("", "a")]
)
def test_header_injection_is_rejected_in_shared_headers(pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="invalid character in a header") as caught:
        SharedHeaders([("Accept", "application/json"), pair])
    assert "\xe9" not in "".join(traceback.format_exception(caught.value))


async def test_transport_closes_only_a_pool_that_it_owns() -> None:
    pool = Pool()
    async with serve(echo) as server:
        transport = PoolTransport(pool, server.origin)
        await transport.send(request())
        await transport.aclose()
        await transport.send(request())
        await PoolTransport(pool, server.origin, owns_pool=True).aclose()
        with pytest.raises(TransportError, match="pool is closed"):
            await transport.send(request())


def format_package_frames(error: BaseException) -> str:
    """Return the traceback with local variables, without the frames of the tests."""
    details = traceback.TracebackException.from_exception(error, capture_locals=True)
    details.stack = traceback.StackSummary.from_list(
        frame for frame in details.stack if "/tests/" not in frame.filename
    )
    text = "".join(details.format())
    assert "exchange" in text
    return text


@pytest.mark.parametrize("kind", ["GET", "POST", "reused"])
async def test_traceback_contains_no_token_or_body(pool: Pool, kind: str) -> None:
    async def truncate(peer: Peer) -> None:
        if kind == "reused" and await peer.read_request() is not None:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nX: very-secret-response\r\nContent-Length: 99\r\n\r\nvery-secret-response")

    async with serve(truncate) as server:
        transport = PoolTransport(pool, server.origin)
        if kind == "reused":
            await transport.send(request())
        body = Hidden(b"very-secret-value") if kind == "POST" else None
        with pytest.raises(TransportError) as caught:
            await transport.send(request("GET" if body is None else "POST", body=body))
        assert "very-secret" not in format_package_frames(caught.value)


async def test_repr_contains_no_secret(pool: Pool) -> None:
    async with serve(echo) as server:
        transport = PoolTransport(pool, server.origin)
        result = await transport.send(request("POST", body=b"very-secret-value"))
        (connection,) = pool._live
        shown = repr([pool, transport, result, connection, connection.parser, server.origin, HEADERS, pool._limiter])
        assert "secret" not in shown
        assert "<PoolResponse 200>" in shown
        assert f"<Pool of 4, 1 open>, <PoolTransport to 127.0.0.1:{server.origin.port}>" in shown
