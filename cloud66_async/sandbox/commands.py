"""Effects of commands: what changes in the sandbox when the action of a command succeeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .handling import Context
    from .stack import FakeStack

__all__ = ["EFFECTS", "Effect", "affects"]

Effect = Callable[["Context", "FakeStack"], object]
"""Function that takes the context of the request and the stack, and changes the records."""

EFFECTS: dict[str, list[Effect]] = {}
"""The effects of each command that has any."""


def affects(*commands: str) -> Callable[[Effect], Effect]:
    """Register the decorated function as an effect of these commands."""

    def register(effect: Effect) -> Effect:
        for command in commands:
            EFFECTS.setdefault(command, []).append(effect)
        return effect

    return register
