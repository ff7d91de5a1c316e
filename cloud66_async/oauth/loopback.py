"""Logins from a terminal: through the browser of this machine, or with a pasted code."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar, cast

from ..errors import ConfigError, LoginError
from ..token import Token
from .browser import open_in_browser
from .callback import OUT_OF_BAND
from .listener import Listener
from .login import Login

__all__ = ["LoginClient", "login_with_browser", "login_with_code"]

T = TypeVar("T")

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
            function is awaited, any other function is called in a thread. If it returns False, no browser is
            available. The default starts the system's browser without this package's environment variables.

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
        try:
            async with asyncio.timeout(timeout):
                if await _call(open_browser, listener.start_url) is False:
                    raise LoginError("no browser could be opened; log in with a pasted code instead")
                finishing = client.finish_login(login, await listener.callback)
        except TimeoutError:
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
    awaited, any other function is called in a thread, so that it may wait for input. Only PKCE binds such a code to
    this login. Raises LoginError if the text is not a valid code, and TokenRequestFailed.
    """
    login = client.login(scope=scope, redirect_url=OUT_OF_BAND)
    return await client.finish_login(login, await _call(ask, login.url))


async def _call(function: Callable[[str], T | Awaitable[T]], argument: str) -> T:
    """Return the result of the function. If it blocks, neither the event loop nor the exit of the process waits."""
    if inspect.iscoroutinefunction(function):
        awaitable = function(argument)
        del argument  # a traceback may show local variables, but not those of a coroutine that has not started
        return cast("T", await awaitable)
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def settle(result: object, error: Exception | None) -> None:
        if outcome.cancelled():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = function(argument)
        except Exception as error:  # noqa: BLE001 (raised again in the task that awaits the outcome)
            failure = error
        with contextlib.suppress(RuntimeError):  # the event loop is closed, so no task awaits the outcome
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="cloud66-async login", daemon=True).start()
    result = await outcome
    return cast("T", await result if inspect.isawaitable(result) else result)
