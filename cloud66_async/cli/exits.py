"""Exit codes, and the exceptions by which a command ends.

0 done · 1 failed · 2 wrong usage · 3 not logged in · 4 throttled · 5 not ended in time · 130 Ctrl+C · 143 SIGTERM
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .._core.text import clean

__all__ = [
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "NOT_LOGGED_IN",
    "TERMINATED",
    "THROTTLED",
    "UNFINISHED",
    "USAGE",
    "CommandError",
    "Failure",
    "OutputError",
    "Stopped",
    "failure_of",
    "worst",
]

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NOT_LOGGED_IN: Final = 3
THROTTLED: Final = 4
UNFINISHED: Final = 5
INTERRUPTED: Final = 130
TERMINATED: Final = 143

# The code of several results is the first of these that one of them has.
# Messages end with advice, which must not be cut off.
_MAX_MESSAGE: Final = 4000
_ORDER = (FAILED, UNFINISHED, THROTTLED, NOT_LOGGED_IN, USAGE)


class OutputError(Exception):
    """Failure to write a result."""


class CommandError(Exception):
    """A command that cannot go on.

    Args:
        text: What failed, in one line.
        advice: What to do, in lines.
        code: Exit code.
    """

    def __init__(self, text: str, *advice: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.advice = advice
        self.code = code


class Stopped(Exception):
    """A command that the user stopped with Ctrl+C or that received SIGTERM.

    Args:
        lines: What still runs, and which commands take it up.
        code: Exit code.
    """

    def __init__(self, *lines: str, code: int = INTERRUPTED) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.code = code


class Failure(NamedTuple):
    """What a failed command prints, and its exit code."""

    text: str
    advice: tuple[str, ...]
    code: int


def failure_of(error: Exception) -> Failure:
    """Return what to print for an error of a command, of this package or of the output."""
    if isinstance(error, CommandError):
        return Failure(clean(str(error), max_length=_MAX_MESSAGE), error.advice, error.code)
    from .failures import failure_of as explain  # imported lazily: needs more of the package

    return explain(error)


def worst(codes: list[int]) -> int:
    """Return the exit code for several results: failed before not ended before throttled."""
    return next((code for code in _ORDER if code in codes), DONE)
