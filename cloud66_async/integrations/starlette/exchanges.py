"""Code exchanges: each login is finished at most once in this process, even if its callback arrives several times."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ...errors import LoginError

__all__ = ["Exchanges", "RecentKeys"]

T = TypeVar("T")

_LIMIT = 10_000


class RecentKeys:
    """The keys that were added last, at most `limit`."""

    def __init__(self, *, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._keys: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Add a key, and remove the oldest one if there are too many."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)


class Exchanges(Generic[T]):
    """The exchanges of one application. Concurrent callbacks of one login share one exchange and its result."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}
        self._finished = RecentKeys()

    async def run(self, key: str, exchange: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `exchange`, which is called only if no exchange with this key has started.

        Raises LoginError if one has already finished, and the errors of `exchange`. If the caller is cancelled, the
        exchange continues: the code is used in any case, and another callback may be waiting for the result.
        """
        task = self._running.get(key)
        if task is None:
            if key in self._finished:
                raise LoginError("this login was already used; start a new login")
            task = asyncio.create_task(exchange(), name="cloud66-async login")
            self._running[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(task)

    def _finish(self, key: str, task: asyncio.Task[T]) -> None:
        del self._running[key]
        self._finished.add(key)
        if not task.cancelled():
            task.exception()  # retrieved here, because every caller may have been cancelled
