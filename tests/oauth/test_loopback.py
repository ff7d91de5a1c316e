"""Logins from a terminal over real sockets, from the browser to the token."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async.errors import AccessDenied, ConfigError, LoginError, TokenRequestFailed
from cloud66_async.oauth import Cloud66OAuth2Client, login_with_browser
from cloud66_async.token import Token

from .browsing import Browser, consent, get, handlers, is_closed, status
from .server import Reply, Server, form

pytestmark = pytest.mark.usefixtures("no_leftovers")


async def test_login_with_browser(client: Cloud66OAuth2Client, server: Server) -> None:
    browser = Browser(consent)
    token = await login_with_browser(client, scope="public redeploy", open_browser=browser)
    assert token == Token("TOKEN-1")
    assert browser.start_url.startswith(f"http://127.0.0.1:{browser.port}/")
    assert browser.url.startswith(f"{server.url}/oauth/authorize?")
    assert server.requests[0].form["redirect_uri"] == f"http://127.0.0.1:{browser.port}/callback"
    assert "code_verifier" in server.requests[0].form
    assert is_closed(browser.port)


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


async def test_missing_callback_times_out(client: Cloud66OAuth2Client, server: Server) -> None:
    async def ignore(port: int, path: str, state: str) -> None: ...

    browser = Browser(ignore)
    with pytest.raises(LoginError, match=r"no callback received within 0\.5 seconds"):
        await login_with_browser(client, timeout=0.5, open_browser=browser)
    assert is_closed(browser.port)
    assert server.requests == []


async def test_timeout_of_the_browser_function_propagates_unchanged(client: Cloud66OAuth2Client) -> None:
    async def fail(url: str) -> None:
        raise TimeoutError("the browser does not respond")

    with pytest.raises(TimeoutError, match="the browser does not respond"):
        await login_with_browser(client, open_browser=fail)


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
