"""Retry: when a failed call is retried, and after which pause."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ._core.arguments import MAX_NUMBER, brief, check_integer, check_number
from .errors import APIError, Cloud66Error, RequestTimeout, ServerError, Throttled, TransportError
from .operation import Call

__all__ = ["Retry", "check_retry"]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often a call is attempted, and how long the pauses are.

    A read is retried if there was no response, and after 408, 429, 503 "throttled", and other 5xx except
    "not implemented". A write is retried only if it cannot have reached the server, or if the server rejected it as
    throttled. If the server names a time for the next attempt, that time is used. Otherwise the pause is a random
    part of `base` seconds, doubled after each attempt and at most `max_pause` (full jitter).

    Args:
        attempts: Maximum number of attempts, including the first. 1 turns retries off.
        base: Upper bound of the first pause, in seconds.
        max_pause: Longest pause, in seconds. If the server asks for more (up to an hour if the quota is exhausted),
            the error is raised at once.
    """

    attempts: int = 4
    base: float = 0.5
    max_pause: float = 60.0

    def __post_init__(self) -> None:
        check_integer("attempts", self.attempts)
        check_number("base", self.base)
        check_number("max_pause", self.max_pause)
        if self.attempts < 1:
            raise ValueError(f"invalid attempts {brief(self.attempts)}: must be at least 1")
        if not (0 <= self.base <= MAX_NUMBER and self.max_pause >= 0):  # also rejects NaN
            raise ValueError(
                f"invalid base {brief(self.base)} or max_pause {brief(self.max_pause)}: "
                "must not be negative, and base must be finite"
            )

    def pause(self, call: Call[Any], error: Cloud66Error, attempt: int, now: datetime) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none."""
        if attempt >= self.attempts or not self._is_retryable(call.operation.repeatable, error):
            return None
        retry_at = error.retry_at if isinstance(error, APIError) else None
        if retry_at is not None:
            seconds = max(0.0, (retry_at - now).total_seconds())
            return seconds if seconds <= self.max_pause else None
        import random  # imported lazily: only retries need it

        return random.uniform(0.0, min(self.max_pause, self.base * 2.0 ** min(attempt - 1, 60)))  # noqa: S311  no secret

    @staticmethod
    def _is_retryable(repeatable: bool, error: Cloud66Error) -> bool:
        if isinstance(error, TransportError):
            return repeatable or not error.sent
        if isinstance(error, Throttled):
            return True
        return repeatable and isinstance(error, ServerError | RequestTimeout)


def check_retry(retry: Retry) -> Retry:
    """Return the argument, or raise TypeError if it is not a Retry."""
    if not isinstance(retry, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"invalid retry: expected a Retry, not {type(retry).__name__}; Retry(attempts=1) turns retries off"
        )
    return retry
