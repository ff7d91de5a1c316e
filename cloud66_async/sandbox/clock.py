"""A clock that tests control."""

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
# A task that was just woken needs a few event loop iterations until it sleeps again or finishes.
# asyncio cannot report that it is idle, so the clock waits this long before it advances.
_ITERATIONS = 32
_END = datetime.max.replace(tzinfo=UTC)


class FakeClock:
    """A clock that is frozen until `advance()`, and that skips every pause inside `running()`."""

    def __init__(self, start: datetime = _START) -> None:
        if not isinstance(start, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid start: expected a datetime, not {type(start).__name__}")
        if start.tzinfo is None:
            raise ValueError(f"invalid start {start.isoformat()!r}: must be timezone-aware; pass tzinfo=UTC")
        self._now = start.astimezone(UTC)
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._notify: Callable[[], object] | None = None

    def __repr__(self) -> str:
        return f"FakeClock({self._now.isoformat()}, {self.sleepers} asleep)"

    @property
    def sleepers(self) -> int:
        """The number of tasks that sleep on this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has advanced by this many seconds. Zero or less lets other tasks run once."""
        if math.isnan(seconds):
            raise ValueError("cannot sleep for NaN seconds")
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (_later(self._now, seconds), next(self._order), future))
        if self._notify is not None:
            self._notify()
        await future

    def advance(self, seconds: float) -> None:
        """Advance the clock by this many seconds, and wake every task whose pause has ended, the earliest first.

        The tasks run when the caller next awaits something. All of them see the new time.
        """
        if not seconds >= 0:
            raise ValueError(f"cannot advance the clock by {seconds} seconds: must not be negative")
        self._now = _later(self._now, seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _wake(heapq.heappop(self._sleepers)[2])

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Advance the clock automatically: when every task is asleep, skip to the earliest wake-up time."""
        if self._notify is not None:
            raise RuntimeError("the clock is already running")
        asleep, loop = asyncio.Event(), asyncio.get_running_loop()
        # Tasks may sleep in another thread: a sandbox that is served over HTTP.
        self._notify = lambda: loop.call_soon_threadsafe(asleep.set)
        driver = asyncio.create_task(self._run(asleep))
        try:
            yield
        finally:
            self._notify = None
            driver.cancel()
            with suppress(asyncio.CancelledError):
                await driver

    async def _run(self, asleep: asyncio.Event) -> None:
        while True:
            self._drop_cancelled()
            if not self._sleepers or self._sleepers[0][0] >= _END:
                asleep.clear()
                await asleep.wait()
            await self._settle()
            self._drop_cancelled()
            if self._sleepers and self._sleepers[0][0] < _END:
                wakes, _, future = heapq.heappop(self._sleepers)
                self._now = max(self._now, wakes)
                _wake(future)

    async def _settle(self) -> None:
        """Return when no task has started to sleep for some event loop iterations."""
        quiet, known = 0, len(self._sleepers)
        while quiet < _ITERATIONS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._sleepers) == known else 0
            known = len(self._sleepers)

    def _drop_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)


def _later(time: datetime, seconds: float) -> datetime:
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return _END


def _wake(future: asyncio.Future[None]) -> None:
    loop = future.get_loop()
    if not loop.is_closed():
        # Thread-safe: the sandbox may be served from another thread.
        loop.call_soon_threadsafe(_finish, future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
