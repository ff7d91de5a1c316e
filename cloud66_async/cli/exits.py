"""Exit codes, and what an error tells the user: what failed, what to do, and the code.

0 done · 1 failed · 2 wrong usage · 3 not logged in · 4 throttled · 5 not ended in time · 130 Ctrl+C · 143 SIGTERM
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from .._core.text import clean
from ..config import MISSING_LOGIN
from ..errors import (
    APIError,
    Cloud66Error,
    Forbidden,
    MissingToken,
    QuotaError,
    ServerError,
    Throttled,
    Unauthenticated,
)

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
_ORDER = (FAILED, UNFINISHED, THROTTLED, NOT_LOGGED_IN, USAGE)
# Messages end with advice, which must not be cut off.
_MAX_MESSAGE = 4000


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


def failure_of(error: Exception) -> Failure:  # noqa: PLR0911  a table of errors
    """Return what to print for an error of a command, of this package or of the output."""
    text = clean(str(error) or type(error).__name__, max_length=_MAX_MESSAGE)
    match error:
        case CommandError():
            return Failure(text, error.advice, error.code)
        case MissingToken():
            known = "you are not logged in (no stored login, CLOUD66_ACCESS_TOKEN not set)"
            advice = "Log in: cloud66-async login    or try it all: cloud66-async demo"
            return Failure(known if str(error) == MISSING_LOGIN else text, (advice,), NOT_LOGGED_IN)
        case Unauthenticated():
            advice = "Log in: cloud66-async login"
            return Failure("Cloud 66 does not accept this access token", (advice,), NOT_LOGGED_IN)
        case Throttled() | QuotaError():
            return Failure(_throttled(error.retry_at), (), THROTTLED)
        case Forbidden() if error.scope is not None:
            scope = clean(error.scope)
            advice = f"Log in: cloud66-async login --scope public,{scope}"
            return Failure(f"this access token lacks the scope {scope!r}", (advice,), FAILED)
        case APIError():
            return Failure(_refused(error), (), FAILED)
        case _:
            return Failure(text, (), UNFINISHED if _is_unfinished(error) else FAILED)


def worst(codes: list[int]) -> int:
    """Return the exit code for several results: failed before not ended before throttled."""
    return next((code for code in _ORDER if code in codes), DONE)


def _throttled(retry_at: datetime | None) -> str:
    text = "the hourly quota is used up"
    if retry_at is None:
        return text
    minutes = max(1, round((retry_at - datetime.now(UTC)).total_seconds() / 60))
    return f"{text}; more at {retry_at.astimezone():%H:%M}, in {minutes}m"


def _refused(error: APIError) -> str:
    """Return what Cloud 66 answered, without the path: users do not know it."""
    said = clean(error.message or "", max_length=_MAX_MESSAGE) or "no reason given"
    request = f" (request {clean(error.request_id)})" if isinstance(error, ServerError) and error.request_id else ""
    return f"Cloud 66 answered {error.status}: {said}{request}"


def _is_unfinished(error: Exception) -> bool:
    if not isinstance(error, Cloud66Error):
        return False
    from ..resources.actions import ActionUnfinished  # imported lazily: most commands never wait

    return isinstance(error, ActionUnfinished)
