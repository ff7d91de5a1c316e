"""The sandbox as a transport of the SDK, and as a transport of the HTTP library. Both need no network."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..._core.response import BufferedResponse, join_headers
from ...errors import TransportError, TransportTimeout
from .. import message
from ..faults import ConnectionDropped
from .delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from ..._core.response import RawResponse
    from ..._http.library import httpx
    from ...clock import Clock
    from ...transport import Request, ResponseStream, StreamRequest, Timeouts
    from ..world import World

__all__ = ["Sandbox", "SandboxTransport", "httpx_transport"]


_PART = 64 * 1024
_MAX_BODY = 64 * 1024 * 1024


class Sandbox(Protocol):
    """What both transports send requests to: `FakeCloud66`."""

    @property
    def world(self) -> World:
        """The state, with the clock on which it changes."""
        ...

    async def send(self, request: message.Request, *, timeout: float | None = None) -> message.Reply:  # noqa: ASYNC109
        """Return the response to a request."""
        ...

    async def deliver(self, request: message.Request, *, timeout: float | None = None) -> Delivery:  # noqa: ASYNC109
        """Return the response to a request when its headers are sent."""
        ...


class SandboxTransport:
    """A transport of the SDK that passes requests directly to the sandbox.

    A client with this transport takes its clock, so that it does not wait in real time for a sandbox whose time stands
    still.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.clock: Clock = sandbox.world.clock
        self._closed = False

    async def send(self, request: Request) -> RawResponse:
        """Return the sandbox's response. Raises TransportError if a fault prevents it."""
        if self._closed:
            raise TransportError("the client is closed", sent=False)
        headers = {name.lower(): value for name, value in request.headers.pairs}
        if request.request_id:
            headers["request-id"] = request.request_id
        if request.body is not None:
            headers.setdefault("content-type", "application/json")
        received = message.Request(request.method, request.target, headers, request.body or b"")
        try:
            reply = await self._sandbox.send(received, timeout=_timeout(request.timeouts))
        except ConnectionDropped as dropped:
            raise _lost(dropped) from None
        except TimeoutError:
            raise TransportTimeout("timed out (read)", phase="read", sent=True) from None
        return BufferedResponse(reply.status, await _decompressed(reply), join_headers(reply.headers))

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncGenerator[ResponseStream]:
        """Stream the sandbox's response, whichever server the request is for. Raises TransportError."""
        if self._closed:
            raise TransportError("the client is closed", sent=False)
        headers = {name.lower(): value for name, value in request.headers.pairs}
        if request.body is not None:
            headers["content-type"] = "application/json"
        received = message.Request(request.method, request.target.reveal(), headers, request.body or b"")
        timeout = _timeout(request.timeouts)
        try:
            delivery = await self._sandbox.deliver(received, timeout=timeout)
        except ConnectionDropped as dropped:
            raise _lost(dropped) from None
        except TimeoutError:
            raise TransportTimeout("timed out (read)", phase="read", sent=True) from None
        yield _SandboxStream(delivery, timeout)

    async def aclose(self) -> None:
        """Reject further requests."""
        self._closed = True


class _SandboxStream:
    """A response of the sandbox as a `ResponseStream`."""

    def __init__(self, delivery: Delivery, timeout: float | None) -> None:
        self.status: int = delivery.reply.status
        pairs = (*delivery.reply.headers, ("content-length", str(delivery.length)))
        self.headers: Mapping[str, str] = join_headers(pairs)
        self._delivery = delivery
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._delivery.parts(self._timeout):
                for start in range(0, len(part), _PART):
                    yield part[start : start + _PART]
        except ConnectionDropped as dropped:
            raise _lost(dropped) from None
        except TimeoutError:
            raise TransportTimeout("timed out (read)", phase="read", sent=True) from None


def httpx_transport(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
    """Return the sandbox as a transport of the HTTP library."""
    from ..._http.library import check_request, httpx

    class Stream(httpx.AsyncByteStream):
        """A body that is sent with a fault, or compressed: the library would decompress it without checks."""

        def __init__(self, delivery: Delivery, timeout: float | None) -> None:
            self._delivery = delivery
            self._timeout = timeout

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for part in self._delivery.parts(self._timeout):
                    yield part
            except ConnectionDropped as dropped:
                raise httpx.RemoteProtocolError(str(_lost(dropped))) from None
            except TimeoutError:
                raise httpx.ReadTimeout("timed out (read)") from None

    async def respond(request: httpx.Request) -> httpx.Response:
        check_request(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode("ascii")
        received = message.Request(request.method, target, headers, await request.aread())
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            delivery = await sandbox.deliver(received, timeout=timeout)
        except ConnectionDropped as dropped:
            kind = httpx.ReadError if dropped.cut == "reset" else httpx.RemoteProtocolError
            raise kind(str(_lost(dropped)), request=request) from None
        except TimeoutError:
            raise httpx.ReadTimeout("timed out (read)", request=request) from None
        reply = delivery.reply
        if delivery.is_plain and reply.header("content-encoding") is None:
            return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)
        pairs = [*reply.headers, ("content-length", str(delivery.length))]
        return httpx.Response(reply.status, headers=pairs, stream=Stream(delivery, timeout))

    transport: Any = httpx.MockTransport(respond)
    transport.clock = sandbox.world.clock  # for the client
    return cast("httpx.AsyncBaseTransport", transport)


def _lost(dropped: ConnectionDropped) -> TransportError:
    match dropped.cut:
        case "before":
            text = "the server closed the connection without a response"
        case "reset":
            text = "the server reset the connection"
        case _:
            text = "the connection was closed before the response was complete"
    return TransportError(text, sent=True)


async def _decompressed(reply: message.Reply) -> bytes:
    """Return the body as the connection pool returns it. Raises TransportError for invalid compressed data."""
    encodings = reply.header("content-encoding")
    if encodings is None:
        return reply.body
    from ...pool.decompress import decompress_body  # imported lazily: only a fault compresses responses

    return await decompress_body(reply.body, encodings.encode("latin-1"), _MAX_BODY, status=reply.status)


def _timeout(timeouts: Timeouts) -> float | None:
    limits = [seconds for seconds in (timeouts.read, timeouts.total) if seconds is not None]
    return min(limits, default=None)
