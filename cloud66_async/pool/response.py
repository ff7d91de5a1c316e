"""What a request gives back."""

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


class _Headed:
    """Status, reason and headers, the latter read only when asked for."""

    __slots__ = ("_head", "_headers", "_lowered", "status")

    def __init__(self, parser: ResponseParser) -> None:
        self.status: int = parser.status
        self._head = parser.header_section
        self._lowered = parser.lowered
        self._headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"

    @property
    def reason(self) -> bytes:
        """The reason phrase, empty where there is none."""
        return headers.reason(self._head)

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers in their order and spelling."""
        return headers.pairs(self._head)

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers by lower-case name; repeated ones joined by a comma and a blank."""
        if self._headers is None:
            pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers)
            self._headers = join_headers(pairs)
        return self._headers

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name, or None."""
        line = self._lowered.find(b"\r\n%b:" % name)
        if line < 0:
            return None
        start = line + len(name) + 3
        end = self._head.find(b"\r", start)
        return (self._head[start:] if end < 0 else self._head[start:end]).strip(b" \t")


class PoolResponse(_Headed):
    """A whole answer; the body is unpacked."""

    __slots__ = ("body",)

    body: bytes


class StreamedResponse(_Headed):
    """An answer whose body may still be on its way; iterate over it once, and close it.

    The pieces are as they came: content codings are not undone. One that is not read to its end takes
    its connection with it when it is closed.
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
        """Whether all of the body is in `data` and the connection is free again."""
        return self._connection is None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                parts, self.data = self.data, []
                for part in parts:
                    yield part
                if self._connection is None:
                    return
                self.data = await self._connection.more()
                if not self.data:
                    return
        finally:
            self.close()

    def __del__(self) -> None:
        if self._connection is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=2, source=self)
            self._pool.release_later(self._connection)

    def close(self) -> None:
        """End it at once, without waiting; doing so again does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class Streaming:
    """A streamed request: `async with` sends it, gives its answer, and closes that in the end."""

    def __init__(self, starting: Coroutine[Any, Any, StreamedResponse]) -> None:
        self._starting = starting

    def __await__(self) -> Generator[Any, Any, StreamedResponse]:
        return self._starting.__await__()

    async def __aenter__(self) -> StreamedResponse:
        self._answer = await self._starting
        return self._answer

    async def __aexit__(self, *_: object) -> None:
        self._answer.close()
