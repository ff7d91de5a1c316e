"""Connection: the asyncio protocol of one connection, its timer, and one exchange at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Final, Literal

from .._core.limiter import INFINITY
from .._core.origin import Origin
from ..errors import TransportError, TransportTimeout
from ..secret import Hidden
from .errors import BodyLengthError, ConnectionLost, StaleConnection
from .parser import ResponseParser
from .request import PoolRequest

__all__ = ["Connection"]

SLICE: Final = 64 * 1024
HIGH_WATER: Final = 256 * 1024

IDLE: Final = "idle"
WRITING: Final = "write"
READING: Final = "read"
CLOSED: Final = "closed"
Phase = Literal["idle", "write", "read", "closed"]


class Connection(asyncio.BufferedProtocol):
    """A connection to `origin`. It is reusable only if the last exchange ended cleanly.

    A waiting task is woken with None and then checks the state. An error is stored on the connection until it is
    raised, so no future ends with an exception that is never retrieved.
    """

    __slots__ = (
        "_armed",
        "_awaiting_data",
        "_body_unfinished",
        "_buffer",
        "_collect",
        "_deadline",
        "_due",
        "_error",
        "_loop",
        "_phase",
        "_read_timeout",
        "_reading_paused",
        "_remove",
        "_timer",
        "_upload",
        "_used",
        "_waiter",
        "_writing_paused",
        "idle_since",
        "origin",
        "parser",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(
        self,
        origin: Origin,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        remove: Callable[[Connection], None],
    ) -> None:
        self.origin: Origin = origin
        self.parser: ResponseParser = ResponseParser()
        self.idle_since: float = 0.0
        self._phase: Phase = IDLE
        self._error: TransportError | None = None
        self._loop = loop
        self._buffer = buffer
        self._remove = remove
        self._used = 0
        self._waiter: asyncio.Future[None] | None = None
        self._upload: asyncio.Timeout | None = None
        self._collect = self._awaiting_data = True
        self._body_unfinished = self._writing_paused = self._reading_paused = False
        self._read_timeout: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed = self._due = self._deadline = INFINITY

    def __repr__(self) -> str:
        return f"<Connection to {self.origin.host}:{self.origin.port}, {self._phase}>"

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport of the connected socket."""
        self.transport = transport  # type: ignore[assignment]  # asyncio's own pairing of the two types

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return the buffer for received bytes. `buffer_updated` consumes them before it returns."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse `nbytes` received bytes."""
        parser = self.parser
        if parser.complete:
            self.abort()  # unsolicited data: the connection cannot be trusted
            return
        parser.feed(self._buffer[:nbytes])
        error = parser.error
        if error is not None:
            parser.error = None
            parser.complete = False  # an invalid response is an error even if all of it has arrived
            self.fail(error)
        elif parser.complete:
            self._wake()
        else:
            self._handle_partial_response()

    def eof_received(self) -> bool:
        """Handle the end of the stream. Return False, which closes the connection."""
        if self.parser.complete:
            self.abort()  # removes it from the pool now: connection_lost follows only later
        else:
            self.parser.feed_eof()
            if self.parser.complete:
                self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the connection is lost, and fail a response in progress."""
        if not self.parser.complete:
            self.fail(self._lost_error(exc))
        self._remove(self)
        self._phase = CLOSED
        self.parser.release()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def pause_writing(self) -> None:
        """Pause writing: the send buffer is full."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Resume writing: the send buffer has room again."""
        self._writing_paused = False
        if self._phase is WRITING:
            self._wake()

    def _handle_partial_response(self) -> None:
        """Wake the reader of a streamed body, and restart the read timeout."""
        if self.parser.headers_done and not self._collect:
            if self.parser.size - self.parser.taken > HIGH_WATER:
                self._reading_paused = True
                self.transport.pause_reading()
            self._wake()
        if self._awaiting_data and self._phase is READING:
            self._start_read_timeout()

    # Closing.

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._phase is CLOSED

    def abort(self) -> None:
        """Close immediately and discard any response in progress."""
        self._phase = CLOSED
        self.parser.complete = True
        self._remove(self)
        self.transport.abort()

    def fail(self, error: TransportError) -> None:
        """Close the connection. If an exchange is in progress, it raises `error`."""
        if not self.parser.complete:
            self._error = error
        self.abort()
        self._wake()

    def _lost_error(self, cause: Exception | None) -> TransportError:
        error: TransportError
        if self._used > 1 and not self.parser.received:
            error = StaleConnection("the server closed the idle connection while the request was sent")
        else:
            error = ConnectionLost("the connection was closed before the response was complete")
        error.__cause__ = cause
        return error

    # One timer covers all timeouts: if it fires before `_due`, it is rescheduled.

    def _start_read_timeout(self) -> None:
        due = self._deadline
        if self._read_timeout is not None:
            due = min(due, self._loop.time() + self._read_timeout)
        self._set_due(due)

    def _set_due(self, due: float) -> None:
        self._due = due
        if due < self._armed and self._phase is not CLOSED:
            self._schedule_timer()

    def _schedule_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._due
        self._timer = self._loop.call_at(self._due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._armed = INFINITY
        if self._due > self._loop.time():
            if self._due < INFINITY:
                self._schedule_timer()
        elif self._phase is IDLE:
            self.abort()
        elif not self.parser.complete:
            phase = "total" if self._due >= self._deadline else str(self._phase)
            self.fail(TransportTimeout(f"the server did not respond in time ({phase} timeout)", phase=phase))

    # One exchange.

    async def exchange(self, request: PoolRequest) -> None:
        """Send `request`, and return when `parser` holds the whole response, or its headers if it is streamed.

        If this raises, the connection is closed.
        """
        try:
            self._start(request)
            if self._phase is WRITING:
                await self._send_body(request)
            parser = self.parser
            while not (parser.complete or (parser.headers_done and not self._collect)):
                self._waiter = waiter = self._loop.create_future()
                await waiter
        except BaseException:
            self.abort()
            raise
        if self._error is not None:
            self._raise()
        if not self._collect:
            self._stop_read_timeout()

    def _start(self, request: PoolRequest) -> None:
        headers, body = request.headers, request.body
        self._deadline = request.deadline
        self._collect = request.collect
        self._read_timeout = request.timeouts.read
        self._used += 1
        self._awaiting_data = True
        self.parser.start(is_head=request.is_head, limit=request.max_body)
        if isinstance(body, bytes) and len(body) <= SLICE and not request.chunked:
            self.transport.write(Hidden(headers + body) if body else headers)
            self._phase = READING
            self._start_read_timeout()
        else:
            self.transport.write(headers)
            self._phase = WRITING
            self._body_unfinished = True

    async def _send_body(self, request: PoolRequest) -> None:
        """Write the body no faster than the server accepts it. Stop as soon as the server has responded."""
        body = request.body
        if isinstance(body, bytes):
            await self._send_data(body, request)
        else:
            await self._send_iterable(body, request)
        if self.parser.complete:
            return
        if not self._responded:
            if request.chunked:
                self.transport.write(b"0\r\n\r\n")
            self._body_unfinished = False
        self._phase = READING
        self._start_read_timeout()

    async def _send_iterable(self, body: AsyncIterable[bytes], request: PoolRequest) -> None:
        # `body` may be suspended when the response arrives or the deadline passes; `_wake` then expires this timeout.
        # It interrupts `body` in the caller's task, so that the body never runs in a separate one.
        upload = asyncio.timeout(None)
        announced = remaining = request.content_length
        try:
            async with upload:
                self._upload = upload
                self._set_due(self._deadline)
                async for data in body:
                    remaining -= memoryview(data).nbytes
                    if remaining < 0 and not request.chunked:
                        raise BodyLengthError(f"the body is longer than its Content-Length ({announced})")
                    await self._send_data(data, request)
                    if self._responded:
                        break
                    self._set_due(self._deadline)
        except TimeoutError:
            if not upload.expired():
                raise
        finally:
            self._upload = None
        if remaining > 0 and not request.chunked and not self._responded:
            raise BodyLengthError(f"the body is {remaining} bytes shorter than its Content-Length ({announced})")

    async def _send_data(self, data: bytes, request: PoolRequest) -> None:
        timeout = request.timeouts.write
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SLICE):
            if self._responded:
                return
            part = view[start : start + SLICE]
            self.transport.write(b"%x\r\n%b\r\n" % (len(part), bytes(part)) if request.chunked else part)
            while self._writing_paused and not self._responded:
                self._set_due(self._deadline if timeout is None else min(self._deadline, self._loop.time() + timeout))
                await self._wait()

    @property
    def _responded(self) -> bool:
        """Whether to stop sending: the response is complete, or the server has rejected the request."""
        return self.parser.complete or self.parser.status >= 400

    async def read(self) -> list[bytes]:
        """Return the next data of a streamed body, or an empty list at its end."""
        parser = self.parser
        while not (parser.data or parser.complete):
            self._awaiting_data = True
            self._start_read_timeout()
            try:
                await self._wait()
            finally:
                self._stop_read_timeout()
        data = parser.take()
        if not data and self._error is not None:
            self._raise()
        if self._reading_paused and self._phase is READING:
            self._reading_paused = False
            self.transport.resume_reading()
        return data

    def _stop_read_timeout(self) -> None:
        """Stop the read timeout while nothing is being read. The total timeout keeps running."""
        self._awaiting_data = False
        self._set_due(self._deadline)

    def _raise(self) -> None:
        error, self._error = self._error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # break the reference cycle: error -> traceback -> frame -> error

    async def _wait(self) -> None:
        self._waiter = waiter = self._loop.create_future()
        await waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif self._upload is not None and self._responded:
            upload, self._upload = self._upload, None
            upload.reschedule(self._loop.time())

    # Between two exchanges.

    @property
    def timed_out_idle(self) -> bool:
        """Whether a reused connection received a 408 for its idle time, not for this request."""
        return self.parser.status == 408 and self._used > 1 and not self.parser.keep_alive

    @property
    def reusable(self) -> bool:
        """Whether the exchange ended cleanly, so that the next response cannot be mistaken for this one."""
        parser = self.parser
        return (
            self._phase is READING
            and parser.complete
            and parser.keep_alive
            and not parser.surplus
            and not self._body_unfinished
        )

    def become_idle(self, timeout: float) -> None:
        """Wait for reuse, and close after `timeout` seconds. Data received meanwhile closes the connection, too."""
        self._phase = IDLE
        self.parser.clear()
        self.idle_since = now = self._loop.time()
        self._set_due(now + timeout)
