"""Plans: what has to be added, changed and deleted so that a stack has the desired values, and how far that went."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from .._core.model import plain
from .._core.text import clean
from ..errors import Cloud66Error
from ..secret import Secret
from .actions import Action

__all__ = ["Plan", "PlanResult", "PlanUnfinished", "Progress", "differences"]

V = TypeVar("V", bound=str | Secret)


@attrs.frozen(kw_only=True, repr=False)
class Plan(Generic[V]):
    """What would be added, changed and deleted. Its subclasses describe the attributes."""

    stack: str
    added: Mapping[str, V]
    changed: Mapping[str, V]
    deleted: tuple[str, ...]
    unchanged: Mapping[str, V]
    left_alone: Mapping[str, str]

    @property
    def affected(self) -> tuple[str, ...]:
        """The keys of everything that would be added, changed or deleted."""
        return (*self.added, *self.changed, *self.deleted)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready values, with secrets masked."""
        names = ("stack", "added", "changed", "deleted", "unchanged", "left_alone")
        return {name: plain(getattr(self, name)) for name in names}

    def __bool__(self) -> bool:
        return bool(self.affected)

    def __str__(self) -> str:
        return "\n".join(self._lines()) or "no changes"

    def __repr__(self) -> str:
        counts = f"{len(self.added)} to add, {len(self.changed)} to change, {len(self.deleted)} to delete"
        return f"<{type(self).__name__} for stack {self.stack}: {counts}>"

    def _lines(self) -> Iterator[str]:
        """Yield one line for each key, sorted by what would happen to it. Keys come from the network."""
        for sign, values in (("+", self.added), ("~", self.changed)):
            for key in sorted(values):
                yield f"{sign} {clean(key)}={clean(str(values[key]))}"
        for key in sorted(self.deleted):
            yield f"- {clean(key)}"
        for key in sorted(self.left_alone):
            yield f"= {clean(key)} ({self.left_alone[key]}, left alone)"


def differences(
    desired: Mapping[str, V], present: Mapping[str, V | None], *, fixed: Mapping[str, str], prune: bool = False
) -> dict[str, Any]:
    """Return the fields of a plan that compare what is desired with what is present.

    `fixed` gives the reason for each present key that cannot be changed. With `prune`, keys that are not desired are
    deleted.
    """
    same = {key: value for key, value in desired.items() if key in present and present[key] == value}
    other = {key: value for key, value in desired.items() if key not in same}
    surplus = [key for key in present if key not in desired] if prune else []
    return {
        "added": {key: value for key, value in other.items() if key not in present},
        "changed": {key: value for key, value in other.items() if key in present and key not in fixed},
        "deleted": tuple(key for key in surplus if key not in fixed),
        "unchanged": same,
        "left_alone": {key: fixed[key] for key in (*other, *surplus) if key in fixed},
    }


# --- carrying out --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class PlanResult:
    """What was done of a plan. `actions` are the actions that were started, each for `Actions.wait`.

    `done`, `failed` and `not_started` hold keys. All keys are in `done`, except in the result of a `PlanUnfinished`.
    """

    stack: str
    actions: tuple[Action, ...] = ()
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    not_started: tuple[str, ...] = ()


class PlanUnfinished(Cloud66Error):
    """A plan was carried out only in part.

    `result` tells what was done and holds the actions that were started. `error` is the error of the request that
    failed. If it is a `TransportError` with `sent`, what is in `result.failed` may have been done as well.
    """

    def __init__(self, text: str, *, result: PlanResult, error: Cloud66Error) -> None:
        super().__init__(text)
        self.result = result
        self.error = error


class Progress:
    """How far a plan was carried out."""

    def __init__(self, stack: str, keys: Iterable[str]) -> None:
        self._stack = stack
        self._keys = tuple(keys)
        self._done: dict[str, None] = {}
        self._actions: list[Action] = []

    async def make(self, keys: Iterable[str], change: Awaitable[Action | None]) -> None:
        """Await a request that changes these keys, and record its result.

        Raises the error of the request if nothing was done before, and PlanUnfinished otherwise.
        """
        changing = tuple(keys)
        try:
            action = await change
        except Cloud66Error as error:
            if not self._done:
                raise
            counts = f"{len(self._done)} of {len(self._keys)} changes"
            raise PlanUnfinished(
                f"stack {self._stack} was changed only in part ({counts}): {error}; make a new plan for the rest",
                result=self.result(failed=changing),
                error=error,
            ) from error
        self._done.update(dict.fromkeys(changing))
        if action is not None:
            self._actions.append(action)

    def result(self, *, failed: tuple[str, ...] = ()) -> PlanResult:
        """Return what was done so far."""
        return PlanResult(
            stack=self._stack,
            actions=tuple(self._actions),
            done=tuple(self._done),
            failed=failed,
            not_started=tuple(key for key in self._keys if key not in self._done and key not in failed),
        )
