"""Connection pool: a bounded set of connections shared by all tasks of one event loop."""

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
from .decompress import decompress_body
from .errors import ConnectFailed, ConnectionLost, StaleConnection
from .idle import IdleConnections
from .request import PoolRequest
from .response import PoolResponse, StreamedResponse, Streaming

__all__ = ["Pool"]

MAX_BODY: Final = 64 * 1024 * 1024
BUFFER_SIZE: Final = 256 * 1024
TRUSTED_IDLE: Final = 0.05
"""Seconds for which an idle connection is assumed to be still open."""

_DEFAULTS: Final = Timeouts()


class Pool:
    """HTTP/1.1 connections, opened on demand.

    Args:
        limit: Maximum number of connections.
        idle: Seconds after which an idle connection is closed.
        tls: TLS context, or a function that creates one; it is called once, in a thread. With None, the pool uses the
            context of the process: TLS 1.2 or newer, and the system's CA certificates.
        max_body: Maximum size of a response body in bytes, after decompression. A request can override it.

    A cancelled or timed-out request closes its connection, so a late response cannot reach another request. HTTP/1.1
    leaves one case undetected: a server sends two responses to one request, and the second arrives after the next
    request was written.
    """

    def __init__(self, limit: int = 32, *, idle: float = 15.0, tls: TLS = None, max_body: int = MAX_BODY) -> None:
        if limit < 1:
            raise ConfigError(f"invalid limit {limit} for a connection pool: must be at least 1")
        self.limit = limit
        self.opened: int = 0
        self._idle_timeout = idle
        self._tls = tls
        self._max_body = max_body
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connector: Connector
        self._connecting = 0
        self._limiter = Limiter(limit)
        self._idle = IdleConnections()
        self._live: set[Connection] = set()
        self._buffer: memoryview | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool of {self.limit}, {self.live} open>"

    @property
    def live(self) -> int:
        """The number of open connections."""
        return len(self._live)

    async def request(
        self,
        origin: Origin,
        method: str,
        headers: bytes,
        body: bytes | AsyncIterable[bytes] = b"",
        *,
        chunked: bool = False,
        repeatable: bool = True,
        timeouts: Timeouts = _DEFAULTS,
        limit: int | None = None,
    ) -> PoolResponse:
        """Send a request and return the whole response with its decompressed body.

        Raises TransportError or TransportTimeout.

        Args:
            origin: Server to connect to.
            method: HTTP method in upper case.
            headers: Request line and header section, including the empty line at its end.
            body: The body, or an async iterable of its data.
            chunked: Whether the headers announce chunked transfer encoding. Otherwise an iterable body must have
                exactly the length that they announce, or the request raises BodyLengthError.
            repeatable: Whether to send the request once more, on a new connection, if the server closed the idle
                connection while the request was sent.
            timeouts: Limits for each phase.
            limit: Maximum size of the response body in bytes. None means the `max_body` of the pool.
        """
        deadline = self._start(timeouts)
        max_body = self._max_body if limit is None else limit
        repeatable = repeatable and isinstance(body, bytes)
        request = PoolRequest(headers, body, chunked, method == "HEAD", repeatable, timeouts, deadline, max_body, True)
        connection = await self._send(origin, request)
        parser = connection.parser
        data = parser.data
        response = PoolResponse(parser)
        response.body = data[0] if len(data) == 1 else b"".join(data)
        encodings = parser.content_encoding
        self.release(connection)
        if encodings is not None:
            response.body = await decompress_body(
                response.body, encodings, max_body, status=response.status, deadline=deadline
            )
        return response

    def stream(
        self,
        origin: Origin,
        method: str,
        headers: bytes,
        body: bytes | AsyncIterable[bytes] = b"",
        *,
        chunked: bool = False,
        repeatable: bool = True,
        timeouts: Timeouts = _DEFAULTS,
        limit: int | None = None,
    ) -> Streaming:
        """Send a request and return the response as soon as its headers have arrived.

        The parameters are those of `request`, except that None as `limit` means no limit. The body is not
        decompressed. `async with pool.stream(...) as response` closes the response at the end of the block. A caller
        that awaits the result instead must close the response.
        """
        deadline = self._start(timeouts)
        max_body = sys.maxsize if limit is None else limit
        repeatable = repeatable and isinstance(body, bytes)
        request = PoolRequest(headers, body, chunked, method == "HEAD", repeatable, timeouts, deadline, max_body, False)
        return Streaming(self._stream(origin, request))

    async def aclose(self) -> None:
        """Close every connection. Requests that are in flight or waiting raise TransportError."""
        if self._loop is None:
            self._closed = True
            return
        self._bind()
        self._closed = True
        self._limiter.close()
        self._connector.close()
        for connection in tuple(self._live):
            connection.fail(ConnectionLost("the connection pool was closed"))
        for _ in range(4):  # until the last connection_lost has run; TLS takes more event loop iterations than TCP
            await asyncio.sleep(0)

    def release(self, connection: Connection) -> None:
        """Return the connection to the pool, or close it if it cannot be reused."""
        if connection.reusable and not self._closed:
            self._idle.add(connection)
            connection.become_idle(self._idle_timeout)
        else:
            connection.abort()
        self._limiter.release()

    def release_later(self, connection: Connection) -> None:
        """Call `release` in the event loop. This works from any thread, and has no effect if the loop is closed."""
        assert self._loop is not None
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.release, connection)

    async def _stream(self, origin: Origin, request: PoolRequest) -> StreamedResponse:
        return StreamedResponse(self, await self._send(origin, request))

    def _start(self, timeouts: Timeouts) -> float:
        """Check that the pool is open and in its event loop. Return the request's deadline in loop time."""
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
            self._connector = Connector(loop, self._tls, self._create_connection)
            if not isinstance(loop, getattr(asyncio, "ProactorEventLoop", ())):
                self._buffer = memoryview(bytearray(BUFFER_SIZE))
        elif self._loop is not loop:
            raise ConfigError("this connection pool belongs to another event loop; create one client per event loop")
        return loop

    def _create_connection(self, origin: Origin) -> Connection:
        assert self._loop is not None
        # A proactor event loop fills the buffer while other connections are read. Any other loop fills it and has it
        # parsed in one step, so all connections can share one buffer.
        buffer = memoryview(bytearray(BUFFER_SIZE)) if self._buffer is None else self._buffer
        return Connection(origin, self._loop, buffer, self._remove)

    def _remove(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._idle.discard(connection)

    async def _send(self, origin: Origin, request: PoolRequest) -> Connection:
        """Send `request` and return its connection once the response, or its headers if streamed, have arrived.

        The connection holds a slot of the limiter until `release`.
        """
        limiter = self._limiter
        if limiter.free:
            limiter.free -= 1
        else:
            await limiter.acquire(request.timeouts.pool, request.deadline)
        try:
            connection = self._idle.pop(origin) if request.repeatable else await self._pop_open(origin)
            if connection is None:
                connection = await self._connect(origin, request)
            try:
                await connection.exchange(request)
            except StaleConnection:
                if not request.repeatable:
                    raise
            else:
                if not (connection.timed_out_idle and request.repeatable):
                    return connection
                connection.abort()
            # Retry once, on a new connection: the server cannot have closed that one for being idle.
            connection = await self._connect(origin, request)
            await connection.exchange(request)
        except BaseException:
            limiter.release()
            raise
        return connection

    async def _pop_open(self, origin: Origin) -> Connection | None:
        """Return an idle connection that is known to be open, for a request that must not be repeated, or None."""
        assert self._loop is not None
        while (connection := self._idle.pop(origin)) is not None:
            if self._loop.time() - connection.idle_since > TRUSTED_IDLE:
                try:
                    for _ in range(3):  # lets the event loop process a close that has already arrived
                        await asyncio.sleep(0)
                except BaseException:
                    connection.abort()
                    raise
            if not connection.closed:
                return connection
        return None

    async def _connect(self, origin: Origin, request: PoolRequest) -> Connection:
        if len(self._live) + self._connecting >= self.limit:
            oldest = self._idle.oldest()
            if oldest is not None:
                oldest.abort()
        self._connecting += 1
        try:
            connection = await self._connector.open(origin, request.timeouts.connect, request.deadline)
        finally:
            self._connecting -= 1
        if self._closed:
            connection.abort()
            raise TransportError("the connection pool was closed", sent=False)
        if connection.closed:
            raise ConnectFailed(
                f"cannot connect to {origin.host}:{origin.port}: the server closed the connection", sent=False
            )
        self._live.add(connection)
        self.opened += 1
        return connection
