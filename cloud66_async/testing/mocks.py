"""Transport for tests with respx or pytest-httpx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from .._core.response import BufferedResponse, RawResponse, join_headers
from .._core.tls import create_context
from ..config import Address
from ..errors import ConfigError, TransportError, TransportTimeout
from ..pool.mocks import active_mock
from ..transport import Request

if TYPE_CHECKING:
    import httpx

__all__ = ["MockedTransport"]

# The phase of each timeout of httpx, and whether the request may have been sent by then.
_PHASES: Mapping[str, tuple[Literal["connect", "pool", "write"], bool]] = {
    "ConnectTimeout": ("connect", False),
    "PoolTimeout": ("pool", False),
    "WriteTimeout": ("write", True),
}


class MockedTransport:
    """A transport whose requests respx or pytest-httpx mocks: `Cloud66(token, transport=MockedTransport())`.

    Both mock httpx. This works even if the SDK itself uses httpx2. A request while neither is active raises
    ConfigError, and is not sent.

    Args:
        url: URL of Cloud 66, as `Cloud66` takes it.
        transport: Transport of httpx to use instead, such as `httpx.MockTransport(handler)`, whether or not a mock is
            active.
    """

    def __init__(self, url: str | None = None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = Address.parse(url).origin.url
        self._transport = transport
        self._needs_mock = transport is None

    async def send(self, request: Request) -> RawResponse:
        """Send `request` to the mock and return its response. Raises TransportError if the mock raises one of httpx."""
        import httpx  # imported lazily: the SDK itself may use httpx2

        if self._needs_mock and active_mock() is None:
            raise ConfigError(
                "cannot send a request through MockedTransport: neither respx nor pytest-httpx is active; use "
                "respx.mock or the fixture httpx_mock"
            )
        if self._transport is None:
            # A mock can let requests pass to the network, so the transport has the same certificates as any other.
            self._transport = httpx.AsyncHTTPTransport(verify=create_context())
        content_type = [] if request.body is None else [("Content-Type", "application/json")]
        headers = [*request.headers.pairs, ("Request-Id", request.request_id), *content_type]
        mocked = httpx.Request(request.method, self._url + request.target, headers=headers, content=request.body)
        try:
            response = await self._transport.handle_async_request(mocked)
            body = await response.aread()
        except httpx.TimeoutException as error:
            phase, sent = _PHASES.get(type(error).__name__, ("read", True))
            raise TransportTimeout(f"timed out ({phase})", phase=phase, sent=sent) from None
        except httpx.RequestError as error:
            unsent = isinstance(error, httpx.ConnectError)
            raise TransportError(str(error) or type(error).__name__, sent=not unsent) from None
        left_out = ("content-encoding", "transfer-encoding")  # httpx has decoded the body
        found = join_headers((name, value) for name, value in response.headers.multi_items() if name not in left_out)
        return BufferedResponse(response.status_code, body, found)

    async def aclose(self) -> None:
        """Close the transport below."""
        if self._transport is not None:
            await self._transport.aclose()
