"""RuleBook: the rules of a sandbox, and the choice of the one that applies."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection
from datetime import datetime

from ..._core.arguments import check_integer
from ...clock import Clock, read_clock
from ..message import Request
from .fault import ActionFault, Fault
from .rules import ActionRule, Rule, When

__all__ = ["RuleBook"]


class RuleBook:
    """Rules in the order in which they were added."""

    def __init__(self, clock: Clock | None = None, *, seed: int = 0) -> None:
        check_integer("seed", seed)
        self._clock = read_clock(clock)
        self._seed = seed
        self._lock = threading.Lock()  # requests may arrive in the thread of a server
        self._rules: list[Rule] = []
        self._failures: list[ActionRule] = []
        self._added = 0
        self._uses_seed = False

    def __repr__(self) -> str:
        return f"<Faults: {len(self._rules)} rules, {sum(rule.remaining for rule in self._failures)} failing actions>"

    @property
    def seed_in_use(self) -> int | None:
        """The seed, or None if every rule so far has the probability 1."""
        return self._seed if self._uses_seed else None

    def seed(self, seed: int) -> None:
        """Decide with this seed which requests the rules with a probability apply to. Call it before adding them."""
        check_integer("seed", seed)
        self._seed = seed

    def clear(self) -> None:
        """Delete every rule."""
        with self._lock:
            self._rules.clear()
            self._failures.clear()

    def unused(self) -> tuple[str, ...]:
        """Return the rules that have never applied, except those that may remain unused."""
        return tuple(str(rule) for rule in (*self._rules, *self._failures) if rule.unused)

    def assert_used(self) -> None:
        """Raise AssertionError if a rule has never applied, except those that may remain unused."""
        unused = self.unused()
        if unused:
            raise AssertionError(
                f"fault rules that never applied: {', '.join(unused)}; correct the operation, or pass allow_unused=True"
                + ("" if self.seed_in_use is None else f" (seed {self.seed_in_use})")
            )

    def take(self, operations: Collection[str], request: Request | None = None) -> Fault | None:
        """Return the fault that applies to a request of these operations, or None, and count it as used."""
        with self._lock:
            for rule in self._rules:
                if rule.until is not None and self._clock.now() >= rule.until:
                    continue
                if rule.matches(operations, request) and rule.use():
                    if not rule.remaining:
                        self._rules.remove(rule)
                    return rule.fault
        return None

    def take_failure(self, action: str) -> ActionFault | None:
        """Return the fault of this new action, or None, and count it as used."""
        with self._lock:
            for rule in self._failures:
                if rule.action in (None, action) and rule.use():
                    if not rule.remaining:
                        self._failures.remove(rule)
                    return rule.fault
        return None

    def _add(
        self,
        name: str,
        fault: Fault,
        when: When,
        *,
        until: datetime | None = None,
        accepts: Callable[[Request], bool] | None = None,
    ) -> None:
        checked = when.checked()
        rule = Rule(
            name=name,
            remaining=when.times,
            probability=when.probability,
            allow_unused=when.allow_unused,
            random=self._source(when),
            fault=fault,
            operations=None if checked.operation is None else tuple(checked.operation),
            until=until,
            accepts=accepts,
        )
        with self._lock:
            self._rules.append(rule)

    def _add_action(self, name: str, fault: ActionFault, action: str | None, when: When) -> None:
        when.checked()
        rule = ActionRule(
            name=name,
            remaining=when.times,
            probability=when.probability,
            allow_unused=when.allow_unused,
            random=self._source(when),
            fault=fault,
            action=action,
        )
        with self._lock:
            self._failures.append(rule)

    def _source(self, when: When) -> random.Random:
        """Return a source of decisions of its own, so that the decisions about one rule do not depend on others."""
        self._added += 1
        self._uses_seed = self._uses_seed or when.probability < 1
        return random.Random(f"{self._seed}:{self._added}")  # noqa: S311  no secret
