"""Logging in from a terminal: through the browser of this machine, or with a code that is pasted."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar, cast

from ..errors import ConfigError, LoginError
from ..token import Token
from .listener import Listener
from .login import OUT_OF_BAND, Login

__all__ = ["Logins", "login_with_browser", "login_with_code"]

T = TypeVar("T")

_HOSTS = ("127.0.0.1", "localhost")


class Logins(Protocol):
    """What can log users in: a `Cloud66` with `client_id`, or a `Cloud66OAuth2Client`."""

    def login(self, *, scope: str | Iterable[str], redirect_url: str) -> Login:
        """A new login."""
        ...

    async def finish_login(self, login: Login, callback: str) -> Token:
        """The token at its end."""
        ...


async def login_with_browser(
    client: Logins,
    *,
    scope: str | Iterable[str] = "public",
    port: int = 0,
    path: str = "/callback",
    host: str = "127.0.0.1",
    timeout: float = 300.0,  # noqa: ASYNC109 (it ends in an error of ours, and closes the port)
    open_browser: Callable[[str], object] = webbrowser.open,
) -> Token:
    """The token of the user who consents in the browser of this machine.

    It listens on 127.0.0.1 until the answer comes, at most `timeout` seconds. The redirect URL is
    `http://127.0.0.1:PORT/callback`; register it without a port, or fix `port` where the server wants the
    whole URL; `host` is `localhost` where that is registered. `open_browser` gets the address of the
    consent page; a coroutine function is awaited, any other is called in a thread, and False from it means
    that there is no browser. Raises ConfigError where the port is taken, AccessDenied where the user said no,
    LoginError when the time is over, and TokenRequestFailed.
    """
    if host not in _HOSTS:
        raise ConfigError("a login through the browser comes back to 127.0.0.1 or localhost only")
    async with Listener(host, port, path) as listener:
        login = client.login(scope=scope, redirect_url=listener.url)
        listener.expect(login)
        try:
            async with asyncio.timeout(timeout):
                if await _call(open_browser, login.url) is False:
                    raise LoginError("no browser could be opened here: log in with a pasted code instead")
                finishing = client.finish_login(login, await listener.callback)
        except TimeoutError:
            raise LoginError(f"no answer came within {timeout:g} seconds: see what the browser shows") from None
        # The port stays open meanwhile, so that a second answer is told that it comes too late.
        return await finishing


async def login_with_code(
    client: Logins, *, scope: str | Iterable[str] = "public", ask: Callable[[str], str | Awaitable[str]]
) -> Token:
    """The token of the user who consents anywhere and brings the code that Cloud 66 shows.

    `ask` gets the address of the consent page and returns the code; a coroutine function is awaited, any
    other is called in a thread, so that it may wait for input. Nothing but PKCE binds such a code to this
    login. Raises LoginError for a text that is no code, and TokenRequestFailed.
    """
    login = client.login(scope=scope, redirect_url=OUT_OF_BAND)
    return await client.finish_login(login, await _call(ask, login.url))


async def _call(function: Callable[[str], T | Awaitable[T]], argument: str) -> T:
    """What the function returns; one that blocks does not block the event loop, nor the end of the program."""
    if inspect.iscoroutinefunction(function):
        return cast("T", await function(argument))
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
        result, problem = None, None
        try:
            result = function(argument)
        except Exception as error:  # noqa: BLE001 (it is raised again where it is awaited)
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name="cloud66-async login", daemon=True).start()
    result = await outcome
    return cast("T", await result if inspect.isawaitable(result) else result)
