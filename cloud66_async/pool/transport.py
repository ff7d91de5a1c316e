"""PoolTransport: the pool as a transport to one origin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from ..secret import Hidden

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .._core.origin import Origin
    from ..transport import Request, StreamRequest
    from .pool import Pool
    from .response import PoolResponse, Streaming

__all__ = ["PoolTransport"]

# Requests with these methods announce a body even if they have none (RFC 9110, section 8.6).
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
# Neither the method nor the path nor the ID may start a line of its own.
_VISIBLE: Final = re.compile(r"[A-Z]+ [!-~]+ [!-~]+").fullmatch


class PoolTransport:
    """Sends requests to `origin` through the pool. `aclose` closes the pool only if `owns_pool` is set."""

    def __init__(self, pool: Pool, origin: Origin, *, owns_pool: bool = False) -> None:
        self._pool = pool
        self._owns_pool = owns_pool
        self._origin = origin
        self._host_line = f"HTTP/1.1\r\nHost: {origin.authority}\r\n"

    def __repr__(self) -> str:
        return f"<PoolTransport to {self._origin.host}:{self._origin.port}>"

    def send(self, request: Request) -> Coroutine[Any, Any, PoolResponse]:
        """Send `request` and return the whole response. Raises TransportError."""
        method, target, request_id, body = request.method, request.target, request.request_id, request.body
        if _VISIBLE(f"{method} {target} {request_id}") is None:
            raise ConfigError("invalid character in the method, path or ID of a request; use visible ASCII characters")
        if body is not None:
            end = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        else:
            end = b"Content-Length: 0\r\n\r\n" if method in _WITH_BODY else b"\r\n"
        start = f"{method} {target} {self._host_line}Request-Id: {request_id}\r\n"
        return self._pool.request(
            self._origin,
            method,
            Hidden(start.encode("ascii") + request.headers.encoded + end),
            body or b"",
            repeatable=request.repeatable,
            timeouts=request.timeouts,
        )

    def stream(self, request: StreamRequest) -> Streaming:
        """Send `request` to its own origin and stream the response. Raises TransportError."""
        return self._pool.stream(
            request.origin,
            request.method,
            _encode_stream(request),
            request.body or b"",
            repeatable=request.repeatable,
            timeouts=request.timeouts,
        )

    async def aclose(self) -> None:
        """Close the pool, if this transport owns it."""
        if self._owns_pool:
            await self._pool.aclose()


def _encode_stream(request: StreamRequest) -> Hidden:
    """Return the request line and the headers. The target is in no variable that a traceback could show."""
    if _VISIBLE(f"{request.method} {request.target.reveal()} -") is None:
        raise ConfigError("invalid character in the method or path of a request; use visible ASCII characters")
    end = ""
    if request.body is not None:
        end = f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n"
    elif request.method in _WITH_BODY:
        end = "Content-Length: 0\r\n"
    host = request.origin.authority
    start = Hidden(f"{request.method} {request.target.reveal()} HTTP/1.1\r\nHost: {host}\r\n".encode("ascii"))
    return Hidden(b"%b%b%b\r\n" % (start, request.headers.encoded, end.encode("ascii")))
