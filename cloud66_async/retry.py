"""Retry: whether to repeat a call after an error, and after what pause."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from .errors import APIError, Cloud66Error, ServerError, ServerTimedOut, Throttled, TransportError
from .operation import Call

__all__ = ["Retry"]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often a call is tried, and how long the pauses are.

    A read is repeated when no answer came, and after 408, 429, 503 "throttled" and other 5xx than
    "not implemented". A write is repeated only when it cannot have arrived, or when the server said
    that it did nothing (throttled). What the server says of waiting is obeyed; where it says nothing the pause is a
    random part of `base`, doubled each time, never above `longest` (full jitter).

    `attempts` counts the first try too; 1 never repeats. `longest` bounds every pause, in seconds: where the server
    asks for more (up to an hour, when the quota is used up) the error is raised at once.
    """

    attempts: int = 4
    base: float = 0.5
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if not (self.base >= 0 and self.longest >= 0):
            raise ValueError("base and longest must not be negative")

    def pause(self, call: Call[Any], error: Cloud66Error, attempt: int, now: datetime) -> float | None:
        """Seconds before the next try, or None where there is none."""
        if attempt >= self.attempts or not self._worthwhile(call.operation.repeatable, error):
            return None
        asked = error.retry_at if isinstance(error, APIError) else None
        if asked is not None:
            seconds = max(0.0, (asked - now).total_seconds())
            return seconds if seconds <= self.longest else None
        import random  # needed only before a pause

        return random.uniform(0.0, min(self.longest, self.base * 2.0 ** min(attempt - 1, 60)))  # noqa: S311  no secret

    @staticmethod
    def _worthwhile(repeatable: bool, error: Cloud66Error) -> bool:
        if isinstance(error, TransportError):
            return repeatable or not error.sent
        if isinstance(error, Throttled):
            return True
        return repeatable and isinstance(error, ServerError | ServerTimedOut)
