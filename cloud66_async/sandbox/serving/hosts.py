"""Host names of the server: it answers no requests for others."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..._core.origin import is_loopback
from ..oauth.pages import error_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["OwnHosts"]


class OwnHosts:
    """ASGI application that passes on requests for the loopback interface and for `hosts`.

    A web site can let its own name point to 127.0.0.1, and the browser then allows its scripts to read the responses
    of this server (DNS rebinding). The name in the Host header remains that of the web site.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request with the application, or with 421 if it is for another host."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-proto"]
        given = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(given) == 1 and self._is_own(given[0]):
            headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
            await self._app({**scope, "headers": headers}, receive, send)
            return
        reply = error_page(421, "Unknown host", "This sandbox has another host name. Use the URL that it printed.")
        encoded = [(name.encode(), value.encode()) for name, value in reply.headers]
        encoded.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name in self._hosts
