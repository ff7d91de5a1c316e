"""Logins from a terminal: through the browser of this machine, or with a pasted code."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from ..errors import ConfigError, LoginError
from ..token import Token
from .blocking import call, restored_terminal, start
from .browser import open_in_browser
from .callback import OUT_OF_BAND
from .listener import Listener
from .login import Login

__all__ = ["LoginClient", "login_with_browser", "login_with_code"]

_HOSTS = ("127.0.0.1", "localhost")


class LoginClient(Protocol):
    """A client that can log users in: a `Cloud66` with `client_id`, or a `Cloud66OAuth2Client`."""

    def login(self, *, scope: str | Iterable[str], redirect_url: str) -> Login:
        """Start a login."""
        ...

    async def finish_login(self, login: Login, callback: str) -> Token:
        """Exchange the code in the callback for the user's token."""
        ...


async def login_with_browser(
    client: LoginClient,
    *,
    scope: str | Iterable[str] = "public",
    port: int = 0,
    path: str = "/callback",
    host: str = "127.0.0.1",
    timeout: float = 300.0,  # noqa: ASYNC109 (it raises our own error, and closes the port)
    open_browser: Callable[[str], object] = open_in_browser,
) -> Token:
    """Log a user in with the browser of this machine and return the token.

    Listens on 127.0.0.1 for the callback. The redirect URL is `http://127.0.0.1:PORT/callback`. Register it without a
    port, or set `port` if the server requires the complete URL.

    Args:
        client: Client that starts and finishes the login.
        scope: Scopes to request.
        port: Port to listen on. 0 selects a free port.
        path: Path of the redirect URL.
        host: Host of the redirect URL: `127.0.0.1`, or `localhost` if that is registered.
        timeout: Maximum seconds to wait for the callback.
        open_browser: Function that opens a URL of this machine, which redirects to the consent page once. A coroutine
            function is awaited. Any other function is called in a thread, and the login does not wait until it returns.
            If it returns False, no browser is available. The default starts the system's browser, or the one that
            BROWSER names, without this package's environment variables.

    Raises:
        ConfigError: The port is not available, or `host` or `path` is invalid.
        AccessDenied: The user refused access.
        TokenRequestFailed: The server returned no token.
        LoginError: No browser is available, there was no callback within `timeout`, or the server rejected the login.
    """
    if host not in _HOSTS:
        raise ConfigError(f"invalid host {host!r}: expected '127.0.0.1' or 'localhost'")
    async with Listener(host, port, path) as listener:
        login = client.login(scope=scope, redirect_url=listener.url)
        listener.expect(login)
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await _open(open_browser, listener)
                finishing = client.finish_login(login, await listener.callback)
        except TimeoutError:
            if not limit.expired():
                raise  # of `open_browser`
            raise LoginError(
                f"no callback received within {timeout:g} seconds; check the browser window and try again"
            ) from None
        # The port stays open during the exchange, so that a second callback receives a page that explains it.
        return await finishing


async def login_with_code(
    client: LoginClient, *, scope: str | Iterable[str] = "public", ask: Callable[[str], str | Awaitable[str]]
) -> Token:
    """Log a user in with a browser on any machine and a pasted code, and return the token.

    `ask` receives the URL of the consent page and returns the code that Cloud 66 shows. A coroutine function is
    awaited. Any other function is called in a thread, so that it may wait for input, for example with `getpass`. Ctrl+C
    and a cancellation end the login at once and restore the terminal; the thread then remains until the function
    returns, but does not delay the exit of the process. Only PKCE binds such a code to this login. Raises LoginError if
    the text is not a valid code, and TokenRequestFailed.
    """
    login = client.login(scope=scope, redirect_url=OUT_OF_BAND)
    with restored_terminal():
        finishing = client.finish_login(login, await call(ask, login.url))
    return await finishing  # no local variable holds the code, which a traceback may show


async def _open(open_browser: Callable[[str], object], listener: Listener) -> None:
    """Open the start page. Return when the function does, or earlier if the callback arrives. Raises LoginError."""
    opening = start(open_browser, listener.start_url)
    waiting: set[asyncio.Future[Any]] = {opening, listener.callback}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            return  # a browser in the foreground, which runs until the user closes it
        opened = opening.result()
        if inspect.isawaitable(opened):
            opened = await opened
        if opened is False and not listener.callback.done():
            raise LoginError("no browser could be opened; log in with a pasted code instead")
    finally:
        if not opening.cancel() and opening.exception() is None and inspect.iscoroutine(opening.result()):
            opening.result().close()  # it was not awaited; one that has ended ignores this
