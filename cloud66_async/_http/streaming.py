"""Streamed responses of the HTTP library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

from .._core.response import join_headers
from ..errors import TransportTimeout
from .closing import finish
from .httpx_transport import check_headers, to_transport_error
from .library import httpx

if TYPE_CHECKING:
    from ..errors import TransportError
    from ..transport import ResponseStream, StreamRequest

__all__ = ["HttpxStreamTransport"]


class HttpxStreamTransport:
    """Streams responses through a transport of the HTTP library.

    It uses no `AsyncClient`, which would log the URL of each request: a signed URL works without a token.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[ResponseStream]:
        """Send `request` to its own origin and stream the response. Raises TransportError."""
        return _stream(self._transport, request)


class _Deadline:
    """The time by which everything must have arrived, in the event loop's time, or None."""

    def __init__(self, seconds: float | None) -> None:
        self._time = None if seconds is None else asyncio.get_running_loop().time() + seconds

    def timeout(self) -> asyncio.Timeout:
        return asyncio.timeout_at(self._time)


class _LibraryStream:
    """A response of the HTTP library as a `ResponseStream`."""

    def __init__(self, response: httpx.Response, deadline: _Deadline) -> None:
        pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = join_headers(pairs)
        self._stream = response.stream
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # The stream itself, not `aiter_raw`, which fails for a response that a custom transport has read already.
        assert isinstance(self._stream, httpx.AsyncByteStream)
        parts = aiter(self._stream)
        while True:
            problem: TransportError | None = None
            part = b""
            try:
                async with self._deadline.timeout():  # not around the yield: the caller's code does not count
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except (TimeoutError, httpx.HTTPError, httpx.StreamError, OSError) as error:
                problem = _to_transport_error(error)
            if problem is not None:
                _raise(problem)
            yield part


@asynccontextmanager
async def _stream(transport: httpx.AsyncBaseTransport, request: StreamRequest) -> AsyncGenerator[ResponseStream]:
    deadline = _Deadline(request.timeouts.total)
    response = await _send(transport, request, deadline)
    try:
        check_headers(response)
        yield _LibraryStream(response, deadline)
    finally:
        await finish(response.aclose())


async def _send(transport: httpx.AsyncBaseTransport, request: StreamRequest, deadline: _Deadline) -> httpx.Response:
    try:
        async with deadline.timeout():
            return await transport.handle_async_request(_library_request(request))
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        problem = _to_transport_error(error)
    return _raise(problem)  # not in the except block, so that it has no context: the library's errors hold the request


def _library_request(request: StreamRequest) -> httpx.Request:
    origin, limits = request.origin, request.timeouts
    extensions: dict[str, object] = {
        "timeout": {"connect": limits.connect, "read": limits.read, "write": limits.write, "pool": limits.pool}
    }
    headers = [("Host", origin.authority), *request.headers.pairs]
    if request.body is not None:
        headers.append(("Content-Type", "application/json"))
    if origin.lookup_name != origin.name:  # the library would use one form of the host for everything
        extensions["sni_hostname"] = origin.name
    return httpx.Request(
        request.method,
        origin.lookup_url + request.target.reveal(),  # not a variable: tracebacks may show those
        headers=headers,
        content=request.body,
        extensions=extensions,
    )


def _to_transport_error(error: Exception) -> TransportError:
    if isinstance(error, TimeoutError):
        return TransportTimeout("timed out (total)", phase="total")
    return to_transport_error(error)


def _raise(error: TransportError) -> NoReturn:
    try:
        raise error
    finally:
        del error  # break the reference cycle: error -> traceback -> frame -> error
