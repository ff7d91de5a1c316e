"""Transport: the interface through which a client sends requests, and the timeouts of a request."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

import msgspec

from ._core.origin import Origin
from ._core.response import BufferedResponse, RawResponse
from .errors import ConfigError
from .secret import MASK, Hidden, Secret

__all__ = [
    "BufferedResponse",
    "RawResponse",
    "Request",
    "ResponseStream",
    "SharedHeaders",
    "StreamRequest",
    "StreamTransport",
    "Timeouts",
    "Transport",
]

# No header may start a line of its own.
_VALID_LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*\r\n").fullmatch


class Timeouts(NamedTuple):
    """Seconds for each phase of a request. None means no limit.

    Args:
        connect: DNS lookup, TCP connection and TLS handshake together.
        read: Longest silence while waiting for a response.
        write: Longest time in which the server accepts no more of a request body.
        pool: Longest wait for a free connection.
        total: The whole request, from the wait for a connection to the end of the response.
    """

    connect: float | None = 5.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = None
    total: float | None = None


class SharedHeaders:
    """Headers that many requests share, including the token. They are encoded once and never shown."""

    __slots__ = ("encoded", "pairs")

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)
        lines = [f"{name}: {value}\r\n" for name, value in pairs]
        if not all(map(_VALID_LINE, lines)):
            raise ConfigError("invalid character in a header that is sent with every request; check the token")
        self.encoded: Hidden = Hidden("".join(lines).encode("ascii"))

    @property
    def token(self) -> str:
        """The access token among the headers, or an empty string."""
        return dict(self.pairs).get("Authorization", "").removeprefix("Bearer ")

    def replacing(self, *pairs: tuple[str, str]) -> SharedHeaders:
        """Return a copy with these headers instead of those that have the same names."""
        names = {name for name, _ in pairs}
        return SharedHeaders([*(pair for pair in self.pairs if pair[0] not in names), *pairs])

    def __repr__(self) -> str:
        return f"SharedHeaders({MASK})"


class Request(msgspec.Struct, frozen=True):
    """One request to the API.

    Args:
        method: HTTP method in upper case.
        target: Path and query, percent-encoded.
        headers: Headers shared with other requests, including the token.
        request_id: Value of the `Request-Id` header.
        body: JSON body, or None.
        repeatable: Whether sending the request twice does no harm.
        timeouts: Limits for each phase.
    """

    method: str
    target: str
    headers: SharedHeaders
    request_id: str
    body: bytes | None
    repeatable: bool
    timeouts: Timeouts


class Transport(Protocol):
    """What a client needs to send requests. `Cloud66(transport=...)` accepts an implementation of your own.

    A transport may have an attribute `clock`, which a client without `clock=...` uses.
    """

    def send(self, request: Request) -> Coroutine[Any, Any, RawResponse]:
        """Send `request` and return its response, whatever its status. Raise TransportError if there is none."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class StreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request whose response is streamed, to the API or to another server.

    Args:
        origin: Scheme, host and port of the server.
        target: Path and query, percent-encoded. A secret, because a signed URL works without a token.
        headers: All headers except `Host` and those that describe the body.
        timeouts: Limits for each phase. `read` applies to each part of the body, `total` to all of it.
        method: HTTP method in upper case.
        body: JSON body, or None.
        repeatable: Whether sending the request twice does no harm.
    """

    origin: Origin
    target: Secret
    headers: SharedHeaders
    timeouts: Timeouts
    method: str = "GET"
    body: bytes | None = None
    repeatable: bool = True


class ResponseStream(Protocol):
    """A response whose body arrives while it is read. Iterate over it once; the data is not decompressed."""

    @property
    def status(self) -> int:
        """The HTTP status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers by lower-case name. Repeated headers are joined with a comma and a space."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class StreamTransport(Protocol):
    """What a client needs for streamed responses. A `Transport` can have this method in addition to its own."""

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[ResponseStream]:
        """Return a context manager that sends `request` and returns its response when the headers have arrived.

        The request goes to its own origin, and redirects are not followed. At the end of the block, the response is
        closed. Sending and reading raise TransportError.
        """
        ...
