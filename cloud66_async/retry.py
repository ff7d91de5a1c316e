"""Retry: when a failed call is retried, and after which pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from inspect import iscoroutinefunction
from typing import Any, Final

import msgspec

from ._core.arguments import MAX_NUMBER, brief, check_integer, check_number
from .errors import APIError, Cloud66Error, RequestTimeout, ServerError, Throttled, TransportError
from .operation import Call

__all__ = ["Retry", "check_retry"]

_SPREAD: Final = 0.05
_MAX_SPREAD: Final = 60.0  # seconds


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often a call is attempted, and how long the pauses are.

    A read is retried if there was no response, and after 408, 429, 503 "throttled", and other 5xx except
    "not implemented". A write is retried only if it cannot have reached the server, or if the server rejected it as
    throttled. If the server names a time for the next attempt, that time is used. Otherwise the pause is a random
    part of `base` seconds, doubled after each attempt and at most `max_pause` (full jitter).

    After a throttled request, the pause is longer by a random part of at most 5 % and 60 seconds, so that processes
    that share a quota do not all continue at the same time.

    Args:
        attempts: Maximum number of attempts, including the first. 1 turns retries off.
        base: Upper bound of the first pause, in seconds.
        max_pause: Longest pause, in seconds. If the server asks for more (up to an hour if the quota is exhausted),
            the error is raised at once.
        seed: Makes the random parts repeatable: each attempt of the same call then has the same pause.
        before_retry: Function that is called with the call, the error, the number of the failed attempt and the pause
            in seconds. If it returns False, the error is raised instead of a retry. Errors of its own propagate.
    """

    attempts: int = 4
    base: float = 0.5
    max_pause: float = 60.0
    seed: int | None = None
    before_retry: Callable[[Call[Any], Cloud66Error, int, float], bool | None] | None = None

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
        if self.seed is not None:
            check_integer("seed", self.seed)
        _check_hook(self.before_retry)

    def pause(self, call: Call[Any], error: Cloud66Error, attempt: int, now: datetime) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none.

        It depends only on its arguments if there is a `seed`. `attempt` is the number of the attempt that failed.
        """
        if attempt >= self.attempts or not self._is_retryable(call.operation.repeatable, error):
            return None
        part = self._random(f"{attempt} {call}")
        retry_at = error.retry_at if isinstance(error, APIError) else None
        if retry_at is not None and retry_at > now:
            if isinstance(error, Throttled):
                return self._until(retry_at, now, part)
            seconds = (retry_at - now).total_seconds()
            return seconds if seconds <= self.max_pause else None
        return part * min(self.max_pause, self.base * 2.0 ** min(attempt - 1, 60))

    def pause_until(self, reset: datetime, now: datetime) -> float | None:
        """Return the seconds to wait until the quota resets and a random part more, or None for over `max_pause`."""
        return self._until(reset, now, self._random(""))

    def allows(self, call: Call[Any], error: Cloud66Error, attempt: int, pause: float) -> bool:
        """Return whether `before_retry` allows the next attempt after this pause."""
        return self.before_retry is None or self.before_retry(call, error, attempt, pause) is not False

    def _until(self, when: datetime, now: datetime, part: float) -> float | None:
        seconds = max((when - now).total_seconds(), 0.0)
        if seconds > self.max_pause:
            return None
        return seconds + part * min(_MAX_SPREAD, _SPREAD * seconds, self.max_pause - seconds)

    def _random(self, about: str) -> float:
        import random  # imported lazily: only retries need it

        source = random if self.seed is None else random.Random(f"{self.seed:x} {about}")  # noqa: S311  no secret
        return source.random()

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


def _check_hook(hook: Any) -> None:
    asynchronous = iscoroutinefunction(hook) or iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004
    if hook is not None and (asynchronous or not callable(hook)):
        raise TypeError(f"invalid before_retry: expected a function that is not async, not {type(hook).__name__}")
