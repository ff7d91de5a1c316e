"""The sandbox without a socket: as a transport of the SDK, and as a transport of the HTTP library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.response import BufferedResponse, join_headers
from ...errors import TransportError, TransportTimeout
from .. import message
from ..faults import Dropped

if TYPE_CHECKING:
    from ..._core.response import RawResponse
    from ..._http.library import httpx
    from ...transport import Request, Timeouts
    from ..fake import FakeCloud66

__all__ = ["SandboxTransport", "httpx_transport"]


class SandboxTransport:
    """Passes requests of the SDK directly to the sandbox."""

    def __init__(self, fake: FakeCloud66) -> None:
        self._fake = fake
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
        incoming = message.Request(request.method, request.target, headers, request.body or b"")
        try:
            reply = await self._fake.send(incoming, timeout=_timeout(request.timeouts))
        except Dropped:
            raise TransportError("the server closed the connection without a response", sent=True) from None
        except TimeoutError:
            raise TransportTimeout("timed out (read)", phase="read", sent=True) from None
        return BufferedResponse(reply.status, reply.body, join_headers(reply.headers))

    async def aclose(self) -> None:
        """Reject further requests."""
        self._closed = True


def httpx_transport(fake: FakeCloud66) -> httpx.AsyncBaseTransport:
    """Return the sandbox as a transport of the HTTP library."""
    from ..._http.library import httpx

    async def respond(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode("ascii")
        incoming = message.Request(request.method, target, headers, await request.aread())
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            reply = await fake.send(incoming, timeout=timeout)
        except Dropped:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None
        except TimeoutError:
            raise httpx.ReadTimeout("timed out (read)", request=request) from None
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)

    return httpx.MockTransport(respond)


def _timeout(timeouts: Timeouts) -> float | None:
    limits = [seconds for seconds in (timeouts.read, timeouts.total) if seconds is not None]
    return min(limits, default=None)
