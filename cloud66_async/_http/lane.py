"""The HTTP library as a lane: for proxies, HTTP/2, Unix sockets, and transports that the caller brings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._lane import Request, Timeouts
from ..errors import ConfigError, RequestTimeout, TransportError
from ..operation import KeptAnswer
from .library import httpx

if TYPE_CHECKING:
    from .._lane import Answer

__all__ = ["HttpxLane", "translate"]

_MAX_BODY = 64 * 1024 * 1024
_PHASES = {"ConnectTimeout": "connect", "PoolTimeout": "pool", "WriteTimeout": "write", "ReadTimeout": "read"}
# What the library raises before a byte was sent.
_UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError")


class HttpxLane:
    """Sends requests through an `AsyncClient` of the bound HTTP library.

    `options` are the client's own: `transport`, `proxy`, `http2`, `verify`, `limits` ...
    """

    def __init__(self, url: str, *, limit: int, options: Mapping[str, Any]) -> None:
        limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=15.0)
        try:
            self._client = httpx.AsyncClient(base_url=url, limits=limits, follow_redirects=False, **options)
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigError(f"{httpx.__name__} does not take these options: {error}") from None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def exchange(self, request: Request) -> Answer:
        """The answer to `request`, its body collected. Raises TransportError."""
        self._bind()
        timeouts = request.timeouts
        try:
            async with asyncio.timeout(timeouts.whole):
                return await self._send(request)
        except TimeoutError:
            raise RequestTimeout("timed out (whole)", phase="whole") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translate(error) from None  # the library's errors carry the request, token and all

    def _bind(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigError("this client belongs to another event loop: open one client per event loop")

    async def _send(self, request: Request) -> Answer:
        headers = [*request.head.pairs, ("Request-Id", request.request_id)]
        if request.body is not None:
            headers.append(("Content-Type", "application/json"))
        outgoing = self._client.build_request(
            request.method,
            request.target,
            headers=headers,
            content=request.body,
            timeout=_library_timeout(request.timeouts),
        )
        incoming = await self._client.send(outgoing, stream=True)
        try:
            parts: list[bytes] = []
            size = 0
            async for part in incoming.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > _MAX_BODY:
                    raise TransportError(f"the answer has more than {_MAX_BODY} bytes")
            return KeptAnswer(incoming.status_code, b"".join(parts), dict(incoming.headers))
        finally:
            await incoming.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _library_timeout(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool)


def translate(error: Exception) -> TransportError:
    """The library's error as one of ours."""
    name = type(error).__name__
    text = str(error) or name
    sent = name not in _UNSENT
    if isinstance(error, httpx.TimeoutException):
        phase = _PHASES.get(name, "read")
        return RequestTimeout(f"timed out ({phase})", phase=phase, sent=sent)
    return TransportError(text, sent=sent)
