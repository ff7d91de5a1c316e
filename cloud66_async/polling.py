"""Polling: how often the state of actions is read while a program waits for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from ._core.arguments import brief, check_number, check_text

__all__ = ["Polling", "check_polling"]

_MAX_PAUSE = 3600.0
_MAX_GROWTH = 1e6
_MIN_AGE = 30.0  # for the budget: half of the requests must not be spent within the first seconds
_ENOUGH = 3  # durations that must be known before they are used


class Polling(msgspec.Struct, frozen=True, kw_only=True):
    """When `Actions.wait` and `Actions.follow` read the state of actions.

    The pause between two readings is the square root of `growth` times the seconds since the wait started, at least
    `min_pause` and at most `max_pause`. It is longer if the hourly quota runs short.

    Args:
        share: Part of the remaining hourly quota that waiting may use: more than 0 and at most 1.
        results: With `"actions"`, the result of each action is read from the action itself. With `"list"`, the list of
            stacks suffices for a deployment that succeeds, which saves one request for each. If another deployment of
            the same stack succeeds shortly after the first has failed, the first counts as succeeded. Failures are
            always read from the action.
        learn: Whether the durations of actions that have finished determine when similar ones are read: seldom before
            the shortest of them, then often. An action that fails early is noticed later.
        min_pause: Shortest pause, in seconds.
        max_pause: Longest pause in seconds, at most 3600, unless the quota runs short.
        growth: How fast pauses grow. 0 keeps them at `min_pause`.
    """

    share: float = 0.5
    results: Literal["actions", "list"] = "actions"
    learn: bool = False
    min_pause: float = 5.0
    max_pause: float = 60.0
    growth: float = 6.0

    def __post_init__(self) -> None:
        for name in ("share", "min_pause", "max_pause", "growth"):
            check_number(name, getattr(self, name))
        check_text("results", self.results)
        if not isinstance(self.learn, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid learn: expected a bool, not {type(self.learn).__name__}")
        if not 0 < self.share <= 1:  # also rejects NaN
            raise ValueError(f"invalid share {brief(self.share)}: must be more than 0 and at most 1")
        if self.results not in ("actions", "list"):
            raise ValueError("invalid results: expected 'actions' or 'list'")
        if not 0 < self.min_pause <= self.max_pause <= _MAX_PAUSE:
            raise ValueError(
                f"invalid min_pause {brief(self.min_pause)} or max_pause {brief(self.max_pause)}: "
                f"must be more than 0 and at most {_MAX_PAUSE:g}, and min_pause must not be the longer one"
            )
        if not 0 <= self.growth <= _MAX_GROWTH:
            raise ValueError(f"invalid growth {brief(self.growth)}: must not be negative or more than {_MAX_GROWTH:g}")

    def pause(
        self, age: float, cost: int, left: int | None, owed: int, hour_left: float, *, known: Sequence[float] = ()
    ) -> float:
        """Return the seconds until the next reading. It sends nothing: the SDK and your tests can call it.

        While the quota suffices, only the age counts. Otherwise, the pause is so long that readings use `share` of the
        remaining requests like a half-life: never all of them. It ends at the latest 1 second after the quota resets.

        Args:
            age: Seconds since the wait started, of the latest of the actions that are read together.
            cost: Requests that it takes to read every action once.
            left: Remaining requests of the hourly quota, or None if unknown.
            owed: Results that must still be read, at one request each.
            hour_left: Seconds until the quota resets.
            known: Durations of similar actions in seconds, if `learn` is set.
        """
        wanted = self._wanted(age, known)
        if left is None:
            return wanted
        budget = max(1.0, self.share * left - owed)
        return max(wanted, min(cost * min(max(age, _MIN_AGE), hour_left) / budget, hour_left + 1.0))

    def _wanted(self, age: float, known: Sequence[float]) -> float:
        """Return the pause for a quota that suffices."""
        if self.learn and len(known) >= _ENOUGH:
            usual, early = sorted(known)[len(known) // 2], 0.9 * min(known)
            if age < early:
                return max(self.min_pause, min(0.3 * usual, early - age))
            if age <= 1.1 * max(known):
                return max(self.min_pause, 0.05 * usual)
        return min(self.max_pause, max(self.min_pause, math.sqrt(self.growth * max(age, 0.0))))


def check_polling(polling: Polling) -> Polling:
    """Return the argument, or raise TypeError if it is not a Polling."""
    if not isinstance(polling, Polling):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid polling: expected a Polling, not {type(polling).__name__}")
    return polling
