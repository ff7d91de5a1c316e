"""What is left of this hour's requests, learnt from the headers of each answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from .errors import QuotaError

if TYPE_CHECKING:
    from ._clock import Clock
    from ._lane import Answer

__all__ = ["Allowance", "Quota", "next_hour"]


_MOST_DIGITS = 9  # Python refuses to read thousands of them


class Quota(msgspec.Struct, frozen=True):
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
        if value is None or not _is_count(value):
            return self.quota
        left = int(value)
        quota = self.quota
        known = quota.remaining
        # Answers overtake each other, by no more than there are in flight: a count that is a little
        # higher is an older one. A count that is much higher is the next hour's.
        fewer = known is not None and left < known
        if fewer or known is None or left > known + self._disorder:
            # Within an hour the limit stays as it is, and looking for a header costs as much as all the rest here.
            limit = quota.limit if fewer and quota.limit is not None else self._limit(answer)
            self.quota = quota = Quota(limit, left)
            if self._reserve is not None:
                self._ends = next_hour(self._clock.now())
        return quota

    def _limit(self, answer: Answer) -> int | None:
        value = answer.header(b"x-ratelimit-limit")
        return int(value) if value is not None and _is_count(value) else self.quota.limit


def _is_count(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _MOST_DIGITS
