"""What is left of this hour's requests, learnt from the headers of each answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from .errors import QuotaError

if TYPE_CHECKING:
    from ._clock import Clock
    from ._lane import Answer

__all__ = ["Allowance", "Quota", "next_hour"]


_MOST_DIGITS = 9  # Python refuses to read thousands of them


class Quota(NamedTuple):
    """Requests per user and hour: how many there are and how many are left, None until an answer said so.

    The documentation says 3,000 in its text and 3,600 in its samples; the headers
    `X-RateLimit-Limit` and `X-RateLimit-Remaining` decide.
    """

    limit: int | None = None
    remaining: int | None = None


def next_hour(now: datetime) -> datetime:
    """When the quota starts anew: at the full hour, by the documentation's "next hourly interval"."""
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


class Allowance:
    """One token's quota, shared by every client that uses the token.

    With a `reserve`, requests are refused here, before they are sent, once no more than that is left.
    """

    __slots__ = ("_clock", "_disorder", "_ends", "_reserve", "quota")

    def __init__(self, clock: Clock, *, reserve: int | None = None, in_flight: int = 32) -> None:
        self.quota: Quota = Quota()
        self._clock = clock
        self._reserve = reserve
        self._disorder = in_flight
        self._ends: datetime | None = None

    def check(self) -> None:
        """Raise QuotaError if what is left of this hour is reserved."""
        if self._reserve is None or self._ends is None:
            return
        remaining = self.quota.remaining
        if remaining is not None and remaining <= self._reserve and self._clock.now() < self._ends:
            raise QuotaError(
                f"{remaining} requests are left until {self._ends:%H:%M} UTC and {self._reserve} are reserved",
                retry_at=self._ends,
            )

    def learn(self, answer: Answer) -> Quota:
        """The quota as this answer's headers tell it."""
        value = answer.header(b"x-ratelimit-remaining")
        if value is None or not value.isdigit() or len(value) > _MOST_DIGITS:
            return self.quota
        left = int(value)
        known = self.quota.remaining
        # Answers overtake each other, by no more than there are in flight: a count that is a little
        # higher is an older one. A count that is much higher is the next hour's.
        if known is None or left < known or left > known + self._disorder:
            limit = answer.header(b"x-ratelimit-limit")
            readable = limit is not None and limit.isdigit() and len(limit) <= _MOST_DIGITS
            self.quota = Quota(int(limit) if limit is not None and readable else self.quota.limit, left)
            if self._reserve is not None:
                self._ends = next_hour(self._clock.now())
        return self.quota
