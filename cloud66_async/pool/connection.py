"""One connection: asyncio's side of it, its one timer, and one exchange at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Final, Literal

from .._core.limiter import INFINITY
from .._core.origin import Origin
from ..errors import TransportError, TransportTimeout
from ..secret import Hidden
from .errors import ConnectionLost, StaleConnection
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
    """A connection to `origin`; used once more only if the last exchange ended cleanly.

    Whoever waits is woken with None and then looks at the state; an error lies on the connection until
    it is raised, so no future can end with an exception that nobody retrieves.
    """

    __slots__ = (
        "_armed",
        "_awaited",
        "_body_open",
        "_buffer",
        "_collect",
        "_due",
        "_end",
        "_error",
        "_forget",
        "_forgotten",
        "_loop",
        "_phase",
        "_read_timeout",
        "_reading_paused",
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
        forget: Callable[[Connection], None],
    ) -> None:
        self.origin: Origin = origin
        self.parser: ResponseParser = ResponseParser()
        self.idle_since: float = 0.0
        self._phase: Phase = IDLE
        self._error: TransportError | None = None
        self._loop = loop
        self._buffer = buffer
        self._forget = forget
        self._forgotten = False
        self._used = 0
        self._waiter: asyncio.Future[None] | None = None
        self._upload: asyncio.Timeout | None = None
        self._collect = self._awaited = True
        self._body_open = self._writing_paused = self._reading_paused = False
        self._read_timeout: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed = self._due = self._end = INFINITY

    def __repr__(self) -> str:
        return f"<Connection to {self.origin.host}:{self.origin.port}, {self._phase}>"

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self.transport = transport  # type: ignore[assignment]  # asyncio's own pairing of the two types

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Where to put what comes; `buffer_updated` empties it at once."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        parser = self.parser
        if parser.complete:
            self.abort()  # nobody asked for this
            return
        parser.feed(self._buffer[:nbytes])
        error = parser.error
        if error is not None:
            parser.error = None
            self.fail(error)
        elif parser.complete:
            self._wake()
        else:
            self._go_on()

    def eof_received(self) -> bool:
        """The server sends no more; False closes the connection."""
        if self.parser.complete:
            self.abort()  # out of the pool now, not when connection_lost comes
        else:
            self.parser.feed_eof()
            if self.parser.complete:
                self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if not self.parser.complete:
            self.fail(self._broken(exc))
        self._leave()
        self._phase = CLOSED
        self.parser.release()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The server takes more again."""
        self._writing_paused = False
        if self._phase is WRITING:
            self._wake()

    def _go_on(self) -> None:
        """Part of an answer came."""
        if self.parser.headers_done and not self._collect:
            if self.parser.size - self.parser.taken > HIGH_WATER and not self._reading_paused:
                self._reading_paused = True
                self.transport.pause_reading()
            self._wake()
        if self._awaited and self._phase is READING:
            self._watch()

    # How it ends.

    @property
    def closed(self) -> bool:
        """Whether it is over with this connection."""
        return self._phase is CLOSED

    def abort(self) -> None:
        """Close at once, without waiting; an exchange under way gets nothing any more."""
        self._phase = CLOSED
        self.parser.complete = True
        self._leave()
        self.transport.abort()

    def fail(self, error: TransportError) -> None:
        """End the exchange under way, if there is one, with this error, and the connection with it."""
        if not self.parser.complete:
            self._error = error
        self.abort()
        self._wake()

    def _leave(self) -> None:
        if not self._forgotten:
            self._forgotten = True
            self._forget(self)

    def _broken(self, cause: Exception | None) -> TransportError:
        error: TransportError
        if self._used > 1 and not self.parser.received:
            error = StaleConnection("the server closed the connection as the request was sent")
        else:
            error = ConnectionLost("the connection ended before the answer did")
        error.__cause__ = cause
        return error

    # One timer for everything: `_due` moves freely, the timer follows when it rings.

    def _watch(self) -> None:
        due = self._end
        if self._read_timeout is not None and not self._reading_paused:
            due = min(due, self._loop.time() + self._read_timeout)
        self._set_due(due)

    def _set_due(self, due: float) -> None:
        self._due = due
        if due < self._armed:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._armed = INFINITY
        if self._due > self._loop.time():
            if self._due < INFINITY:
                self._arm()
        elif self._phase is IDLE:
            self.abort()
        elif not self.parser.complete:
            phase = "total" if self._due >= self._end else str(self._phase)
            self.fail(TransportTimeout(f"the server did not answer in time ({phase} timeout)", phase=phase))

    # One exchange.

    async def exchange(self, request: PoolRequest) -> None:
        """Send, and return when the answer is in `parser`: all of it, or its head if it is streamed.

        However else this ends, the connection is closed.
        """
        try:
            self._start(request)
            if self._phase is WRITING:
                await self._send(request)
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
            self._rest()

    def _start(self, request: PoolRequest) -> None:
        head, body = request.headers, request.body
        self._end = request.end
        self._collect = request.collect
        self._read_timeout = request.timeouts.read
        self._used += 1
        self._awaited = True
        self.parser.begin(is_head=request.is_head, limit=request.limit)
        if isinstance(body, bytes) and len(body) <= SLICE:
            self.transport.write(Hidden(head + body) if body else head)
            self._phase = READING
            self._watch()
        else:
            self.transport.write(head)
            self._phase = WRITING
            self._body_open = True

    async def _send(self, request: PoolRequest) -> None:
        """Write the body no faster than the server takes it; stop as soon as the server has answered."""
        body, patience = request.body, request.timeouts.write
        if isinstance(body, bytes):
            await self._send_slices(body, patience)
        else:
            await self._send_pieces(body, patience, chunked=request.chunked)
        if self.parser.complete:
            return
        if not self._answered:
            if request.chunked:
                self.transport.write(b"0\r\n\r\n")
            self._body_open = False
        self._phase = READING
        self._watch()

    async def _send_pieces(self, pieces: AsyncIterable[bytes], patience: float | None, *, chunked: bool) -> None:
        # `pieces` may sleep while an answer comes, or the time is up: then `_wake` lets this timeout
        # strike, which interrupts them in their own task, as a task of ours would not.
        upload = asyncio.timeout(None)
        try:
            async with upload:
                self._upload = upload
                self._set_due(self._end)
                async for piece in pieces:
                    await self._send_slices(piece, patience, chunked=chunked)
                    if self._answered:
                        break
                    self._set_due(self._end)
        except TimeoutError:
            if not upload.expired():
                raise
        finally:
            self._upload = None

    async def _send_slices(self, piece: bytes, patience: float | None, *, chunked: bool = False) -> None:
        view = memoryview(piece)
        for start in range(0, len(view), SLICE):
            if self._answered:
                return
            part = view[start : start + SLICE]
            self.transport.write(b"%x\r\n%b\r\n" % (len(part), bytes(part)) if chunked else part)
            while self._writing_paused and not self._answered:
                self._set_due(self._end if patience is None else min(self._end, self._loop.time() + patience))
                await self._wait()

    @property
    def _answered(self) -> bool:
        """Whether there is no sense in sending more: all is over, or the server refused already."""
        return self.parser.complete or self.parser.status >= 400

    async def more(self) -> list[bytes]:
        """The next parts of a streamed body, none at its end."""
        parser = self.parser
        while not (parser.parts or parser.complete):
            self._awaited = True
            self._watch()
            try:
                await self._wait()
            finally:
                self._rest()
        parts = parser.take()
        if not parts and self._error is not None:
            self._raise()
        if self._reading_paused and self._phase is READING:
            self._reading_paused = False
            self.transport.resume_reading()
        return parts

    def _rest(self) -> None:
        """Nobody waits for the server now: its silence is not counted, the whole time still is."""
        self._awaited = False
        self._set_due(self._end)

    def _raise(self) -> None:
        error, self._error = self._error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # else: error, traceback, this frame, error

    async def _wait(self) -> None:
        self._waiter = waiter = self._loop.create_future()
        await waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif self._upload is not None and self._answered:
            upload, self._upload = self._upload, None
            upload.reschedule(self._loop.time())

    # Between two exchanges.

    @property
    def gave_up(self) -> bool:
        """Whether the server only says that it waited too long for this request: it crossed the close."""
        return self.parser.status == 408 and self._used > 1 and not self.parser.keep

    @property
    def reusable(self) -> bool:
        """Whether the exchange ended so cleanly that the next answer cannot be mistaken."""
        parser = self.parser
        return (
            self._phase is READING
            and parser.complete
            and parser.keep
            and not parser.surplus
            and not self._body_open
            and not self._writing_paused
            and not self._reading_paused
        )

    def rest_until(self, expiry: float) -> None:
        """Lie idle for so many seconds, then close; anything that comes meanwhile closes it too."""
        self._phase = IDLE
        self.parser.clear()
        self.idle_since = now = self._loop.time()
        self._set_due(now + expiry)
