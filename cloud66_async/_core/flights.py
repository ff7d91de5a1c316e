"""Flights: work in progress in one process that several tasks need, and that only one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Hashable
from typing import Generic, TypeVar

__all__ = ["Flights"]

T = TypeVar("T")


class Flights(Generic[T]):
    """Results that tasks of one event loop wait for. Each is produced by the task that needed it first.

    That task does not work for the others: it can be cancelled, and then one of the others takes its place.
    """

    __slots__ = ("_running",)

    def __init__(self) -> None:
        # Event loops do not share futures, but an object that is used in several threads has one of these.
        self._running: dict[tuple[asyncio.AbstractEventLoop, Hashable], asyncio.Future[T | None]] = {}

    def find(self, key: Hashable) -> asyncio.Future[T | None] | None:
        """Return the result of the work in progress with this key, for `wait`, or None if there is no such work."""
        return self._running.get((asyncio.get_running_loop(), key))

    async def lead(self, key: Hashable, work: Awaitable[T | None]) -> T | None:
        """Await `work` and return its result, also to the tasks that wait for this key. They get None if it fails."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T | None] = loop.create_future()
        self._running[loop, key] = future
        result: T | None = None
        try:
            result = await work
            return result
        finally:
            if self._running.get((loop, key)) is future:
                del self._running[loop, key]
            future.set_result(result)

    @staticmethod
    async def wait(future: asyncio.Future[T | None], seconds: float) -> T | None:
        """Return the result, or None if the work has failed or takes longer than this."""
        await asyncio.wait((future,), timeout=max(0.0, seconds))  # if this task is cancelled, the future is not
        return future.result() if future.done() else None
