"""The sandbox without a socket: as the SDK's way to the wire, and as a transport of the HTTP library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import RequestTimeout, TransportError
from ..operation import KeptAnswer
from .faults import Dropped
from .message import Incoming, Reply

if TYPE_CHECKING:
    from .._http.library import httpx
    from .._lane import Answer, Request, Timeouts
    from .fake import FakeCloud66

__all__ = ["FakeLane", "transport"]


class FakeLane:
    """Hands requests of the SDK straight to the sandbox."""

    def __init__(self, fake: FakeCloud66) -> None:
        self._fake = fake
        self._closed = False

    async def exchange(self, request: Request) -> Answer:
        """The sandbox's answer. Raises TransportError where a fault takes it away."""
        if self._closed:
            raise TransportError("the client is closed", sent=False)
        headers = {name.lower(): value for name, value in request.head.pairs}
        if request.request_id:
            headers["request-id"] = request.request_id
        if request.body is not None:
            headers.setdefault("content-type", "application/json")
        incoming = Incoming(request.method, request.target, headers, request.body or b"")
        try:
            reply = await self._fake.exchange(incoming, patience=_patience(request.timeouts))
        except Dropped:
            raise TransportError("the server closed the connection without an answer", sent=True) from None
        except TimeoutError:
            raise RequestTimeout("timed out (read)", phase="read", sent=True) from None
        return KeptAnswer(reply.status, reply.body, _joined(reply))

    async def aclose(self) -> None:
        """Refuse further requests."""
        self._closed = True


def transport(fake: FakeCloud66) -> httpx.AsyncBaseTransport:
    """The sandbox as a transport of the bound HTTP library."""
    from .._http.library import httpx

    async def answer(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode("ascii")
        incoming = Incoming(request.method, target, headers, await request.aread())
        patience = request.extensions.get("timeout", {}).get("read")
        try:
            reply = await fake.exchange(incoming, patience=patience)
        except Dropped:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None
        except TimeoutError:
            raise httpx.ReadTimeout("The sandbox is slow", request=request) from None
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)

    return httpx.MockTransport(answer)


def _patience(timeouts: Timeouts) -> float | None:
    limits = [seconds for seconds in (timeouts.read, timeouts.whole) if seconds is not None]
    return min(limits, default=None)


def _joined(reply: Reply) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in reply.headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
