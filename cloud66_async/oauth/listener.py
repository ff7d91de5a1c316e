"""Loopback listener: a small HTTP server on 127.0.0.1 that waits for the callback of one login."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from types import TracebackType
from typing import Self

from .._core.origin import DEFAULT_PORTS
from ..errors import ConfigError, LoginError
from .callback import verify_callback
from .callback_pages import POLICY, page
from .login import Login

__all__ = ["Listener"]

_ADDRESS = "127.0.0.1"
_MAX_HEADERS = 16 * 1024
_REQUEST_TIMEOUT = 10.0
_MAX_CONNECTIONS = 32
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) ([!-~]+) HTTP/1\.[01]")
_PATH = re.compile(r"/[A-Za-z0-9\-._~/]*")

_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    "Referrer-Policy: no-referrer",
    f"Content-Security-Policy: {POLICY}",
    "X-Content-Type-Options: nosniff",
    "Allow: GET",
    "Connection: close",
)


class Listener:
    """HTTP server that sends the browser to the pending login and accepts the first callback with the login's state.

    `url` is the redirect URL, `start_url` redirects to the consent page once, and `callback` is a future for the query
    string of the callback. Use it as a context manager, which always closes the port.
    """

    url: str
    callback: asyncio.Future[str]

    def __init__(self, host: str, port: int, path: str) -> None:
        if _PATH.fullmatch(path) is None:
            raise ConfigError(f"invalid path {path!r}: expected a path such as '/callback'")
        self._host = host
        self._port = port
        self._path = path
        self._start_path = f"/{secrets.token_urlsafe(16)}"
        self._started = False
        self._login: Login | None = None
        self._tasks: dict[asyncio.Task[None], None] = {}

    def expect(self, login: Login) -> None:
        """Redirect the browser to this login, and accept its callback."""
        self._login = login

    @property
    def start_url(self) -> str:
        """The URL to open in the browser.

        Other users can see it among the arguments of the browser's process. Unlike the URL of the consent page, it
        contains neither the state nor the PKCE challenge.
        """
        return f"http://{self._authority}{self._start_path}"

    async def __aenter__(self) -> Self:
        self.callback = asyncio.get_running_loop().create_future()
        try:
            # asyncio sets TCP_NODELAY on the connections that this server accepts.
            self._server = await asyncio.start_server(
                self._serve, _ADDRESS, self._port, limit=_MAX_HEADERS, start_serving=False
            )
            await self._start_serving()
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cannot listen on {_ADDRESS}:{self._port}: {error}; choose another port") from None
        port = self._server.sockets[0].getsockname()[1]
        self._authority = self._host if port == DEFAULT_PORTS["http"] else f"{self._host}:{port}"
        self.url = f"http://{self._authority}{self._path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.callback.cancel()
        try:
            if self._tasks and error is None:
                await asyncio.wait(self._tasks, timeout=1.0)  # let the browser receive its page
        finally:
            remaining = list(self._tasks)
            for task in remaining:
                task.cancel()
            if remaining:
                await asyncio.wait(remaining)

    async def _start_serving(self) -> None:
        # Separate from the creation of the server, which would leave the port open if it were cancelled here.
        try:
            await self._server.start_serving()
        except BaseException:
            self._server.close()
            raise

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server.is_serving():
            writer.close()  # accepted while the port was being closed
            return
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= _MAX_CONNECTIONS:
            next(iter(self._tasks)).cancel()  # idle connections must not block the browser
        self._tasks[task] = None
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT):
                status, location, with_body = await self._respond(reader)
                writer.write(_page(status, location=location, with_body=with_body))
                await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.pop(task, None)
            with contextlib.suppress(OSError):
                writer.close()

    async def _respond(self, reader: asyncio.StreamReader) -> tuple[str, str | None, bool]:
        """Read a request. Return status and location of its response, and whether the response has a body."""
        try:
            header_section = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return "431 Request Header Fields Too Large", None, True
        lines = header_section.decode("latin-1").split("\r\n")
        found = _REQUEST_LINE.fullmatch(lines[0])
        if found is None:
            return "400 Bad Request", None, True
        status = self._handle(found[1], found[2], lines[1:])
        location = self._login.url if status == "302 Found" and self._login is not None else None
        return status, location, found[1] != "HEAD"

    def _handle(self, method: str, target: str, headers: list[str]) -> str:
        hosts = [line.partition(":")[2].strip() for line in headers if line.lower().startswith("host:")]
        if hosts != [self._authority]:
            return "421 Misdirected Request"  # prevents DNS rebinding: another site's name may resolve to 127.0.0.1
        path, _, query = target.partition("?")
        if path not in (self._path, self._start_path):
            return "404 Not Found"
        if method != "GET":
            return "405 Method Not Allowed"
        return self._start() if path == self._start_path else self._finish(query)

    def _start(self) -> str:
        if self._login is None:
            return "400 Bad Request"
        if self._started:
            return "410 Gone"
        self._started = True
        return "302 Found"

    def _finish(self, query: str) -> str:
        if self._login is None or not self._is_callback(query, self._login):
            return "400 Bad Request"
        if self.callback.done():
            return "410 Gone"
        self.callback.set_result(query)
        return "200 OK"

    @staticmethod
    def _is_callback(query: str, login: Login) -> bool:
        try:
            parameters = verify_callback(query, state=login.state, redirect_url=login.redirect_url)
        except LoginError:
            return False
        return "code" in parameters or "error" in parameters


def _page(status: str, *, location: str | None, with_body: bool) -> bytes:
    body = page(status)
    headers = [*_HEADERS, f"Content-Length: {len(body)}"]
    if location is not None:
        headers.append(f"Location: {location}")
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode("ascii") + (body if with_body else b"")
