"""The live board of `stacks --watch`: stacks, running actions, and the quota.

On a terminal, it is drawn anew after each reading, and its last state stays. In a pipe, each change is a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import attrs

from ...client import Cloud66
from ...clock import Clock, SystemClock
from ...errors import ServerError, Throttled, TransportError
from ...polling import Polling
from ...quota import Quota, next_hour
from ...resources.actions import Action
from ...resources.stacks import Stack, StackStatus
from ..exits import Stopped
from ..lookup.names import full_name
from ..lookup.selection import Selection, Sort, sort_stacks
from ..options import Output
from ..terminal.console import has_cursor

__all__ = ["Change", "Reading", "Watch", "watch_stacks"]

# Requests are shared with everything else that the user runs. Of the limit, this part is left to it.
_RESERVED: Final = 0.1
_PAGE: Final = 30
_MAX_ACTIONS: Final = 8  # requests of a reading for the actions of busy stacks
_BUSY: Final = frozenset({StackStatus.DEPLOYING, StackStatus.QUEUED_FOR_DEPLOYMENT})
_PASSING: Final = (Throttled, ServerError, TransportError)


class Change(NamedTuple):
    """What became different between two readings: the health, for example. `before` or `after` may be empty."""

    stack: Stack
    what: str
    before: str
    after: str


@attrs.frozen(kw_only=True)
class Reading:
    """What one reading has found.

    Args:
        time: Time of the reading.
        stacks: The selected stacks.
        total: Number of stacks that were read.
        actions: Running actions by the uid of their stack.
        changes: What is different since the reading before.
        quota: The remaining quota.
        pause: Seconds until the next reading.
        slowed: Whether the pause is longer than wanted, because the quota runs short.
        problem: Why nothing could be read this time, so that the rest is from the reading before.
    """

    time: datetime
    stacks: Sequence[Stack] = ()
    total: int = 0
    actions: Mapping[str, Action] = attrs.field(factory=dict[str, Action])
    changes: Sequence[Change] = ()
    quota: Quota = attrs.field(factory=Quota)
    pause: float = 0.0
    slowed: bool = False
    problem: str = ""


class Watch:
    """Reads stacks again and again, ever more seldom if the hourly quota runs short.

    Args:
        c66: Client.
        selection: Which stacks.
        interval: Seconds between two readings.
        clock: Source of the time and of pauses.
    """

    def __init__(self, c66: Cloud66, selection: Selection, *, interval: float, clock: Clock | None = None) -> None:
        self._c66 = c66
        self._selection = selection
        self._is_selected = selection.test()
        self._polling = Polling(min_pause=interval, max_pause=interval)
        self._interval = interval
        self._clock: Clock = clock or SystemClock()
        self._started = self._clock.now()

    async def readings(self) -> AsyncIterator[Reading]:
        """Yield readings for ever. The caller waits for `Reading.pause` seconds after each."""
        last: Reading | None = None
        while True:
            try:
                last = await self._read(last)
            except _PASSING as error:
                if last is None:
                    raise
                last = attrs.evolve(
                    last, time=self._clock.now(), changes=(), problem=str(error), pause=self._later(error)
                )
            yield last

    async def sleep(self, seconds: float) -> None:
        """Pause for this many seconds."""
        await self._clock.sleep(seconds)

    def now(self) -> datetime:
        """Return the current time."""
        return self._clock.now()

    async def _read(self, last: Reading | None) -> Reading:
        listed = await self._selection.listed(self._c66)
        stacks = list(filter(self._is_selected, listed))
        busy = [stack.uid for stack in stacks if _is_busy(stack)][:_MAX_ACTIONS]
        actions = await self._running_actions(busy)
        pause = self._pause(-(-len(listed) // _PAGE) + len(busy))
        return Reading(
            time=self._clock.now(),
            stacks=stacks,
            total=len(listed),
            actions=actions,
            changes=[] if last is None else list(_changes(last.stacks, stacks)),
            quota=self._c66.quota,
            pause=pause,
            slowed=pause > self._interval,
        )

    async def _running_actions(self, stacks: Sequence[str]) -> Mapping[str, Action]:
        """Return the latest running action of each stack. What cannot be read is left out."""
        found: dict[str, Action] = {}
        async with self._c66.each(self._latest_action, stacks) as results:
            async for result in results:
                value = getattr(result, "value", None)
                if isinstance(value, Action) and not value.finished:
                    found[result.item] = value
        return found

    async def _latest_action(self, stack: str) -> Action | None:
        page = await self._c66.actions.list(stack).page(1)
        running = [action for action in page.items if not action.finished]
        return running[-1] if running else None  # the others are queued behind it

    def _pause(self, cost: int) -> float:
        """Return the seconds until the next reading, so that the reserve is never used."""
        quota, now = self._c66.quota, self._clock.now()
        if quota.remaining is None or quota.limit is None:
            return self._interval
        hour_left = (next_hour(now) - now).total_seconds()
        left = quota.remaining - int(_RESERVED * quota.limit)
        if left < cost:
            return max(self._interval, hour_left + 1.0)
        return self._polling.pause((now - self._started).total_seconds(), max(1, cost), left, 0, hour_left)

    def _later(self, error: Exception) -> float:
        """Return the seconds until the next attempt after an error that passes."""
        retry_at = error.retry_at if isinstance(error, Throttled) else None
        wait = timedelta() if retry_at is None else retry_at - self._clock.now()
        return max(self._interval, wait.total_seconds())


async def watch_stacks(
    c66: Cloud66,
    selection: Selection,
    sort: Sort | None,
    output: Output,
    *,
    interval: float,
    limit: int | None,
    reverse: bool,
) -> None:
    """Show the selected stacks and their changes until the task is cancelled.

    Args:
        c66: Client, which is closed at the end.
        selection: Which stacks.
        sort: Order on a terminal. By default, stacks that need attention come first.
        output: How changes are printed.
        interval: Seconds between two readings.
        limit: Maximum number of stacks on a terminal.
        reverse: Whether the order is the other way round.
    """
    order = _order(sort, limit, reverse=reverse)
    async with c66, _stopping():
        watch = Watch(c66, selection, interval=interval)
        if has_cursor() and not output.json:
            from .board_screen import draw  # imported lazily: takes 50 ms, and pipes need no display

            await draw(watch, output, order)
        else:
            from .board_lines import print_changes

            await print_changes(watch, as_json=output.json)


@asynccontextmanager
async def _stopping() -> AsyncGenerator[None]:
    """End with the exit code of Ctrl+C and without an error: nothing has been changed, nothing goes on."""
    try:
        yield
    except asyncio.CancelledError:
        raise Stopped from None


def _order(sort: Sort | None, limit: int | None, *, reverse: bool) -> Callable[[Sequence[Stack]], Sequence[Stack]]:
    def in_order(stacks: Sequence[Stack]) -> Sequence[Stack]:
        found = sort_stacks(stacks, sort or "health", reverse=reverse)
        if sort is None:
            found.sort(key=lambda stack: not _is_busy(stack), reverse=reverse)
        return found[:limit]

    return in_order


def _is_busy(stack: Stack) -> bool:
    return bool(stack.is_busy) or stack.status in _BUSY


def _changes(before: Sequence[Stack], after: Sequence[Stack]) -> Iterator[Change]:
    """Yield the differences between two readings."""
    known = {stack.uid: stack for stack in before}
    for stack in after:
        old = known.pop(stack.uid, None)
        if old is None:
            yield Change(stack, "stack", "", "new")
            continue
        for what, was, became in (
            ("status", old.status, stack.status),
            ("health", old.health, stack.health),
            ("maintenance", _switch(old.maintenance_mode), _switch(stack.maintenance_mode)),
            ("name", full_name(old), full_name(stack)),
        ):
            if was != became:
                yield Change(stack, what, str(was or ""), str(became or ""))
    for stack in known.values():
        yield Change(stack, "stack", "", "gone")


def _switch(value: bool | None) -> str:
    return "on" if value else "off"
