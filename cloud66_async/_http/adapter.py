"""Transports of the HTTP library over the SDK's connection pool and over the SDK's other transports."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Final, NamedTuple

from .._core.origin import DEFAULT_PORTS, Origin
from ..errors import TransportError, TransportTimeout
from ..pool import Pool, StreamedResponse
from ..pool.errors import BodyLengthError, ConnectFailed, ConnectionLost, InvalidResponse
from ..secret import Hidden
from ..transport import Request, SharedHeaders, Timeouts
from .library import check_request, httpx
from .logs import redact_reason

if TYPE_CHECKING:
    from ..transport import Transport

__all__ = ["BorrowedTransport", "HttpxAdapter", "TransportAdapter"]

# Retried once if the server closed the idle connection just as they were sent. They change nothing.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_TIMEOUTS: Final = {
    "connect": httpx.ConnectTimeout,
    "read": httpx.ReadTimeout,
    "write": httpx.WriteTimeout,
    "pool": httpx.PoolTimeout,
}
_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\x00-\x20\x7f]+ HTTP/1\.1").fullmatch
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_FORBIDDEN: Final = re.compile(rb"[\x00\r\n]").search
_LENGTH: Final = re.compile(rb"[0-9]{1,20}").fullmatch
_DECODED: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class BorrowedTransport(httpx.AsyncBaseTransport):
    """A transport that others use too: a client that closes it leaves it open."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` through the borrowed transport and return the response."""
        check_request(request)
        return await self._transport.handle_async_request(request)


class TransportAdapter(httpx.AsyncBaseTransport):
    """Sends an `AsyncClient`'s requests through a transport of the SDK, such as the sandbox's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return the response with its whole body."""
        body = Hidden(await request.aread())
        sdk_request = Request(
            method=request.method,
            target=request.url.raw_path.decode("ascii"),
            headers=SharedHeaders(tuple(request.headers.multi_items())),
            request_id=request.headers.get("request-id", ""),
            body=body or None,
            repeatable=False,
            timeouts=Timeouts(),
        )
        try:
            response = await self._transport.send(sdk_request)
        except TransportTimeout as error:
            raise httpx.ReadTimeout(str(error)) from None
        except TransportError as error:
            raise httpx.NetworkError(str(error)) from None
        headers = {name: value for name, value in response.headers.items() if name not in _DECODED}
        return httpx.Response(response.status, headers=headers, content=response.body)


class HttpxAdapter(httpx.AsyncBaseTransport):
    """Sends an `AsyncClient`'s requests through the SDK's pool. It closes the pool only if `owns_pool` is set.

    Supported extensions: `timeout` and `sni_hostname` of requests, `http_version` and `reason_phrase` of responses.
    """

    def __init__(self, pool: Pool, *, owns_pool: bool = False) -> None:
        self._pool = pool
        self._owns_pool = owns_pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return the response. The body is streamed unless all of it has already arrived."""
        origin = _origin(request)
        body: bytes | AsyncIterable[bytes]
        if isinstance(request.stream, httpx.ByteStream):
            body = Hidden(await request.aread())  # a redirected request has the stream, but no content
        else:
            assert isinstance(request.stream, AsyncIterable)
            body = request.stream
        framing = _framing(request.headers, body)
        timeout = request.extensions.get("timeout", {})
        try:
            response = await self._pool.stream(
                origin,
                request.method,
                _encode(request, origin, framing),
                body,
                chunked=framing.chunked,
                repeatable=request.method in _SAFE,
                timeouts=Timeouts(*(timeout.get(phase) for phase in ("connect", "read", "write", "pool"))),
            )
        except TransportError as error:
            raise _to_library_error(error) from error
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=httpx.ByteStream(b"".join(response.data)) if response.complete else _Body(response),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": redact_reason(request, response.reason)},
        )

    async def aclose(self) -> None:
        """Close the pool, if this transport owns it."""
        if self._owns_pool:
            await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: StreamedResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._response:
                yield data
        except TransportError as error:
            raise _to_library_error(error) from error

    async def aclose(self) -> None:
        self._response.close()


def _origin(request: httpx.Request) -> Origin:
    url = request.url
    if url.scheme not in DEFAULT_PORTS:
        raise httpx.UnsupportedProtocol(f"unsupported URL scheme {url.scheme!r}: expected http or https")
    host = url.raw_host.decode("ascii")
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return Origin(host, port, url.scheme == "https", request.extensions.get("sni_hostname"))


class _Framing(NamedTuple):
    """How the body of a request is delimited, and the header that announces it."""

    header: bytes
    chunked: bool


def _framing(headers: httpx.Headers, body: bytes | AsyncIterable[bytes]) -> _Framing:
    """Return the framing that the headers announce. Raise LocalProtocolError unless it is the framing of `body`.

    A server that sees another end of the body than this side does would take the rest for a request.
    """
    values = [(name.lower(), value) for name, value in headers.raw]
    codings = [value for name, value in values if name == b"transfer-encoding"]
    lengths = {part.strip(b" \t") for name, value in values if name == b"content-length" for part in value.split(b",")}
    size = len(body) if isinstance(body, bytes) else None
    if codings:
        if [value.lower() for value in codings] != [b"chunked"]:
            raise httpx.LocalProtocolError("unsupported or repeated Transfer-Encoding in the request: expected chunked")
        if lengths and lengths != {b"%d" % (-1 if size is None else size)}:  # the library itself adds the right one
            raise httpx.LocalProtocolError("the request has both a Transfer-Encoding and a Content-Length")
        return _Framing(b"Transfer-Encoding: chunked", True)
    if len(lengths) > 1 or not all(map(_LENGTH, lengths)):
        raise httpx.LocalProtocolError("invalid or conflicting Content-Length in the request")
    length = int(next(iter(lengths), b"0"))
    if size is not None and size != length:
        raise httpx.LocalProtocolError(f"the body has {size} bytes, but the headers of the request announce {length}")
    return _Framing(b"Content-Length: %d" % length if lengths else b"", False)


def _encode(request: httpx.Request, origin: Origin, framing: _Framing) -> Hidden:
    """Return the request line and the headers as bytes."""
    line = b"%b %b HTTP/1.1" % (request.method.encode("ascii", "replace"), request.url.raw_path)
    if _REQUEST_LINE(line) is None:
        raise httpx.LocalProtocolError("invalid character in the method or path of the request")
    lines = [line]
    for name, value in request.headers.raw:
        if _NAME(name) is None or _FORBIDDEN(value) is not None:
            raise httpx.LocalProtocolError("invalid character in a header of the request")
        lower = name.lower()
        if lower == b"host" and value == request.url.netloc:
            lines.append(b"Host: %b" % origin.authority.encode("ascii"))
        elif lower not in _FRAMING:
            lines.append(b"%b: %b" % (name, value))
    if len(request.headers.get_list("host")) != 1:
        raise httpx.LocalProtocolError("a request has exactly one Host header")
    if framing.header:
        lines.append(framing.header)
    return Hidden(b"\r\n".join([*lines, b"", b""]))


def _to_library_error(error: TransportError) -> httpx.TransportError:
    if isinstance(error, TransportTimeout):
        return _TIMEOUTS.get(error.phase, httpx.ReadTimeout)(str(error))
    if isinstance(error, ConnectFailed):
        return httpx.ConnectError(str(error))
    if isinstance(error, InvalidResponse):
        return httpx.RemoteProtocolError(str(error))
    if isinstance(error, BodyLengthError):
        return httpx.LocalProtocolError(str(error))
    if isinstance(error, ConnectionLost):
        kind = httpx.RemoteProtocolError if error.__cause__ is None else httpx.ReadError
        return kind(str(error))
    return httpx.TransportError(str(error))
