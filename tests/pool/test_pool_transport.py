"""The transport: from the sender's request to the bytes on the wire, and no secret on the way."""

from __future__ import annotations

import pytest

from cloud66_async.config import Address
from cloud66_async.errors import ConfigError, TransportError
from cloud66_async.pool import Pool, PoolTransport
from cloud66_async.secret import Hidden
from cloud66_async.transport import RawResponse, Request, SharedHeaders, Timeouts, Transport

from .servers import Peer, echo, serve

TOKEN = "very-secret-token"
HEAD = SharedHeaders([("Authorization", f"Bearer {TOKEN}"), ("Accept", "application/json")])


def request(
    method: str = "GET", target: str = "/api/3/stacks.json?page=1", *, body: bytes | None = None, name: str = "id-1"
) -> Request:
    return Request(method, target, HEAD, name, body, method == "GET", Timeouts())


class Raw:
    """Keeps the bytes of every request."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
            length = [line for line in self.heads[-1].split(b"\r\n") if line.startswith(b"Content-Length")]
            if length:
                self.heads[-1] += await peer.reader.readexactly(int(length[0].split(b": ")[1]))
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\n{}")


async def test_every_byte_of_a_request(pool: Pool) -> None:
    raw = Raw()
    async with serve(raw) as server:
        transport: Transport = PoolTransport(pool, server.origin)
        result: RawResponse = await transport.send(request())
        assert (result.status, result.body, result.header(b"x-a"), result.headers["x-a"]) == (200, b"{}", b"1", "1")
        await transport.send(request("POST", "/a", body=b'{"b":1}'))
        await transport.send(request("POST", "/a"))
        await transport.send(request("DELETE", "/a"))
        start = "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRequest-Id: id-1\r\n"
        rest = f"Authorization: Bearer {TOKEN}\r\nAccept: application/json\r\n"
        port = server.origin.port
        assert [head.decode() for head in raw.heads] == [
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
    "wrong",
    [
        request("GET\r\nX: y"),
        request("get"),
        request(""),
        request(target="/a b"),
        request(target="/a\r\nX: y"),
        request(target="/a\0"),
        request(target="/ä"),
        request(target=""),
        request(name="a\r\nX: y"),
        request(name="a\nX: y"),
        request(name=""),
    ],
)
async def test_nothing_can_smuggle_a_line_in(pool: Pool, wrong: Request) -> None:
    async with serve(echo) as server:
        with pytest.raises(ConfigError, match="visible ASCII"):
            await PoolTransport(pool, server.origin).send(wrong)
        assert pool._limiter.free == pool.limit
        assert server.received == []


@pytest.mark.parametrize(
    "pair", [("X", "a\r\nY: b"), ("X", "\xe9"), ("X", "a\0"), ("X Y", "a"), ("X\n", "a"), ("", "a")]
)
def test_no_header_can_smuggle_a_line_in(pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="holds a character") as caught:
        SharedHeaders([("Accept", "application/json"), pair])
    assert "\xe9" not in "".join(traceback.format_exception(caught.value))


async def test_a_lane_closes_only_a_pool_of_its_own() -> None:
    pool = Pool()
    async with serve(echo) as server:
        transport = PoolTransport(pool, server.origin)
        await transport.send(request())
        await transport.aclose()
        await transport.send(request())
        await PoolTransport(pool, server.origin, owns_pool=True).aclose()
        with pytest.raises(TransportError, match="pool is closed"):
            await transport.send(request())


def shown_by_the_package(error: BaseException) -> str:
    """What a traceback with locals tells of the package's own frames, and of the event loop's."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    told.stack = traceback.StackSummary.from_list(frame for frame in told.stack if "/tests/" not in frame.filename)
    text = "".join(told.format())
    assert "exchange" in text
    return text


@pytest.mark.parametrize("kind", ["GET", "POST", "reused"])
async def test_no_traceback_shows_a_token_or_a_body(pool: Pool, kind: str) -> None:
    async def rude(peer: Peer) -> None:
        if kind == "reused" and await peer.request() is not None:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nX: very-secret-answer\r\nContent-Length: 99\r\n\r\nvery-secret-answer")

    async with serve(rude) as server:
        transport = PoolTransport(pool, server.origin)
        if kind == "reused":
            await transport.send(request())
        body = Hidden(b"very-secret-value") if kind == "POST" else None
        with pytest.raises(TransportError) as caught:
            await transport.send(request("GET" if body is None else "POST", body=body))
        assert "very-secret" not in shown_by_the_package(caught.value)


async def test_nothing_shows_a_secret(pool: Pool) -> None:
    async with serve(echo) as server:
        transport = PoolTransport(pool, server.origin)
        result = await transport.send(request("POST", body=b"very-secret-value"))
        (connection,) = pool._live
        shown = repr([pool, transport, result, connection, connection.parser, server.origin, HEAD, pool._limiter])
        assert "secret" not in shown
        assert "<PoolResponse 200>" in shown
        assert f"<Pool of 4, 1 open>, <PoolTransport to 127.0.0.1:{server.origin.port}>" in shown
