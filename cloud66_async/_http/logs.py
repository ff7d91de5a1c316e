"""Redaction of what the HTTP library and the libraries below it log about requests of this package.

At DEBUG, httpcore logs the headers of responses, which may repeat a token, and the password of a SOCKS proxy; hpack
logs the headers of HTTP/2 requests and responses, also in encoded form. At INFO, the HTTP library logs the URL of each
request, whose path may contain a secret and whose query contains values of the caller. Only records about requests that
`RedactedTransport` sends are changed, so a program's other requests are logged as before.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache

from ..secret import MASK
from .closing import finish
from .library import httpx

__all__ = ["RedactedTransport", "redact_reason", "redacting"]

_MODULES = ("connection", "http11", "http2", "proxy", "socks")
_CLIENTS = ("httpx", "httpx2")
_LOGGERS = (
    *_CLIENTS,
    "hpack.hpack",
    "hpack.table",
    *(f"{library}.{module}" for library in ("httpcore", "httpcore2") for module in _MODULES),
)
# The harmless start of each record that goes on with headers, a password, or an error that may quote a header.
_REDACTED = re.compile(
    r"receive_response_headers\.complete return_value=\((?:b'HTTP/[0-9.]+', )?[0-9]+|"
    r"setup_socks5_connection\.started|"
    r"\w+\.failed exception=\w+"
).match

_MIN_SECRET = 6

_sending: ContextVar[bool] = ContextVar("cloud66_async_sending", default=False)


class RedactedTransport(httpx.AsyncBaseTransport):
    """Sends requests through another transport of the HTTP library and keeps their secrets out of the logs."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` through the other transport and return the response."""
        with redacting():
            response = await self._transport.handle_async_request(request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Stream(response.stream)
        reason = response.extensions.get("reason_phrase")
        if reason:
            response.extensions["reason_phrase"] = redact_reason(request, reason)
        return response

    async def aclose(self) -> None:
        """Close the other transport."""
        with redacting():
            await finish(self._transport.aclose())


class _Stream(httpx.AsyncByteStream):
    """The body of a response. While it is read over HTTP/2, headers of other responses may arrive."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._stream)
        while True:
            with redacting():  # not around the yield: the caller shares the context
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            yield part

    async def aclose(self) -> None:
        with redacting():
            await self._stream.aclose()


def redact_reason(request: httpx.Request, reason: bytes) -> bytes:
    """Return the reason phrase, which the HTTP library logs, without words that the request contains."""
    sent = [value for name, value in request.headers.raw if name.lower() == b"authorization"]
    with suppress(httpx.RequestNotRead):
        sent.append(request.content)
    words = (word for word in reason.split() if len(word) >= _MIN_SECRET and any(word in part for part in sent))
    for word in words:
        reason = reason.replace(word, MASK.encode())
    return reason


@contextmanager
def redacting() -> Generator[None]:
    """Redact what the libraries log while the context is open."""
    _add_filter()
    token = _sending.set(True)
    try:
        yield
    finally:
        _sending.reset(token)


@cache
def _add_filter() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redact)


def _redact(record: logging.LogRecord) -> bool:
    """Return whether to keep this record, and remove what it could reveal."""
    if not _sending.get():
        return True
    if record.name.startswith("hpack."):
        return False  # nothing but headers, in several forms
    if record.name in _CLIENTS:
        arguments = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(_without_path(each) if isinstance(each, httpx.URL) else each for each in arguments)
        return True
    found = _REDACTED(record.getMessage())
    if found is not None:
        record.msg, record.args = f"{found[0]} {MASK}", None
    return True


def _without_path(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}/{MASK}"
