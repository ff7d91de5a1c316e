"""Responses of the pool, collected or streamed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from .._core.response import join_headers
from . import headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Generator, Mapping
    from typing import Any

    from .connection import Connection
    from .parser import ResponseParser
    from .pool import Pool

__all__ = ["PoolResponse", "StreamedResponse", "Streaming"]


class _Response:
    """Status, reason phrase and headers. The headers are parsed on first use."""

    __slots__ = ("_headers", "_lower_section", "_section", "status")

    def __init__(self, parser: ResponseParser) -> None:
        self.status: int = parser.status
        self._section = parser.header_section
        self._lower_section = parser.lower_section
        self._headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"

    @property
    def reason(self) -> bytes:
        """The reason phrase, empty if there is none."""
        return headers.reason(self._section)

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers in their original order and spelling."""
        return headers.pairs(self._section)

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers by lower-case name. Repeated headers are joined with a comma and a space."""
        if self._headers is None:
            pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers)
            self._headers = join_headers(pairs)
        return self._headers

    def header(self, name: bytes) -> bytes | None:
        """Return the first header with this lower-case name, or None."""
        line = self._lower_section.find(b"\r\n%b:" % name)
        if line < 0:
            return None
        start = line + len(name) + 3
        end = self._section.find(b"\r", start)
        return (self._section[start:] if end < 0 else self._section[start:end]).strip(b" \t")


class PoolResponse(_Response):
    """A complete response with its decompressed body."""

    __slots__ = ("body",)

    body: bytes


class StreamedResponse(_Response):
    """A response whose body may still be arriving. Iterate over it once, and close it.

    The data is not decompressed. Closing a response before its end also closes its connection.
    """

    __slots__ = ("_connection", "_pool", "data")

    def __init__(self, pool: Pool, connection: Connection) -> None:
        parser = connection.parser
        super().__init__(parser)
        self._pool = pool
        self._connection: Connection | None = connection
        self.data: list[bytes] = []
        if parser.complete:
            self.data = parser.take()
            self.close()

    @property
    def complete(self) -> bool:
        """Whether the rest of the body is in `data` and the connection has been released."""
        return self._connection is None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                items, self.data = self.data, []
                for data in items:
                    yield data
                if self._connection is None:
                    return
                self.data = await self._connection.read()
                if not self.data:
                    return
        finally:
            self.close()

    def __del__(self) -> None:
        if self._connection is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=2, source=self)
            self._pool.release_later(self._connection)

    def close(self) -> None:
        """Release the connection immediately. Closing again has no effect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class Streaming:
    """A streamed request. `async with` sends it, returns its response, and closes the response at the end."""

    def __init__(self, sending: Coroutine[Any, Any, StreamedResponse]) -> None:
        self._sending = sending

    def __await__(self) -> Generator[Any, Any, StreamedResponse]:
        return self._sending.__await__()

    async def __aenter__(self) -> StreamedResponse:
        self._response = await self._sending
        return self._response

    async def __aexit__(self, *_: object) -> None:
        self._response.close()
