"""A clock that is moved by hand, or runs ahead of everybody who waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]

_START = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
# A task that was just woken needs a few passes of the loop until it either sleeps again or is done.
# Time must not jump under its feet, and asyncio does not tell when it is idle.
_PASSES = 32
_END = datetime.max.replace(tzinfo=UTC)


class FakeClock:
    """Time that stands still until `advance()` moves it, or jumps from sleeper to sleeper in `running()`."""

    def __init__(self, start: datetime = _START) -> None:
        if start.tzinfo is None:
            raise ValueError("the start needs a time zone")
        self._now = start.astimezone(UTC)
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._someone: Callable[[], object] | None = None

    def __repr__(self) -> str:
        return f"FakeClock({self._now.isoformat()}, {self.sleepers} asleep)"

    @property
    def sleepers(self) -> int:
        """How many tasks wait for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def now(self) -> datetime:
        """This moment, in UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been moved so far; zero and less lets other tasks run once."""
        if math.isnan(seconds):
            raise ValueError("cannot sleep for NaN seconds")
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (_later(self._now, seconds), next(self._order), future))
        if self._someone is not None:
            self._someone()
        await future

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds and wake everybody whose time has come, the earliest first.

        The sleepers run when the caller next awaits something; they all see the new time.
        """
        if not seconds >= 0:
            raise ValueError("time does not run backwards")
        self._now = _later(self._now, seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _wake(heapq.heappop(self._sleepers)[2])

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Inside, nobody waits: whenever all are asleep, time jumps to the first who wakes."""
        if self._someone is not None:
            raise RuntimeError("the clock is running already")
        asleep, loop = asyncio.Event(), asyncio.get_running_loop()
        # Sleepers may live in another thread: a sandbox that is served over HTTP.
        self._someone = lambda: loop.call_soon_threadsafe(asleep.set)
        driver = asyncio.create_task(self._run(asleep))
        try:
            yield
        finally:
            self._someone = None
            driver.cancel()
            with suppress(asyncio.CancelledError):
                await driver

    async def _run(self, asleep: asyncio.Event) -> None:
        while True:
            self._forget_cancelled()
            if not self._sleepers or self._sleepers[0][0] >= _END:
                asleep.clear()
                await asleep.wait()
            await self._settle()
            self._forget_cancelled()
            if self._sleepers and self._sleepers[0][0] < _END:
                wakes, _, future = heapq.heappop(self._sleepers)
                self._now = max(self._now, wakes)
                _wake(future)

    async def _settle(self) -> None:
        """Return once no task has fallen asleep for a while."""
        quiet, known = 0, len(self._sleepers)
        while quiet < _PASSES:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._sleepers) == known else 0
            known = len(self._sleepers)

    def _forget_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)


def _later(moment: datetime, seconds: float) -> datetime:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return _END


def _wake(future: asyncio.Future[None]) -> None:
    loop = future.get_loop()
    if not loop.is_closed():
        # Thread-safe, for a sandbox that is served from a thread of its own.
        loop.call_soon_threadsafe(_finish, future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
