"""Limiter: a bound on how many requests run at a time."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from datetime import datetime
from typing import Final

from ..errors import TransportError, TransportTimeout

__all__ = ["INFINITY", "Limiter", "SlowStart"]

INFINITY: Final = float("inf")


class _Outcome(enum.Enum):
    """How a wait for a slot ended."""

    GRANTED = enum.auto()
    TIMED_OUT = enum.auto()
    CLOSED = enum.auto()


class Limiter:
    """Limit on concurrent requests. Waiting tasks are served first in, first out.

    A slot is nearly always free. Then it is taken without a coroutine: `if limiter.free: limiter.free -= 1`.

    The limit adapts to the server: `failed` halves it, at most once in each round trip, and `succeeded` increases it
    again, as TCP does. `reduced` tells whether it is below the original one. Otherwise `succeeded` need not be called.
    """

    __slots__ = ("_excess", "_queue", "_reduced_at", "_successes", "_threshold", "free", "limit", "maximum", "reduced")

    def __init__(self, limit: int) -> None:
        self.free: int = limit
        self.limit: int = limit
        self.maximum: int = limit
        self.reduced: bool = False
        self._excess = 0  # slots in use that `release` withdraws
        self._reduced_at = -INFINITY
        self._successes = 0
        self._threshold = 0  # below it, the limit doubles in each round trip
        self._queue: deque[asyncio.Future[_Outcome]] = deque()

    async def acquire(self, timeout: float | None = None, deadline: float = INFINITY) -> None:  # noqa: ASYNC109
        """Wait for a slot and take it.

        `timeout` is in seconds, `deadline` in the event loop's time. Raises TransportTimeout when either has
        passed, and TransportError if the pool is closed.
        """
        loop = asyncio.get_running_loop()
        pool_deadline = INFINITY if timeout is None else loop.time() + timeout
        waiter: asyncio.Future[_Outcome] = loop.create_future()
        self._queue.append(waiter)
        first = min(pool_deadline, deadline)
        timer = None if first == INFINITY else loop.call_at(first, _end, waiter, _Outcome.TIMED_OUT)
        try:
            outcome = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result() is _Outcome.GRANTED:
                Limiter.release(self)  # granted and cancelled in the same event loop iteration
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if outcome is _Outcome.CLOSED:
            raise TransportError("the connection pool was closed", sent=False)
        if outcome is _Outcome.TIMED_OUT:
            phase = "pool" if pool_deadline <= deadline else "total"
            raise TransportTimeout(f"no connection became free in time ({phase} timeout)", phase=phase, sent=False)

    def release(self) -> None:
        """Pass a slot on to the first waiting task, or mark it as free, unless the limit was reduced."""
        if self._excess:
            self._excess -= 1
            return
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(_Outcome.GRANTED)
                return
        self.free += 1

    async def take(self, timeout: float | None, deadline: float = INFINITY) -> None:  # noqa: ASYNC109
        """Take a free slot, or wait for one as `acquire` does."""
        if self.free:
            self.free -= 1
        else:
            await self.acquire(timeout, deadline)

    def failed(self, started: float, now: float) -> None:
        """Halve the limit after a request that started at this time and failed because the server is overloaded.

        Requests that started before the last reduction do not count: they could not be affected by it.
        """
        if self.is_current(started):
            self._threshold = 0
            self._resize(max(self.limit // 2, 1), now)

    def restart(self, now: float) -> None:
        """Reduce the limit to 1. It then doubles in each round trip."""
        self._threshold = self.maximum
        self._resize(1, now)

    def is_current(self, started: float) -> bool:
        """Return whether a request that started at this time started after the last reduction."""
        return started > self._reduced_at

    def succeeded(self, started: float) -> None:
        """Increase the limit after as many successes as the limit itself, or after each one in a slow start."""
        if not self.reduced or not self.is_current(started):
            return
        self._successes += 1
        if self._successes >= self.limit or self.limit < self._threshold:
            self._successes = 0
            self.limit += 1
            self.reduced = self.limit < self.maximum
            Limiter.release(self)  # a slot more, or one less to withdraw

    def _resize(self, limit: int, now: float) -> None:
        removed = self.limit - limit
        idle = min(self.free, removed)
        self.free -= idle
        self._excess += removed - idle
        self.limit, self.reduced, self._successes, self._reduced_at = limit, limit < self.maximum, 0, now

    def close(self) -> None:
        """Reject every waiting task."""
        while self._queue:
            _end(self._queue.popleft(), _Outcome.CLOSED)


class SlowStart(Limiter):
    """Limiter of one token after the server has throttled it until a certain time.

    From then on there is one request at a time at first, and twice as many after each round trip. Each slot includes
    one of the client's limiter. Requests with other tokens are not affected.
    """

    __slots__ = ("_client", "until")

    def __init__(self, client: Limiter, until: datetime) -> None:
        super().__init__(client.maximum)
        self.until: datetime = until
        self._client = client
        self.restart(-INFINITY)

    async def take(self, timeout: float | None, deadline: float = INFINITY) -> None:  # noqa: ASYNC109
        """Take a slot of both limiters, or wait for it as `acquire` does."""
        loop = asyncio.get_running_loop()
        pool_deadline = INFINITY if timeout is None else loop.time() + timeout
        await super().take(timeout, deadline)
        try:
            await self._client.take(None if timeout is None else max(pool_deadline - loop.time(), 0.0), deadline)
        except BaseException:
            super().release()
            raise

    def release(self) -> None:
        """Return a slot of both limiters."""
        self._client.release()
        super().release()

    def succeeded(self, started: float) -> None:
        """Increase both limits."""
        self._client.succeeded(started)
        super().succeeded(started)

    def throttled(self, until: datetime, started: float, now: float) -> None:
        """Start again at a later time, with one request unless this one started before the last restart."""
        self.until = max(self.until, until)
        if self.is_current(started):
            self.restart(now)


def _end(waiter: asyncio.Future[_Outcome], outcome: _Outcome) -> None:
    if not waiter.done():
        waiter.set_result(outcome)
