"""Logins from a terminal over real sockets, with unrelated requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async.errors import AccessDenied, ConfigError, LoginError, TokenRequestFailed
from cloud66_async.oauth import Cloud66OAuth2Client, login_with_browser, login_with_code
from cloud66_async.oauth.callback import OUT_OF_BAND
from cloud66_async.oauth.listener import Listener
from cloud66_async.token import Token

from .server import Reply, Server, form

Visit = Callable[[int, str, str], Awaitable[None]]


async def speak(port: int, text: str | bytes) -> bytes:
    """Send this to the listener and return its response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode() if isinstance(text, str) else text)
        await writer.drain()
        with contextlib.suppress(ConnectionError):
            return await reader.read()
        return b""
    finally:
        writer.close()


async def get(port: int, target: str, *, method: str = "GET", host: str | None = None) -> bytes:
    return await speak(port, f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\n\r\n")


def status(response: bytes) -> int:
    return int(response.split(b" ")[1])


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def handlers() -> list[str]:
    """Return the running tasks of the listener."""
    return [text for text in (repr(task.get_coro()) for task in asyncio.all_tasks()) if "Listener" in text]


@pytest.fixture(autouse=True)
async def _no_leftovers(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Check that no task of the listener remains, and that asyncio logged no error."""
    yield
    assert handlers() == []
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


async def follow(url: str) -> str:
    """Open the local URL and return the URL of the consent page."""
    parts = urlsplit(url)
    assert parts.port is not None
    response = await get(parts.port, parts.path, host=parts.netloc)
    assert status(response) == 302
    found = re.search(rb"\r\nLocation: ([^\r]*)\r\n", response)
    assert found is not None
    return found[1].decode()


class Browser:
    """A browser that opens the consent page and then calls `visit`."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self.port = 0
        self.start_url = ""
        self.url = ""

    async def __call__(self, url: str) -> None:
        self.start_url = url
        self.url = url = await follow(url)
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        redirect = urlsplit(query["redirect_uri"])
        assert redirect.port is not None
        self.port = redirect.port
        await self._visit(self.port, redirect.path, query["state"])


async def consent(port: int, path: str, state: str) -> None:
    assert status(await get(port, f"{path}?code=CODE-1&state={state}")) == 200


async def test_login_with_browser(client: Cloud66OAuth2Client, server: Server) -> None:
    browser = Browser(consent)
    token = await login_with_browser(client, scope="public redeploy", open_browser=browser)
    assert token == Token("TOKEN-1")
    assert browser.start_url.startswith(f"http://127.0.0.1:{browser.port}/")
    assert browser.url.startswith(f"{server.url}/oauth/authorize?")
    assert server.requests[0].form["redirect_uri"] == f"http://127.0.0.1:{browser.port}/callback"
    assert "code_verifier" in server.requests[0].form
    assert is_closed(browser.port)


async def test_blocking_function_runs_in_a_thread(client: Cloud66OAuth2Client) -> None:
    threads: list[threading.Thread] = []
    loop = asyncio.get_running_loop()

    def open_browser(url: str) -> bool:
        threads.append(threading.current_thread())
        asyncio.run_coroutine_threadsafe(Browser(consent)(url), loop).result(10)
        return True

    assert await login_with_browser(client, open_browser=open_browser) == Token("TOKEN-1")
    assert threads[0] is not threading.main_thread()
    assert threads[0].daemon  # a browser in the foreground must not keep the process alive


async def test_missing_browser_is_reported(
    client: Cloud66OAuth2Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(webbrowser, "open", lambda _url: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)


BROWSER = """
import json, os, sys, urllib.error, urllib.parse, urllib.request

class Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Unfollowed())
try:
    opener.open(sys.argv[1])
except urllib.error.HTTPError as response:
    consent = response.headers["Location"]
with open(__file__ + ".json", "w") as file:
    json.dump([sys.argv[1], consent, dict(os.environ)], file)
query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(consent).query))
opener.open(query["redirect_uri"] + "?code=CODE-1&state=" + query["state"]).read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="BROWSER names a command line on POSIX only")
async def test_browser_process_gets_no_secrets(
    client: Cloud66OAuth2Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    monkeypatch.setenv("CLOUD66_CLIENT_SECRET", "planted")
    monkeypatch.setenv("cloud66_access_token", "planted")
    monkeypatch.setenv("OTHER", "inherited")
    assert await login_with_browser(client, timeout=20) == Token("TOKEN-1")
    recorded: tuple[str, str, dict[str, str]] = json.loads((tmp_path / "browser.py.json").read_text())
    argument, consent_url, environment = recorded
    query = {name: values[0] for name, values in parse_qs(urlsplit(consent_url).query).items()}
    assert [name for name in ("state", "code_challenge") if query[name] in argument] == []
    assert "planted" not in environment.values()
    assert environment["OTHER"] == "inherited"


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


async def test_error_of_open_browser_propagates_unchanged(client: Cloud66OAuth2Client) -> None:
    def open_browser(url: str) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await login_with_browser(client, open_browser=open_browser)


@pytest.mark.parametrize(("query", "kind"), [("error=access_denied", AccessDenied), ("error=server_error", LoginError)])
async def test_denial_ends_the_login(
    client: Cloud66OAuth2Client, server: Server, query: str, kind: type[LoginError]
) -> None:
    async def deny(port: int, path: str, state: str) -> None:
        assert status(await get(port, f"{path}?{query}&state={state}")) == 200

    browser = Browser(deny)
    with pytest.raises(kind):
        await login_with_browser(client, open_browser=browser)
    assert server.requests == []
    assert is_closed(browser.port)


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


async def test_first_callback_wins(client: Cloud66OAuth2Client, server: Server) -> None:
    release = asyncio.Event()
    server.replies["/oauth/token"] = Reply(b"access_token=TOKEN-1", wait=release)

    async def visit(port: int, path: str, state: str) -> None:
        responses = await asyncio.gather(*(get(port, f"{path}?code=CODE-{n}&state={state}") for n in range(5)))
        assert sorted(status(response) for response in responses) == [200, 410, 410, 410, 410]
        assert status(await get(port, f"{path}?error=access_denied&state={state}")) == 410
        release.set()

    assert await login_with_browser(client, open_browser=Browser(visit)) == Token("TOKEN-1")
    assert len(server.requests) == 1


async def test_late_callback_gets_410_during_the_exchange(client: Cloud66OAuth2Client, server: Server) -> None:
    release = asyncio.Event()
    server.replies["/oauth/token"] = Reply(b"access_token=TOKEN-1", wait=release)
    browser = Browser(consent)
    login = asyncio.create_task(login_with_browser(client, open_browser=browser))
    while not server.requests:
        await asyncio.sleep(0)
    state = parse_qs(urlsplit(browser.url).query)["state"][0]
    assert status(await get(browser.port, f"/callback?code=CODE-2&state={state}")) == 410
    release.set()
    assert await login == Token("TOKEN-1")


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
        assert headers[b"Content-Security-Policy"] == b"default-src 'none'; frame-ancestors 'none'"
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


async def test_fixed_host_port_and_path(client: Cloud66OAuth2Client, server: Server) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]

    async def visit(port: int, path: str, state: str) -> None:
        response = await get(port, f"{path}?code=CODE-1&state={state}", host=f"localhost:{port}")
        assert status(response) == 200

    options: dict[str, Any] = {"port": port, "host": "localhost", "path": "/oauth/done"}
    await login_with_browser(client, open_browser=Browser(visit), **options)
    assert server.requests[0].form["redirect_uri"] == f"http://localhost:{port}/oauth/done"


@pytest.mark.parametrize(
    "options", [{"host": "0.0.0.0"}, {"host": "app.example"}, {"path": "callback"}, {"path": "/a?b"}]
)
async def test_invalid_host_or_path_is_rejected(client: Cloud66OAuth2Client, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        await login_with_browser(client, open_browser=Browser(consent), **options)


@pytest.mark.parametrize("port", [-1, 70_000])
async def test_invalid_port_is_reported(client: Cloud66OAuth2Client, port: int) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        await login_with_browser(client, port=port, open_browser=Browser(consent))


async def test_port_in_use_is_reported(client: Cloud66OAuth2Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot listen on"):
            await login_with_browser(client, port=taken.getsockname()[1], open_browser=Browser(consent))


# --- the port is always closed


async def test_missing_callback_times_out(client: Cloud66OAuth2Client, server: Server) -> None:
    async def ignore(port: int, path: str, state: str) -> None: ...

    browser = Browser(ignore)
    with pytest.raises(LoginError, match=r"no callback received within 0\.5 seconds"):
        await login_with_browser(client, timeout=0.5, open_browser=browser)
    assert is_closed(browser.port)
    assert server.requests == []


async def test_callers_deadline_raises_builtin_timeout_error(client: Cloud66OAuth2Client) -> None:
    async def ignore(port: int, path: str, state: str) -> None: ...

    browser = Browser(ignore)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await login_with_browser(client, open_browser=browser)
    assert is_closed(browser.port)


async def test_cancelled_login_closes_the_port(client: Cloud66OAuth2Client) -> None:
    opened = asyncio.Event()
    silent: list[asyncio.StreamWriter] = []

    async def ignore(port: int, path: str, state: str) -> None:
        silent.append((await asyncio.open_connection("127.0.0.1", port))[1])
        opened.set()

    browser = Browser(ignore)
    task = asyncio.create_task(login_with_browser(client, open_browser=browser))
    await opened.wait()
    while not handlers():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert handlers() == []
    assert is_closed(browser.port)
    silent[0].close()


async def test_failed_exchange_closes_the_port(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = form(400, error="invalid_grant")
    browser = Browser(consent)
    with pytest.raises(TokenRequestFailed):
        await login_with_browser(client, open_browser=browser)
    assert is_closed(browser.port)


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


# --- with a pasted code


async def test_login_with_code(client: Cloud66OAuth2Client, server: Server) -> None:
    urls: list[str] = []

    def ask(url: str) -> str:
        urls.append(url)
        return "CODE-1\n"

    async def ask_later(url: str) -> str:
        return ask(url)

    assert await login_with_code(client, scope=["public"], ask=ask) == Token("TOKEN-1")
    assert await login_with_code(client, ask=ask_later) == Token("TOKEN-1")
    assert urls[0].startswith(f"{server.url}/oauth/authorize?")
    assert server.requests[0].form["redirect_uri"] == OUT_OF_BAND
    assert server.requests[0].form["code_verifier"]


@pytest.mark.parametrize("pasted", ["", "two words"])
async def test_invalid_pasted_code_is_rejected(client: Cloud66OAuth2Client, server: Server, pasted: str) -> None:
    with pytest.raises(LoginError):
        await login_with_code(client, ask=lambda _: pasted)
    assert server.requests == []


async def test_cancelled_ask_does_not_block(client: Cloud66OAuth2Client) -> None:
    called, released = threading.Event(), threading.Event()

    def ask(url: str) -> str:
        called.set()
        released.wait(10)
        return "CODE-1"

    task = asyncio.create_task(login_with_code(client, ask=ask))
    await asyncio.to_thread(called.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()
    await asyncio.sleep(0.01)  # the late result is discarded without an error
