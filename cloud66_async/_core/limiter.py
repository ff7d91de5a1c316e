"""Limiter: a bound on how many requests run at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from ..errors import TransportError, TransportTimeout

__all__ = ["INFINITY", "Limiter"]

INFINITY: Final = float("inf")


class Limiter:
    """Limit on concurrent requests. Waiting tasks are served first in, first out.

    A slot is nearly always free. Then it is taken without a coroutine: `if limiter.free: limiter.free -= 1`.
    """

    __slots__ = ("_queue", "free")

    def __init__(self, limit: int) -> None:
        self.free: int = limit
        self._queue: deque[asyncio.Future[bool]] = deque()

    async def acquire(self, timeout: float | None = None, deadline: float = INFINITY) -> None:  # noqa: ASYNC109
        """Wait for a slot and take it.

        `timeout` is in seconds, `deadline` in the event loop's time. Raises TransportTimeout when either has
        passed, and TransportError if the pool is closed.
        """
        loop = asyncio.get_running_loop()
        pool_deadline = INFINITY if timeout is None else loop.time() + timeout
        waiter: asyncio.Future[bool] = loop.create_future()
        self._queue.append(waiter)
        first = min(pool_deadline, deadline)
        timer = None if first == INFINITY else loop.call_at(first, _reject, waiter)
        try:
            granted = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.release()  # granted and cancelled in the same event loop iteration
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not granted:
            if loop.time() < first:
                raise TransportError("the connection pool was closed", sent=False)
            phase = "pool" if pool_deadline <= deadline else "total"
            raise TransportTimeout(f"no connection became free in time ({phase} timeout)", phase=phase, sent=False)

    def release(self) -> None:
        """Pass a slot on to the first waiting task, or mark it as free."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return
        self.free += 1

    def close(self) -> None:
        """Reject every waiting task."""
        while self._queue:
            _reject(self._queue.popleft())


def _reject(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
