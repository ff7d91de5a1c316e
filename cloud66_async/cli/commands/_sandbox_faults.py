"""Faults that the command `sandbox` can inject."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ...sandbox import Faults  # not at run time: no other command needs the sandbox

__all__ = ["FaultName", "inject"]

FaultName = Literal["action-fails", "busy", "drop", "empty", "html", "reset", "slow", "throttle", "truncate"]

PROBABILITY = 0.1
_DELAY = 3.0


def inject(faults: Faults, names: Iterable[FaultName]) -> None:
    """Let these things go wrong, each with one request or action in ten, for as long as the sandbox runs."""
    for name in names:
        match name:
            case "slow":
                faults.slow(_DELAY, times=sys.maxsize, probability=PROBABILITY, allow_unused=True)
            case "action-fails":
                faults.action_fails(times=sys.maxsize, probability=PROBABILITY, allow_unused=True)
            case _:
                getattr(faults, name)(times=sys.maxsize, probability=PROBABILITY, allow_unused=True)
