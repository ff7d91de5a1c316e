"""The HTTP library as a lane, for proxies, HTTP/2, Unix sockets and transports that the caller brings;
and a lane as a transport of the HTTP library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._lane import Head, Lane, Request, Timeouts
from ..errors import ConfigError, RequestTimeout, TransportError
from ..operation import KeptAnswer
from .library import httpx

if TYPE_CHECKING:
    from .._lane import Answer

__all__ = ["BorrowedTransport", "HttpxLane", "LaneTransport", "library_transport", "translate"]

_MAX_BODY = 64 * 1024 * 1024
_PHASES = {"ConnectTimeout": "connect", "PoolTimeout": "pool", "WriteTimeout": "write", "ReadTimeout": "read"}
# What the library raises before a byte was sent.
_UNSENT = (
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
    "LocalProtocolError",
    "InvalidURL",
)


class HttpxLane:
    """Sends requests through an `AsyncClient` of the bound HTTP library, over this transport."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport) -> None:
        self._client = httpx.AsyncClient(base_url=url, transport=transport, follow_redirects=False, trust_env=False)

    async def exchange(self, request: Request) -> Answer:
        """The answer to `request`, its body collected. Raises TransportError."""
        try:
            async with asyncio.timeout(request.timeouts.whole):
                return await self._send(request)
        except TimeoutError:
            raise RequestTimeout("timed out (whole)", phase="whole") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise translate(error) from None  # the library's errors carry the request, token and all

    async def _send(self, request: Request) -> Answer:
        outgoing = self._client.build_request(
            request.method,
            request.target,
            headers=_headers(request),  # no variable of this frame: a traceback may show those
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
            return KeptAnswer(incoming.status_code, b"".join(parts), _joined(incoming.headers.raw))
        finally:
            await incoming.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def library_transport(*, limit: int, idle: float, options: Mapping[str, Any]) -> httpx.AsyncBaseTransport:
    """The library's own pool, with its own options: `proxy`, `http2`, `uds`, `verify`. Raises ConfigError."""
    if options.get("http2") and not _is_installed("h2"):
        raise ConfigError(f"http2=True needs one more package: pip install '{httpx.__name__}[http2]'")
    limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=idle)
    try:
        return httpx.AsyncHTTPTransport(limits=limits, **options)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"{httpx.__name__} does not take these options: {error}") from None


def _is_installed(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


class BorrowedTransport(httpx.AsyncBaseTransport):
    """A transport that others use too: closing the client that borrows it leaves it open."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response of the transport behind it."""
        return await self._transport.handle_async_request(request)


class LaneTransport(httpx.AsyncBaseTransport):
    """Sends an `AsyncClient`'s requests down a lane, such as the sandbox in this process."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, whole."""
        body = await request.aread()
        outgoing = Request(
            method=request.method,
            target=request.url.raw_path.decode("ascii"),
            head=Head(tuple(request.headers.multi_items())),
            request_id=request.headers.get("request-id", ""),
            body=body or None,
            repeatable=False,
            timeouts=Timeouts(),
        )
        try:
            answer = await self._lane.exchange(outgoing)
        except RequestTimeout as error:
            raise httpx.ReadTimeout(str(error)) from None
        except TransportError as error:
            raise httpx.NetworkError(str(error)) from None
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)


def _headers(request: Request) -> list[tuple[str, str]]:
    kind = [] if request.body is None else [("Content-Type", "application/json")]
    return [*request.head.pairs, ("Request-Id", request.request_id), *kind]


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as every lane gives them: the library would guess an encoding."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _library_timeout(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool)


def translate(error: Exception) -> TransportError:
    """The library's error as one of ours."""
    name = type(error).__name__
    text = str(error) or name
    if isinstance(error, httpx.ConnectError):
        text = f"cannot connect{_place(error)}: {text}"
    sent = name not in _UNSENT
    if isinstance(error, httpx.TimeoutException):
        phase = _PHASES.get(name, "read")
        return RequestTimeout(f"timed out ({phase})", phase=phase, sent=sent)
    return TransportError(text, sent=sent)


def _place(error: httpx.RequestError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # the library's own: no request is known
        return ""
    return f" to {url.netloc.decode('ascii')}"
