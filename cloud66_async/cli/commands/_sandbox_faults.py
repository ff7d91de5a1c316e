"""Faults that the command `sandbox` can inject."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from cyclopts import Token

    from ...sandbox import Faults  # not at run time: no other command needs the sandbox

__all__ = ["FAULTS", "Fault", "inject", "parse_fault"]

FAULTS: Final = ("action-fails", "busy", "drop", "empty", "html", "reset", "slow", "throttle", "truncate")
_RATE = 0.1
_DELAY = 3.0


class Fault(NamedTuple):
    """A fault with the share of the requests or actions that it affects."""

    name: str
    rate: float = _RATE

    def __str__(self) -> str:
        """Return the fault as it is typed."""
        return f"{self.name}={self.rate:g}"


def parse_fault(kind: Any, tokens: Sequence[Token]) -> list[Fault]:  # noqa: ARG001  the signature of every converter
    """Return the faults of texts such as `slow` or `action-fails=1`. Raises ValueError."""
    return [_parse(token.value) for token in tokens]


def inject(faults: Faults, chosen: Iterable[Fault]) -> None:
    """Let these things go wrong, each with its share of the requests or actions, for as long as the sandbox runs."""
    for name, rate in chosen:
        match name:
            case "slow":
                faults.slow(_DELAY, times=sys.maxsize, probability=rate, allow_unused=True)
            case "action-fails":
                faults.action_fails(times=sys.maxsize, probability=rate, allow_unused=True)
            case _:
                getattr(faults, name)(times=sys.maxsize, probability=rate, allow_unused=True)


def _parse(text: str) -> Fault:
    name, equals, share = text.partition("=")
    if name not in FAULTS:
        raise ValueError(f"no fault is called {name!r}: known are {', '.join(FAULTS)}")
    if not equals:
        return Fault(name)
    try:
        rate = float(share)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1:
        raise ValueError(
            f"invalid share {share!r} of {name}: expected a number above 0 and up to 1, such as {name}=0.5"
        )
    return Fault(name, rate)
