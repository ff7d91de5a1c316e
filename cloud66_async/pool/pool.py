"""The pool: so many connections, shared by everybody in one event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import Final

from .._core.limiter import INFINITY, Limiter
from .._core.origin import Origin
from ..errors import ConfigError, TransportError
from ..transport import Timeouts
from .connection import Connection
from .connector import TLS, Connector
from .decompress import decompress
from .errors import ConnectFailed, ConnectionLost, StaleConnection
from .idle import IdleConnections
from .request import PoolRequest
from .response import PoolResponse, StreamedResponse, Streaming

__all__ = ["Pool"]

MAX_BODY: Final = 64 * 1024 * 1024
BUFFER: Final = 256 * 1024
FRESH: Final = 0.05
"""Seconds within which an idle connection is taken to be still open."""

_DEFAULTS: Final = Timeouts()


class Pool:
    """Keeps at most `limit` HTTP/1.1 connections, opened as they are needed.

    A connection may lie idle for `idle` seconds. `tls` is a context, or a function that makes one (called
    once, in a thread); None means the process's own: the system's roots, TLS 1.2 or newer. `max_body` is
    how many bytes of body an answer may have, unpacked, unless a request says otherwise.

    A request that is cancelled or times out takes its connection with it, so an answer that comes late
    has nobody to go to. What HTTP/1.1 cannot tell apart is a server that sends two answers to one
    request, if the second arrives after the next request was written.
    """

    def __init__(self, limit: int = 32, *, idle: float = 15.0, tls: TLS = None, max_body: int = MAX_BODY) -> None:
        if limit < 1:
            raise ConfigError("a connection pool needs a limit of at least 1")
        self.limit = limit
        self.opened: int = 0
        self._idle_time = idle
        self._tls = tls
        self._max_body = max_body
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opener: Connector
        self._opening = 0
        self._limiter = Limiter(limit)
        self._idle = IdleConnections()
        self._live: set[Connection] = set()
        self._buffer: memoryview | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool of {self.limit}, {self.live} open>"

    @property
    def live(self) -> int:
        """How many connections are open now."""
        return len(self._live)

    async def request(
        self,
        origin: Origin,
        method: str,
        head: bytes,
        body: bytes | AsyncIterable[bytes] = b"",
        *,
        chunked: bool = False,
        repeatable: bool = True,
        timeouts: Timeouts = _DEFAULTS,
        limit: int | None = None,
    ) -> PoolResponse:
        """The whole answer, its body unpacked.

        `head` is the request line and the headers, ended by the empty line; `chunked` says that it
        announces a chunked body. A `repeatable` request is sent once more, on a new connection, if the
        server closed a kept one just as it was sent. Raises TransportError or TransportTimeout.
        """
        end = self._begin(timeouts)
        bound = self._max_body if limit is None else limit
        repeatable = repeatable and isinstance(body, bytes)
        request = PoolRequest(head, body, chunked, method == "HEAD", repeatable, timeouts, end, bound, True)
        connection = await self._perform(origin, request)
        parser = connection.parser
        parts = parser.parts
        answer = PoolResponse(parser)
        answer.body = parts[0] if len(parts) == 1 else b"".join(parts)
        codings = parser.codings
        self.release(connection)
        if codings is not None:
            answer.body = decompress(answer.body, codings, bound)
        return answer

    def stream(
        self,
        origin: Origin,
        method: str,
        head: bytes,
        body: bytes | AsyncIterable[bytes] = b"",
        *,
        chunked: bool = False,
        repeatable: bool = True,
        timeouts: Timeouts = _DEFAULTS,
        limit: int | None = None,
    ) -> Streaming:
        """As `request`, but the answer comes with its head, and its body as it arrives, not unpacked.

        `async with pool.stream(...) as answer` closes the answer; whoever awaits instead has to do so.
        There is no bound on the body unless `limit` sets one.
        """
        end = self._begin(timeouts)
        bound = sys.maxsize if limit is None else limit
        repeatable = repeatable and isinstance(body, bytes)
        request = PoolRequest(head, body, chunked, method == "HEAD", repeatable, timeouts, end, bound, False)
        return Streaming(self._stream(origin, request))

    async def aclose(self) -> None:
        """Close every connection at once; what is under way, or waits, ends with a TransportError."""
        if self._loop is None:
            self._closed = True
            return
        self._bind()
        self._closed = True
        self._limiter.close()
        self._opener.close()
        for connection in tuple(self._live):
            connection.fail(ConnectionLost("the connection pool was closed"))
        for _ in range(4):  # until the last connection_lost has run; TLS takes more turns than TCP
            await asyncio.sleep(0)

    def release(self, connection: Connection) -> None:
        """The answer on this connection was taken, or is not wanted any more."""
        if connection.reusable and not self._closed:
            self._idle.add(connection)
            connection.rest_until(self._idle_time)
        elif not connection.closed:
            connection.abort()
        self._limiter.release()

    def release_later(self, connection: Connection) -> None:
        """As `release`, from any thread, after the event loop has ended too."""
        assert self._loop is not None
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.release, connection)

    async def _stream(self, origin: Origin, request: PoolRequest) -> StreamedResponse:
        return StreamedResponse(self, await self._perform(origin, request))

    def _begin(self, timeouts: Timeouts) -> float:
        """Make sure that a request can be sent here and now; the loop's time when all of it must be over."""
        loop = self._loop
        if loop is None or loop is not asyncio.get_running_loop():
            loop = self._bind()
        if self._closed:
            raise TransportError("the connection pool is closed", sent=False)
        return INFINITY if timeouts.total is None else loop.time() + timeouts.total

    def _bind(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._opener = Connector(loop, self._tls, self._make)
            if not isinstance(loop, getattr(asyncio, "ProactorEventLoop", ())):
                self._buffer = memoryview(bytearray(BUFFER))
        elif self._loop is not loop:
            raise ConfigError("this connection pool belongs to another event loop: open one client per event loop")
        return loop

    def _make(self, origin: Origin) -> Connection:
        assert self._loop is not None
        # A proactor fills the buffer while others are read; any other loop fills it and empties it at once.
        buffer = memoryview(bytearray(BUFFER)) if self._buffer is None else self._buffer
        return Connection(origin, self._loop, buffer, self._forget)

    def _forget(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._idle.discard(connection)

    async def _perform(self, origin: Origin, request: PoolRequest) -> Connection:
        """The connection on which the answer, or its head, has come. Holds a place; `release` gives it back."""
        limiter = self._limiter
        if limiter.free:
            limiter.free -= 1
        else:
            await limiter.acquire(request.timeouts.pool, request.end)
        try:
            connection = self._idle.pop(origin) if request.repeatable else await self._settled(origin)
            if connection is None:
                connection = await self._connect(origin, request)
            try:
                await connection.exchange(request)
            except StaleConnection:
                if not request.repeatable:
                    raise
            else:
                if not (connection.gave_up and request.repeatable):
                    return connection
                connection.abort()
            # Once, and on a connection that cannot have been closed meanwhile.
            connection = await self._connect(origin, request)
            await connection.exchange(request)
        except BaseException:
            limiter.release()
            raise
        return connection

    async def _settled(self, origin: Origin) -> Connection | None:
        """An idle connection for a request that cannot be repeated: one that is seen to be open still."""
        assert self._loop is not None
        while (connection := self._idle.pop(origin)) is not None:
            if self._loop.time() - connection.idle_since > FRESH:
                try:
                    for _ in range(3):  # a close that has arrived is noticed
                        await asyncio.sleep(0)
                except BaseException:
                    connection.abort()
                    raise
            if not connection.closed:
                return connection
        return None

    async def _connect(self, origin: Origin, request: PoolRequest) -> Connection:
        if len(self._live) + self._opening >= self.limit:
            oldest = self._idle.oldest()
            if oldest is not None:
                oldest.abort()
        self._opening += 1
        try:
            connection = await self._opener.open(origin, request.timeouts.connect, request.end)
        finally:
            self._opening -= 1
        if self._closed:
            connection.abort()
            raise TransportError("the connection pool was closed", sent=False)
        if connection.closed:
            raise ConnectFailed(f"{origin.host}:{origin.port} closed the connection at once", sent=False)
        self._live.add(connection)
        self.opened += 1
        return connection
