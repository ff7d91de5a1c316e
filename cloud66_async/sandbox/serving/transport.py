"""The sandbox as a transport of the SDK, and as a transport of the HTTP library. Both need no network."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from ..._core.response import BufferedResponse, join_headers
from ...errors import TransportError, TransportTimeout
from .. import message
from ..faults import ConnectionDropped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from ..._core.response import RawResponse
    from ..._http.library import httpx
    from ...transport import Request, ResponseStream, StreamRequest, Timeouts

__all__ = ["Sandbox", "SandboxTransport", "httpx_transport"]


_PART = 64 * 1024


class Sandbox(Protocol):
    """What both transports send requests to: `FakeCloud66`."""

    async def send(self, request: message.Request, *, timeout: float | None = None) -> message.Reply:  # noqa: ASYNC109
        """Return the response to a request."""
        ...


class SandboxTransport:
    """A transport of the SDK that passes requests directly to the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
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
        except ConnectionDropped:
            raise TransportError("the server closed the connection without a response", sent=True) from None
        except TimeoutError:
            raise TransportTimeout("timed out (read)", phase="read", sent=True) from None
        return BufferedResponse(reply.status, reply.body, join_headers(reply.headers))

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncGenerator[ResponseStream]:
        """Stream the sandbox's response, whichever server the request is for. Raises TransportError."""
        if self._closed:
            raise TransportError("the client is closed", sent=False)
        headers = {name.lower(): value for name, value in request.headers.pairs}
        if request.body is not None:
            headers["content-type"] = "application/json"
        received = message.Request(request.method, request.target.reveal(), headers, request.body or b"")
        size: int | None = None
        try:
            reply = await self._sandbox.send(received, timeout=_timeout(request.timeouts))
        except ConnectionDropped as dropped:
            if dropped.reply is None:
                raise TransportError("the server closed the connection without a response", sent=True) from None
            reply = dropped.reply
            size = len(reply.body) // 2
        except TimeoutError:
            raise TransportTimeout("timed out (read)", phase="read", sent=True) from None
        yield _SandboxStream(reply, size)

    async def aclose(self) -> None:
        """Reject further requests."""
        self._closed = True


class _SandboxStream:
    """A reply of the sandbox as a `ResponseStream`. With `size`, the connection breaks after so many bytes."""

    def __init__(self, reply: message.Reply, size: int | None) -> None:
        self.status: int = reply.status
        self.headers: Mapping[str, str] = join_headers((*reply.headers, ("content-length", str(len(reply.body)))))
        self._body = reply.body
        self._size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body) if self._size is None else self._size, _PART):
            yield self._body[: self._size][start : start + _PART]
        if self._size is not None:
            raise TransportError("the connection was closed before the response was complete")


def httpx_transport(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
    """Return the sandbox as a transport of the HTTP library."""
    from ..._http.library import check_request, httpx

    async def respond(request: httpx.Request) -> httpx.Response:
        check_request(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode("ascii")
        received = message.Request(request.method, target, headers, await request.aread())
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            reply = await sandbox.send(received, timeout=timeout)
        except ConnectionDropped:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None
        except TimeoutError:
            raise httpx.ReadTimeout("timed out (read)", request=request) from None
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)

    return httpx.MockTransport(respond)


def _timeout(timeouts: Timeouts) -> float | None:
    limits = [seconds for seconds in (timeouts.read, timeouts.total) if seconds is not None]
    return min(limits, default=None)
