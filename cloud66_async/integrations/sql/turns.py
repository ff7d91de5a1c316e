"""Turns: which tasks use the few connections to a database."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from time import monotonic

__all__ = ["Turns"]


class Turns:
    """Lets a number of tasks use the database at a time. The others wait, as long as it responds to some of them.

    A limit on the waiting time alone would fail tasks that are many while the database works.

    Args:
        count: Number of tasks that use the database at a time.
        seconds: Seconds without any response after which a waiting task gives up.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._seconds = seconds
        self._responded = -math.inf

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[None]:
        """Wait for a turn. Raises TimeoutError if the database does not respond to those that have one."""
        started = monotonic()
        while True:
            left = max(started, self._responded) + self._seconds - monotonic()
            if left <= 0:
                raise TimeoutError(f"no connection was free, and no response came for {self._seconds:g} seconds")
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._free.acquire()
                    break
        try:
            yield
            self._responded = monotonic()
        finally:
            self._free.release()
