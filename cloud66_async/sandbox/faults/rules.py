"""Rules: to which requests or actions a fault applies, and how often."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import attrs

from ..._core.arguments import brief, check_limit, check_number
from ..message import Request
from ..names import check_names
from .fault import ActionFault, Fault

__all__ = ["ActionRule", "Rule", "When", "check_seconds"]


class When(NamedTuple):
    """To what a rule applies, as the methods of `Faults` take it."""

    times: int
    operation: str | Iterable[str] | None
    probability: float
    allow_unused: bool

    def checked(self) -> When:
        """Return the same values with a tuple of operations. Raises TypeError and ValueError."""
        check_limit("times", self.times, maximum=None)
        check_number("probability", self.probability)
        if not 0 < self.probability <= 1:
            number = brief(self.probability)
            raise ValueError(f"invalid probability {number}: must be greater than 0 and at most 1")
        if self.operation is None:
            return self
        names = (self.operation,) if isinstance(self.operation, str) else tuple(self.operation)
        check_names(names)
        if not names:
            raise ValueError("invalid operation: must not be empty; leave it out to apply the rule to any operation")
        return self._replace(operation=names)


@attrs.define(eq=False, kw_only=True)
class _Counted:
    """What both kinds of rules have in common.

    Args:
        name: Method of `Faults` that added it.
        remaining: How often it still applies.
        probability: How likely it applies each time.
        allow_unused: Whether the rule may remain unused.
        random: Source of the decisions if the probability is less than 1.
        applied: How often it has applied.
    """

    name: str
    remaining: int
    probability: float
    allow_unused: bool
    random: random.Random
    applied: int = attrs.field(default=0, init=False)

    @property
    def unused(self) -> bool:
        """Whether it should have applied at least once and has not."""
        return not self.applied and not self.allow_unused

    def use(self) -> bool:
        """Return whether the rule applies this time, and count it."""
        if self.probability < 1 and self.random.random() >= self.probability:
            return False
        self.remaining -= 1
        self.applied += 1
        return True


@attrs.define(eq=False, kw_only=True)
class Rule(_Counted):
    """A rule about requests.

    Args:
        fault: What goes wrong.
        operations: Operations that it applies to, or None for any.
        until: Time when it ends.
        accepts: Function that returns whether it applies to a request, or None for any request.
    """

    fault: Fault
    operations: Collection[str] | None
    until: datetime | None = None
    accepts: Callable[[Request], bool] | None = None

    def matches(self, operations: Collection[str], request: Request | None) -> bool:
        """Return whether the rule is about such a request."""
        if self.operations is not None and not set(self.operations).intersection(operations):
            return False
        return self.accepts is None or (request is not None and self.accepts(request))

    def __str__(self) -> str:
        if self.operations is None:
            return f"{self.name}()"
        return f"{self.name}(operation={' or '.join(map(repr, self.operations))})"


@attrs.define(eq=False, kw_only=True)
class ActionRule(_Counted):
    """A rule about actions: those with the name `action`, or any."""

    fault: ActionFault
    action: str | None

    def __str__(self) -> str:
        return f"{self.name}()" if self.action is None else f"{self.name}(action={self.action!r})"


def check_seconds(name: str, seconds: float, *, signed: bool = False) -> None:
    """Raise TypeError if this is not a number, and ValueError for NaN and, unless `signed`, negative numbers."""
    check_number(name, seconds)
    if not (signed or seconds >= 0) or seconds != seconds:  # noqa: PLR0124  NaN is not equal to itself
        raise ValueError(f"invalid {name} {brief(seconds)}: must not be negative")
