"""Who may send now: a fixed number of places, and a queue for them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from .errors import RequestTimeout, TransportError

__all__ = ["INFINITY", "Places"]

INFINITY: Final = float("inf")


class Places:
    """So many places; those who find none queue, first come first served.

    Nearly always one is free, and then it is taken without a coroutine: `if places.free: places.free -= 1`.
    """

    __slots__ = ("_queue", "free")

    def __init__(self, number: int) -> None:
        self.free: int = number
        self._queue: deque[asyncio.Future[bool]] = deque()

    async def wait(self, patience: float | None = None, end: float = INFINITY) -> None:
        """Return with a place taken. Raises RequestTimeout, or TransportError if the pool closes."""
        loop = asyncio.get_running_loop()
        until = INFINITY if patience is None else loop.time() + patience
        waiter: asyncio.Future[bool] = loop.create_future()
        self._queue.append(waiter)
        timer = None if min(until, end) == INFINITY else loop.call_at(min(until, end), _refuse, waiter)
        try:
            granted = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.give_back()  # granted and cancelled in the same turn of the loop
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not granted:
            if loop.time() < min(until, end):
                raise TransportError("the connection pool was closed", sent=False)
            phase = "pool" if until <= end else "whole"
            raise RequestTimeout(f"no connection became free in time ({phase} timeout)", phase=phase, sent=False)

    def give_back(self) -> None:
        """Pass a place on to the next in the queue."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return
        self.free += 1

    def close(self) -> None:
        """Send everybody in the queue away."""
        while self._queue:
            _refuse(self._queue.popleft())


def _refuse(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
