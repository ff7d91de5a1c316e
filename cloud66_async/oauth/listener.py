"""The small server that waits on 127.0.0.1 for the one redirect of a login."""

from __future__ import annotations

import asyncio
import contextlib
import re
from types import TracebackType
from typing import Self

from ..errors import ConfigError, LoginError
from .callback import verified
from .login import Login

__all__ = ["Listener"]

_ADDRESS = "127.0.0.1"
_LONGEST_HEAD = 16 * 1024
_PATIENCE = 10.0
_MOST_CONNECTIONS = 32
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) ([!-~]+) HTTP/1\.[01]")
_PATH = re.compile(r"/[A-Za-z0-9\-._~/]*")

# One static page for each status; nothing of a request is ever in an answer.
_PAGES = {
    "200 OK": "Cloud 66 has answered. Close this window and go back to the terminal.",
    "400 Bad Request": "This is not the answer to the login that is under way.",
    "404 Not Found": "There is nothing here.",
    "405 Method Not Allowed": "There is nothing here for this method.",
    "408 Request Timeout": "The request took too long.",
    "410 Gone": "This login is over. Close this window.",
    "421 Misdirected Request": "This host is not served here.",
    "431 Request Header Fields Too Large": "The request is too long.",
}
_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    "Referrer-Policy: no-referrer",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    "Allow: GET",
    "Connection: close",
)


class Listener:
    """Answers whoever comes; ends with the first request that carries the login's own state.

    `url` is the redirect URL, `callback` the query string of the answer, when it has come. Use it as a
    context manager: the port is closed on every way out.
    """

    url: str
    callback: asyncio.Future[str]

    def __init__(self, host: str, port: int, path: str) -> None:
        if _PATH.fullmatch(path) is None:
            raise ConfigError("the path of the redirect URL must look like /callback")
        self._host = host
        self._port = port
        self._path = path
        self._login: Login | None = None
        self._peers: dict[asyncio.Task[None], None] = {}

    def expect(self, login: Login) -> None:
        """Wait for the answer to this login."""
        self._login = login

    async def __aenter__(self) -> Self:
        self.callback = asyncio.get_running_loop().create_future()
        try:
            self._server = await asyncio.start_server(self._serve, _ADDRESS, self._port, limit=_LONGEST_HEAD)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"port {self._port} of {_ADDRESS} cannot be listened on: {error}") from None
        port = self._server.sockets[0].getsockname()[1]
        self._authority = self._host if port == 80 else f"{self._host}:{port}"
        self.url = f"http://{self._authority}{self._path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.callback.cancel()
        try:
            if self._peers and error is None:
                await asyncio.wait(self._peers, timeout=1.0)  # the browser's page may still be on its way
        finally:
            left = list(self._peers)
            for peer in left:
                peer.cancel()
            if left:
                await asyncio.wait(left)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server.is_serving():
            writer.close()  # it came in as the port was closed
            return
        task = asyncio.current_task()
        assert task is not None
        if len(self._peers) >= _MOST_CONNECTIONS:
            next(iter(self._peers)).cancel()  # silent peers must not keep the browser out
        self._peers[task] = None
        try:
            async with asyncio.timeout(_PATIENCE):
                status, with_body = await self._status(reader)
                writer.write(_page(status, with_body=with_body))
                await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._peers.pop(task, None)
            with contextlib.suppress(OSError):
                writer.close()

    async def _status(self, reader: asyncio.StreamReader) -> tuple[str, bool]:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return "431 Request Header Fields Too Large", True
        lines = head.decode("latin-1").split("\r\n")
        found = _REQUEST_LINE.fullmatch(lines[0])
        if found is None:
            return "400 Bad Request", True
        return self._judge(found[1], found[2], lines[1:]), found[1] != "HEAD"

    def _judge(self, method: str, target: str, headers: list[str]) -> str:
        hosts = [line.partition(":")[2].strip() for line in headers if line.lower().startswith("host:")]
        if hosts != [self._authority]:
            return "421 Misdirected Request"  # a page elsewhere whose name now leads to 127.0.0.1
        path, _, query = target.partition("?")
        if path != self._path:
            return "404 Not Found"
        if method != "GET":
            return "405 Method Not Allowed"
        login = self._login
        if login is None or not self._belongs(query, login):
            return "400 Bad Request"
        if self.callback.done():
            return "410 Gone"
        self.callback.set_result(query)
        return "200 OK"

    @staticmethod
    def _belongs(query: str, login: Login) -> bool:
        try:
            parameters = verified(query, state=login.state, redirect_url=login.redirect_url)
        except LoginError:
            return False
        return "code" in parameters or "error" in parameters


def _page(status: str, *, with_body: bool) -> bytes:
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Cloud 66</title><p>{_PAGES[status]}</p></html>\n"
    ).encode("ascii")
    head = "\r\n".join((f"HTTP/1.1 {status}", *_HEADERS, f"Content-Length: {len(body)}", "", ""))
    return head.encode("ascii") + (body if with_body else b"")
