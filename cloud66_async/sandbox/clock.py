"""A clock that tests control."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVarTuple

from .idle import IdleWatcher

__all__ = ["ClockFrozen", "FakeClock"]

_START = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)
_GRACE = 0.005
_GRACE_IF_FROZEN = 0.8  # more than a test that advances the clock by hand takes between two steps
_AGAIN = 0.05  # real seconds after which a loop that waits for other loops checks again, at least two grace periods

_Args = TypeVarTuple("_Args")


class ClockFrozen(RuntimeError):
    """A task sleeps on a clock that does not advance. It is not a Cloud66Error: the test is at fault, not a call."""


class FakeClock:
    """A clock that skips every pause: when all tasks wait, it advances to the time at which the next one wakes up.

    It advances immediately if all tasks wait for the clock or for each other, and otherwise, because they may wait for
    a thread, a socket or `asyncio.sleep`, after `grace` real seconds in which nothing has happened. Tasks wake up in
    the order of their times, in whichever event loops they run.

    Args:
        start: Time at which the clock starts.
        autojump: Whether the clock advances by itself. If not, it is frozen until `advance()`, and a pause that nothing
            ends raises ClockFrozen.
        grace: Real seconds without activity after which the clock advances, by default 0.005. For a frozen clock, real
            seconds after which a pause fails, by default 0.8.
    """

    def __init__(self, start: datetime = _START, *, autojump: bool = True, grace: float | None = None) -> None:
        _check_start(start)
        _check_grace(grace)
        if not isinstance(autojump, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid autojump: expected a bool, not {type(autojump).__name__}")
        self._now = start.astimezone(UTC)
        self._autojump = autojump
        self._grace = grace
        self._blocks = 0  # entered blocks of `running()`
        self._advanced = 0  # how often the clock has advanced
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        # Tasks may sleep in several threads: a sandbox that is served over HTTP has an event loop of its own.
        self._lock = threading.RLock()
        self._watchers: dict[asyncio.AbstractEventLoop, IdleWatcher] = {}
        self._idle: set[asyncio.AbstractEventLoop] = set()
        self._woken: set[asyncio.AbstractEventLoop] = set()  # their tasks may be about to sleep again

    def __repr__(self) -> str:
        return f"FakeClock({self._now.isoformat()}, {self.sleepers} asleep)"

    @property
    def sleepers(self) -> int:
        """The number of tasks that sleep on this clock."""
        with self._lock:
            return sum(not future.done() for _, _, future in self._sleepers)

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has advanced by this many seconds. Zero or less lets other tasks run once.

        Raises ClockFrozen if the clock is frozen and `advance()` is not called.
        """
        if math.isnan(seconds):
            raise ValueError("cannot sleep for NaN seconds")
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            wakes = _later(self._now, seconds)
            heapq.heappush(self._sleepers, (wakes, next(self._order), future))
        if self._jumps:
            self._watch(loop)
        else:
            self._expect_advance(future, wakes)
        await future

    def advance(self, seconds: float) -> None:
        """Advance the clock by this many seconds, and wake every task whose pause has ended, the earliest first.

        The tasks run when the caller next awaits something. All of them see the new time.
        """
        if not seconds >= 0:
            raise ValueError(f"cannot advance the clock by {seconds} seconds: must not be negative")
        with self._lock:
            self._advance_to(_later(self._now, seconds))

    def freeze(self) -> None:
        """Let the clock stand still from now on, as if it had been created with `autojump=False`."""
        with self._lock:
            self._autojump = False
        self._expect_advances()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Let a frozen clock advance by itself within the block. Other clocks always do."""
        with self._lock:
            self._blocks += 1
            loops = self._sleeping_loops()
        for loop in loops:
            _call_in(loop, self._watch, loop)
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
            self._expect_advances()

    @property
    def _real_grace(self) -> float:
        return _GRACE if self._grace is None else self._grace

    @property
    def _jumps(self) -> bool:
        return self._autojump or self._blocks > 0

    def _advance_to(self, time: datetime) -> None:
        self._now = max(self._now, time)
        self._advanced += 1
        while self._sleepers and self._sleepers[0][0] <= self._now:
            future = heapq.heappop(self._sleepers)[2]
            self._woken.add(future.get_loop())
            _call_in(future.get_loop(), _finish, future)

    # --- a clock that advances by itself -------------------------------------------------------------

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Advance the clock when this loop is idle. Runs in the loop."""
        with self._lock:
            self._idle.discard(loop)
            if loop not in self._watchers:
                # The sandbox may outlive many event loops, if it is shared by tests.
                self._watchers = {known: self._watchers[known] for known in self._watchers if not known.is_closed()}
                self._idle = {known for known in self._idle if not known.is_closed()}
                self._woken = {known for known in self._woken if not known.is_closed()}
                self._watchers[loop] = IdleWatcher(loop, self._jump, grace=self._real_grace, shared=self._is_shared)
            watcher = self._watchers[loop]
        watcher.start()

    def _jump(self) -> None:
        """Advance to the next wake-up time if every other loop is idle, too. Runs in a loop that is idle."""
        here = asyncio.get_running_loop()
        with self._lock:
            self._idle.add(here)
            self._woken.discard(here)
            if not self._jumps or not self._sleeping_loops():
                return
            if not self._active_loops() <= self._idle:
                # Another loop may end without becoming idle. Two loops that check too often are hardly idle together.
                here.call_later(max(_AGAIN, 2 * self._real_grace), self._watch, here)
                return
            self._idle.clear()
            self._advance_to(self._sleepers[0][0])
            loops = self._active_loops()
        for loop in loops:
            _call_in(loop, self._watch, loop)

    def _sleeping_loops(self) -> set[asyncio.AbstractEventLoop]:
        """Return the running loops in which tasks sleep, without those whose pause never ends."""
        while self._sleepers and _is_over(self._sleepers[0][2]):
            heapq.heappop(self._sleepers)
        sleeping = (future for wakes, _, future in self._sleepers if wakes < _END and not _is_over(future))
        return {loop for loop in (future.get_loop() for future in sleeping) if loop.is_running()}

    def _active_loops(self) -> set[asyncio.AbstractEventLoop]:
        """Return the loops that must be idle before the clock may advance."""
        return self._sleeping_loops() | {loop for loop in self._woken if loop.is_running()}

    def _is_shared(self) -> bool:
        with self._lock:
            return len(self._active_loops()) > 1

    # --- a frozen clock ------------------------------------------------------------------------------

    def _expect_advances(self) -> None:
        """Fail the pauses that have already started later, too, if the clock is frozen."""
        with self._lock:
            left = [] if self._jumps else self._sleepers.copy()
        for wakes, _, future in left:
            _call_in(future.get_loop(), self._expect_advance, future, wakes)

    def _expect_advance(self, future: asyncio.Future[None], wakes: datetime) -> None:
        """Fail the pause later unless the clock advances in the meantime. Runs in the loop of the future."""
        if wakes < _END:
            grace = _GRACE_IF_FROZEN if self._grace is None else self._grace
            future.get_loop().call_later(grace, self._check_advance, future, wakes, self._advanced, grace)

    def _check_advance(self, future: asyncio.Future[None], wakes: datetime, advanced: int, grace: float) -> None:
        if future.done() or self._jumps:
            return
        if self._advanced > advanced:
            self._expect_advance(future, wakes)
            return
        left = (wakes - self._now).total_seconds()
        future.set_exception(
            ClockFrozen(
                f"cannot sleep for {left:g} seconds: the clock is frozen and did not advance for {grace:g} s of real "
                "time; call clock.advance(), or let it advance by itself: `async with clock.running():`"
            )
        )


def _check_start(start: datetime) -> None:
    if not isinstance(start, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid start: expected a datetime, not {type(start).__name__}")
    if start.tzinfo is None:
        raise ValueError(f"invalid start {start.isoformat()!r}: must be timezone-aware; pass tzinfo=UTC")


def _check_grace(grace: float | None) -> None:
    if grace is None:
        return
    if isinstance(grace, bool) or not isinstance(grace, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid grace: expected a number of seconds, not {type(grace).__name__}")
    if not 0 <= grace < math.inf:
        raise ValueError(f"invalid grace {grace!r}: must be a finite number of seconds, not negative")


def _later(time: datetime, seconds: float) -> datetime:
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return _END


def _is_over(future: asyncio.Future[None]) -> bool:
    return future.done() or future.get_loop().is_closed()


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[*_Args], object], *args: *_Args) -> None:
    """Call the function now if this loop runs here, or else in its thread."""
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here:
        function(*args)
    else:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(function, *args)
