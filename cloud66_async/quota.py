"""The hourly quota, as the headers of each response report it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from .errors import QuotaError

if TYPE_CHECKING:
    from ._core.limiter import SlowStart
    from ._core.response import RawResponse
    from .clock import Clock

__all__ = ["Allowance", "Quota", "next_hour"]


_MAX_DIGITS = 9  # Python refuses to parse integers with thousands of digits


class Quota(msgspec.Struct, frozen=True):
    """Requests per user and hour: the limit and the remaining requests. None until a response reports them.

    The documentation says 3,000 in its text and 3,600 in its samples. The headers `X-RateLimit-Limit` and
    `X-RateLimit-Remaining` decide.
    """

    limit: int | None = None
    remaining: int | None = None


def next_hour(now: datetime) -> datetime:
    """Return when the quota resets: at the full hour, by the documentation's "next hourly interval"."""
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


class Allowance:
    """One token's quota, shared by every view that uses the token.

    `guarded` tells whether `check` may raise an error, `waits` whether requests wait for a quota that resets soon, and
    `slow_start` limits the requests in flight after the server has throttled the token.
    """

    __slots__ = ("_clock", "_disorder", "_ends", "_reserve", "announced", "guarded", "quota", "slow_start", "waits")

    def __init__(self, clock: Clock, *, reserve: int | None = None, waits: bool = False, in_flight: int = 32) -> None:
        self.quota: Quota = Quota()
        self.guarded: bool = reserve is not None
        self.waits: bool = waits
        self.slow_start: SlowStart | None = None
        self.announced: datetime | None = None
        self._clock = clock
        self._reserve = reserve
        self._disorder = in_flight
        self._ends: datetime | None = None

    def check(self) -> None:
        """Raise QuotaError if only reserved requests remain this hour."""
        if self._reserve is None or self._ends is None:
            return
        remaining = self.quota.remaining
        if remaining is not None and remaining <= self._reserve and self._clock.now() < self._ends:
            raise QuotaError(
                f"not sent: {remaining} requests remain until {self._ends:%H:%M} UTC, and {self._reserve} are reserved",
                retry_at=self._ends,
            )

    def update(self, response: RawResponse) -> Quota:
        """Return the quota after the headers of `response` were taken into account."""
        value = response.header(b"x-ratelimit-remaining")
        if value is None or not _is_count(value):
            return self.quota
        remaining = int(value)
        quota = self.quota
        known = quota.remaining
        # Responses arrive out of order, but by no more than the number in flight: a slightly higher count is an older
        # one, a much higher count belongs to the next hour.
        fewer = known is not None and remaining < known
        if fewer or known is None or remaining > known + self._disorder:
            # The limit does not change within an hour, and looking up a header costs as much as the rest of this.
            limit = quota.limit if fewer and quota.limit is not None else self._limit(response)
            self.quota = quota = Quota(limit, remaining)
            if self._reserve is not None:
                self._ends = next_hour(self._clock.now())
        return quota

    def _limit(self, response: RawResponse) -> int | None:
        value = response.header(b"x-ratelimit-limit")
        return int(value) if value is not None and _is_count(value) else self.quota.limit


def _is_count(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _MAX_DIGITS
