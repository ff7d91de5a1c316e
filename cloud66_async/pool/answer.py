"""What a request gives back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from . import head as heads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Generator, Mapping
    from typing import Any

    from .connection import Connection
    from .parser import AnswerParser
    from .pool import Pool

__all__ = ["PoolAnswer", "StreamedAnswer", "Streaming"]


class _Headed:
    """Status, reason and headers, the latter read only when asked for."""

    __slots__ = ("_head", "_headers", "_lowered", "status")

    def __init__(self, parser: AnswerParser) -> None:
        self.status: int = parser.status
        self._head = parser.head
        self._lowered = parser.lowered
        self._headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"

    @property
    def reason(self) -> bytes:
        """The reason phrase, empty where there is none."""
        return heads.reason(self._head)

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers in their order and spelling."""
        return heads.pairs(self._head)

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers by lower-case name; repeated ones joined by a comma and a blank."""
        if self._headers is None:
            headers: dict[str, str] = {}
            for raw_name, raw_value in self.raw_headers:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            self._headers = headers
        return self._headers

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name, or None."""
        line = self._lowered.find(b"\r\n%b:" % name)
        if line < 0:
            return None
        start = line + len(name) + 3
        end = self._head.find(b"\r", start)
        return (self._head[start:] if end < 0 else self._head[start:end]).strip(b" \t")


class PoolAnswer(_Headed):
    """A whole answer; the body is unpacked."""

    __slots__ = ("body",)

    body: bytes


class StreamedAnswer(_Headed):
    """An answer whose body may still be on its way; iterate over it once, and close it.

    The pieces are as they came: content codings are not undone. One that is not read to its end takes
    its connection with it when it is closed.
    """

    __slots__ = ("_connection", "_pool", "parts")

    def __init__(self, pool: Pool, connection: Connection) -> None:
        parser = connection.parser
        super().__init__(parser)
        self._pool = pool
        self._connection: Connection | None = connection
        self.parts: list[bytes] = []
        if parser.complete:
            self.parts = parser.take()
            self.close()

    @property
    def arrived(self) -> bool:
        """Whether all of the body is in `parts` and the connection is free again."""
        return self._connection is None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                parts, self.parts = self.parts, []
                for part in parts:
                    yield part
                if self._connection is None:
                    return
                self.parts = await self._connection.more()
                if not self.parts:
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

    def __init__(self, starting: Coroutine[Any, Any, StreamedAnswer]) -> None:
        self._starting = starting

    def __await__(self) -> Generator[Any, Any, StreamedAnswer]:
        return self._starting.__await__()

    async def __aenter__(self) -> StreamedAnswer:
        self._answer = await self._starting
        return self._answer

    async def __aexit__(self, *_: object) -> None:
        self._answer.close()
