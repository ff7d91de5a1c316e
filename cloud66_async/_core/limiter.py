"""Limiter: a bound on how many requests run at a time."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import Final

from ..errors import TransportError, TransportTimeout

__all__ = ["INFINITY", "Limiter"]

INFINITY: Final = float("inf")


class _Outcome(enum.Enum):
    """How a wait for a slot ended."""

    GRANTED = enum.auto()
    TIMED_OUT = enum.auto()
    CLOSED = enum.auto()


class Limiter:
    """Limit on concurrent requests. Waiting tasks are served first in, first out.

    A slot is nearly always free. Then it is taken without a coroutine: `if limiter.free: limiter.free -= 1`.
    """

    __slots__ = ("_queue", "free")

    def __init__(self, limit: int) -> None:
        self.free: int = limit
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
                self.release()  # granted and cancelled in the same event loop iteration
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
        """Pass a slot on to the first waiting task, or mark it as free."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(_Outcome.GRANTED)
                return
        self.free += 1

    def close(self) -> None:
        """Reject every waiting task."""
        while self._queue:
            _end(self._queue.popleft(), _Outcome.CLOSED)


def _end(waiter: asyncio.Future[_Outcome], outcome: _Outcome) -> None:
    if not waiter.done():
        waiter.set_result(outcome)
