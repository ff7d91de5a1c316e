"""Detection of clients that poll an action without end, so that a test fails instead of hanging."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic

import attrs

from .checks import UnexpectedRequest
from .clock import ClockFrozen, FakeClock
from .routes import Match
from .stack import FakeStack
from .world import World

__all__ = ["PollingGuard"]

_LIST = "stacks.list"  # read instead of the actions by clients that wait for many
_POLLED = ("actions.get", "actions.list")
# On a clock that stands still. A test that moves it by hand may look at an action more than once, but not for seconds.
_MIN_REQUESTS = 3
_MIN_SECONDS = 3.0
# On a clock that advances. A wait with a timeout ends before, unless the timeout is longer.
_MAX_REQUESTS = 4000
_MAX_TIME = timedelta(hours=3)
_LONG = timedelta(days=365)


@attrs.define
class _Polls:
    """The requests for one action: their number, that since the clock advanced, and the times of the first ones."""

    first: datetime
    count: int = 0
    time: datetime | None = None
    still: int = 0
    since: float = 0.0


class PollingGuard:
    """Guard against polling without end, for sandboxes with a fake clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock = world.clock if isinstance(world.clock, FakeClock) else None
        self._polls: dict[tuple[str, ...], _Polls] = {}
        self._lists: _Polls | None = None

    def check(self, match: Match) -> None:
        """Raise ClockFrozen if nothing advances the clock, and UnexpectedRequest if the action never ends."""
        operation = match[0].names[0]
        if self._clock is None:
            return
        if operation == _LIST:
            self._check_list(self._clock.now())
        if operation not in _POLLED:
            return
        stack = self._world.stacks.get(match[1][0])
        if stack is None or not stack.busy:
            self._polls.pop(match[1], None)
            return
        now = self._clock.now()
        polls = self._polls.setdefault(match[1], _Polls(now))
        polls.count += 1
        if polls.time != now:
            polls.time, polls.still, polls.since = now, 0, monotonic()
        polls.still += 1
        if polls.still >= _MIN_REQUESTS and monotonic() - polls.since >= _MIN_SECONDS and not self._clock.sleepers:
            raise ClockFrozen(
                f"{operation} was requested {polls.still} times while the sandbox's clock stood still; pass "
                "clock=cloud66.clock to the client, call cloud66.clock.advance(), or create the sandbox with "
                "clock=SystemClock()"
            )
        if polls.count >= _MAX_REQUESTS and now - polls.first >= _MAX_TIME and _never_ends(stack, now):
            raise UnexpectedRequest(_endless(operation, polls.count))

    def _check_list(self, now: datetime) -> None:
        """Raise UnexpectedRequest if every action that still runs never ends."""
        polls = self._lists = self._lists or _Polls(now)
        polls.count += 1
        if polls.count < _MAX_REQUESTS:
            return
        self._lists = None
        busy = [stack for stack in self._world.stacks.values() if stack.busy]
        if busy and now - polls.first >= _MAX_TIME and all(_never_ends(stack, now) for stack in busy):
            raise UnexpectedRequest(_endless(_LIST, polls.count))


def _endless(operation: str, count: int) -> str:
    return (
        f"{operation} was requested {count} times for an action that never ends; pass timeout=... to actions.wait, or "
        "remove the fault action_never_ends()"
    )


def _never_ends(stack: FakeStack, now: datetime) -> bool:
    return any(action.ends_at - now > _LONG for action in stack.actions)
