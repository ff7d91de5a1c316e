"""The SDK's pool for everybody who speaks the HTTP library's interface."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from .._lane import Timeouts
from ..errors import RequestTimeout, TransportError
from ..model import Hidden
from ..pool import Origin, Pool, StreamedAnswer
from ..pool.failures import BadAnswer, Broken, ConnectFailed
from .library import httpx

__all__ = ["PoolTransport"]

_PORTS: Final = {"http": 80, "https": 443}
# Sent once more where the server closed a kept connection just as they were sent; they change nothing.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_TIMEOUTS: Final = {
    "connect": httpx.ConnectTimeout,
    "read": httpx.ReadTimeout,
    "write": httpx.WriteTimeout,
    "pool": httpx.PoolTimeout,
}
_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\x00-\x20\x7f]+ HTTP/1\.1").fullmatch
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_FORBIDDEN: Final = re.compile(rb"[\x00\r\n]").search


class PoolTransport(httpx.AsyncBaseTransport):
    """Sends an `AsyncClient`'s requests through a pool; closes it only where `owns_pool` says so.

    Of the extensions, `timeout` and `sni_hostname` are heeded, `http_version` and `reason_phrase` given.
    """

    def __init__(self, pool: Pool, *, owns_pool: bool = False) -> None:
        self._pool = pool
        self._owns_pool = owns_pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read unless all of it came at once."""
        origin = _origin(request)
        body: bytes | AsyncIterable[bytes]
        if isinstance(request.stream, httpx.ByteStream):
            body = Hidden(await request.aread())  # a redirected request has the stream, but no content
        else:
            assert isinstance(request.stream, AsyncIterable)
            body = request.stream
        chunked = not isinstance(body, bytes) and "transfer-encoding" in request.headers
        timeout = request.extensions.get("timeout", {})
        try:
            answer = await self._pool.stream(
                origin,
                request.method,
                _head(request),
                body,
                chunked=chunked,
                repeatable=request.method in _SAFE,
                timeouts=Timeouts(*(timeout.get(phase) for phase in ("connect", "read", "write", "pool"))),
            )
        except TransportError as error:
            raise _translated(error) from error
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=httpx.ByteStream(b"".join(answer.parts)) if answer.arrived else _Body(answer),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": answer.reason},
        )

    async def aclose(self) -> None:
        """Close the pool, if it is this transport's own."""
        if self._owns_pool:
            await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: StreamedAnswer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._answer:
                yield part
        except TransportError as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        self._answer.close()


def _origin(request: httpx.Request) -> Origin:
    url = request.url
    if url.scheme not in _PORTS:
        raise httpx.UnsupportedProtocol(f"the address has to begin with http:// or https://, not {url.scheme!r}")
    host = url.raw_host.decode("ascii")
    port = _PORTS[url.scheme] if url.port is None else url.port
    return Origin(host, port, url.scheme == "https", request.extensions.get("sni_hostname"))


def _head(request: httpx.Request) -> Hidden:
    line = b"%b %b HTTP/1.1" % (request.method.encode("ascii", "replace"), request.url.raw_path)
    if _LINE(line) is None:
        raise httpx.LocalProtocolError("the method or the path of the request holds characters that it may not")
    lines = [line]
    for name, value in request.headers.raw:
        if _NAME(name) is None or _FORBIDDEN(value) is not None:
            raise httpx.LocalProtocolError("a header of the request holds characters that it may not")
        lines.append(b"%b: %b" % (name, value))
    return Hidden(b"\r\n".join([*lines, b"", b""]))


def _translated(error: TransportError) -> httpx.TransportError:
    if isinstance(error, RequestTimeout):
        return _TIMEOUTS.get(error.phase, httpx.ReadTimeout)(str(error))
    if isinstance(error, ConnectFailed):
        return httpx.ConnectError(str(error))
    if isinstance(error, BadAnswer):
        return httpx.RemoteProtocolError(str(error))
    if isinstance(error, Broken):
        kind = httpx.RemoteProtocolError if error.__cause__ is None else httpx.ReadError
        return kind(str(error))
    return httpx.TransportError(str(error))
