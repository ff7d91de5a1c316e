"""The loopback listener over real sockets, with unrelated requests."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from cloud66_async.oauth import Cloud66OAuth2Client, login_with_browser
from cloud66_async.oauth.listener import Listener
from cloud66_async.token import Token

from .browsing import Browser, consent, get, is_closed, speak, status
from .server import Server

pytestmark = pytest.mark.usefixtures("no_leftovers")


async def test_start_page_redirects_once(client: Cloud66OAuth2Client) -> None:
    async with Listener("127.0.0.1", 0, "/callback") as listener:
        port, path = urlsplit(listener.url).port or 0, urlsplit(listener.start_url).path
        assert len(path) > 20
        assert status(await get(port, path)) == 400  # no login is pending
        listener.expect(login := client.login(redirect_url=listener.url))
        assert status(await get(port, path, host="attacker.example")) == 421
        assert status(await get(port, path, method="HEAD")) == 405
        assert status(await get(port, f"{path}x")) == 404
        response = await get(port, path)
        assert status(response) == 302
        assert f"\r\nLocation: {login.url}\r\n".encode() in response
        assert b"\r\nCache-Control: no-store\r\n" in response
        assert b"\r\nReferrer-Policy: no-referrer\r\n" in response
        for _ in range(2):
            again = await get(port, path)
            assert status(again) == 410
            assert login.state.encode() not in again
    async with Listener("127.0.0.1", 0, "/callback") as other:
        assert urlsplit(other.start_url).path != path


UNRELATED_REQUESTS = {
    "another path": ("GET /favicon.ico HTTP/1.1\r\nHost: {host}\r\n\r\n", 404),
    "a path below": ("GET {path}/?code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 404),
    "the site": ("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", 404),
    "a whole URL": ("GET http://{host}{path}?code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 404),
    "no query": ("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "wrong state": ("GET {path}?code=EVIL&state=wrong HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "no state": ("GET {path}?code=EVIL HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "denied, wrong state": ("GET {path}?error=access_denied&state=x HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "two states": ("GET {path}?code=EVIL&state={state}&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "two codes": ("GET {path}?code=EVIL&code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "state only": ("GET {path}?state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "script": ("GET {path}?code=<script>alert(1)</script>&state=%22%3E HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "head": ("HEAD {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 405),
    "post": ("POST {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n", 405),
    "options": ("OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", 405),
    "another host": ("GET {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    "another port": ("GET {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421),
    "localhost": ("GET {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n", 421),
    "no host": ("GET {path}?code=EVIL&state={state} HTTP/1.1\r\n\r\n", 421),
    "two hosts": ("GET {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", 421),
    "not http": ("hello\r\n\r\n", 400),
    "http/2": ("PRI * HTTP/2.0\r\n\r\n", 400),
    "lower case": ("get {path}?code=EVIL&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "nul": ("GET {path}\x00 HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "long": ("GET {path}?code=" + "x" * 40_000 + " HTTP/1.1\r\nHost: {host}\r\n\r\n", 431),
    "endless headers": ("GET {path} HTTP/1.1\r\nHost: {host}\r\n" + "X: y\r\n" * 10_000, 431),
}


@pytest.mark.parametrize("name", UNRELATED_REQUESTS)
async def test_unrelated_request_does_not_end_the_login(client: Cloud66OAuth2Client, server: Server, name: str) -> None:
    text, expected = UNRELATED_REQUESTS[name]
    responses: list[bytes] = []

    async def visit(port: int, path: str, state: str) -> None:
        fields = {"path": path, "state": state, "host": f"127.0.0.1:{port}", "port": port}
        responses.append(await speak(port, text.format(**fields)))
        await consent(port, path, state)

    assert await login_with_browser(client, open_browser=Browser(visit)) == Token("TOKEN-1")
    assert server.requests[0].form["code"] == "CODE-1"
    [response] = responses
    assert not response or status(response) == expected  # a very long request may be cut off without a response
    assert response or len(text) > 16_000
    assert b"EVIL" not in response
    assert b"script" not in response


@pytest.mark.parametrize("noise", [b"", b"GET /", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n" * 9])
async def test_closed_and_silent_connections_are_tolerated(client: Cloud66OAuth2Client, noise: bytes) -> None:
    async def visit(port: int, path: str, state: str) -> None:
        _, closed = await asyncio.open_connection("127.0.0.1", port)
        closed.write(noise)
        closed.close()
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]  # more than the limit
        for _, writer in silent:
            writer.write(noise)
        await consent(port, path, state)
        for _, writer in silent:
            writer.close()

    assert await login_with_browser(client, open_browser=Browser(visit)) == Token("TOKEN-1")


async def test_slow_connection_is_closed(client: Cloud66OAuth2Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud66_async.oauth.listener._REQUEST_TIMEOUT", 0.05)

    async def visit(port: int, path: str, state: str) -> None:
        assert await speak(port, "GET / HTTP/1.1\r\n") == b""
        await consent(port, path, state)

    assert await login_with_browser(client, open_browser=Browser(visit)) == Token("TOKEN-1")


async def test_page_is_static_and_isolated(client: Cloud66OAuth2Client) -> None:
    responses: list[bytes] = []

    async def visit(port: int, path: str, state: str) -> None:
        responses.append(await get(port, f"{path}?code=one&state=x"))
        responses.append(await get(port, f"{path}?code=CODE-1&state={state}&note=hello"))
        responses.append(await get(port, "/x", method="HEAD"))

    await login_with_browser(client, open_browser=Browser(visit))
    for response in responses:
        header_section, _, body = response.partition(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in header_section.split(b"\r\n")[1:])
        assert headers[b"Cache-Control"] == b"no-store"
        assert headers[b"Referrer-Policy"] == b"no-referrer"
        policy = headers[b"Content-Security-Policy"].split(b"; ")
        assert policy[1].startswith(b"style-src 'sha256-")
        assert [policy[0], *policy[2:]] == [b"default-src 'none'", b"base-uri 'none'", b"frame-ancestors 'none'"]
        assert headers[b"X-Content-Type-Options"] == b"nosniff"
        assert headers[b"Content-Type"] == b"text/html; charset=utf-8"
        assert headers[b"Connection"] == b"close"
        assert int(headers[b"Content-Length"]) == len(body) or not body
        assert b"CODE" not in body
        assert b"hello" not in body
        assert b"<script" not in body
        assert b"href" not in body
    assert [bool(response.partition(b"\r\n\r\n")[2]) for response in responses] == [True, True, False]


async def test_listener_is_reachable_at_the_loopback_address_only(client: Cloud66OAuth2Client) -> None:
    async def visit(port: int, path: str, state: str) -> None:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.2", port)) != 0
        await consent(port, path, state)

    await login_with_browser(client, open_browser=Browser(visit))


async def test_listener_without_pending_login_rejects_callbacks() -> None:
    async with Listener("127.0.0.1", 0, "/callback") as listener:
        port = urlsplit(listener.url).port
        assert port is not None
        assert status(await get(port, "/callback?code=1&state=2")) == 400
    assert is_closed(port)


class RecordingListener(Listener):
    """A listener that records TCP_NODELAY of each accepted connection."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0, "/callback")
        self.no_delay: list[int] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.no_delay.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await super()._serve(reader, writer)


async def test_accepted_connections_have_tcp_nodelay() -> None:
    async with RecordingListener() as listener:
        port = urlsplit(listener.url).port
        assert port is not None
        assert status(await get(port, "/")) == 404
    [no_delay] = listener.no_delay
    assert no_delay != 0


async def test_connection_accepted_during_close_is_closed() -> None:
    async with Listener("127.0.0.1", 0, "/callback") as listener:
        pass
    here, there = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=here)
    client_reader, client_writer = await asyncio.open_connection(sock=there)
    await listener._serve(reader, writer)
    assert await client_reader.read() == b""
    client_writer.close()
