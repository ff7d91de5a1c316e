"""The hourly quota, as the headers of each response report it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from .errors import QuotaError

if TYPE_CHECKING:
    from ._core.limiter import SlowStart
    from ._core.response import RawResponse
    from .clock import Clock

__all__ = [
    "Allowance",
    "Permit",
    "Quota",
    "SharedAllowance",
    "SharedQuota",
    "check_shared_quota",
    "exhausted",
    "next_hour",
]


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


class Permit(NamedTuple):
    """Permission to send one request, with what was known when it was given.

    `remaining` is how many requests remained, or None. `generation` counts how often that number has risen within the
    hour.
    """

    hour: int
    generation: int
    remaining: int | None


class SharedAllowance(Protocol):
    """One quota that several processes share. Each attempt of a call takes a permit and returns it with `end`."""

    def try_take(self, now: datetime) -> Permit | None:
        """Return a permit if this process has one."""
        ...

    async def take(self) -> Permit:
        """Return a permit, or wait for one. Raises QuotaError if only reserved requests remain this hour."""
        ...

    def learn(self, permit: Permit, limit: int | None, remaining: int | None) -> None:
        """Take note of the headers of a response. They are None if it has none."""
        ...

    def end(self, permit: Permit) -> None:
        """Take note that the request is no longer in flight, whether or not it had a response."""
        ...

    async def aclose(self) -> None:
        """Give all unused permits back."""
        ...


class SharedQuota(Protocol):
    """Quotas that several processes share. Pass one as `Cloud66(shared_quota=...)`, such as a `RedisQuota`."""

    def allowance(self, key: str, local: Allowance, *, in_flight: int) -> SharedAllowance:
        """Return the quota with this key.

        `key` stands for a user of one API and does not reveal a token. `local` is what this process knows, and what it
        can fall back on. `in_flight` is how many requests the process sends at a time.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections of the current event loop."""
        ...


class Allowance:
    """One user's or one token's quota, shared by every view that uses it.

    `guarded` tells whether requests must be checked before they are sent, `waits` whether they wait for a quota that
    resets soon, and `slow_start` limits the requests in flight after the server has throttled the token. If `shared` is
    set, requests take a permit from it instead of calling `check`.
    """

    __slots__ = (
        "_disorder", "_ends", "announced", "clock", "guarded", "quota", "reserve", "shared", "slow_start", "waits",
    )  # fmt: skip

    def __init__(self, clock: Clock, *, reserve: int | None = None, waits: bool = False, in_flight: int = 32) -> None:
        self.quota: Quota = Quota()
        self.clock: Clock = clock
        self.reserve: int | None = reserve
        self.guarded: bool = reserve is not None
        self.waits: bool = waits
        self.slow_start: SlowStart | None = None
        self.announced: datetime | None = None
        self.shared: SharedAllowance | None = None
        self._disorder = in_flight
        self._ends: datetime | None = None

    def share(self, shared: SharedAllowance) -> None:
        """Take permits from `shared` from now on. Then requests are never sent beyond the quota to find that out."""
        self.shared, self.guarded, self.reserve = shared, True, self.reserve or 0

    def check(self, margin: int = 0) -> None:
        """Raise QuotaError if only reserved requests remain this hour. `margin` is reserved in addition."""
        if self.reserve is None or self._ends is None:
            return
        remaining, reserved = self.quota.remaining, self.reserve + margin
        if remaining is not None and remaining <= reserved and self.clock.now() < self._ends:
            raise exhausted(remaining, reserved, self._ends)

    def update(self, response: RawResponse, permit: Permit | None = None) -> Quota:
        """Return the quota after the headers of `response` were taken into account."""
        value = response.header(b"x-ratelimit-remaining")
        if value is None or not _is_count(value):
            if permit is not None and self.shared is not None:
                self.shared.learn(permit, None, None)
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
            if self.reserve is not None:
                self._ends = next_hour(self.clock.now())
        if permit is not None and self.shared is not None:
            self.shared.learn(permit, quota.limit, remaining)
        return quota

    def adopt(self, limit: int | None, remaining: int) -> None:
        """Take over what other processes have learnt in this hour."""
        self.quota = Quota(self.quota.limit if limit is None else limit, remaining)
        self._ends = next_hour(self.clock.now())

    def throttled(self, permit: Permit, response: RawResponse | None, until: datetime) -> None:
        """Take note that the server has throttled a request until a certain time, if it did not report the quota."""
        reports = response is not None and response.header(b"x-ratelimit-remaining") is not None
        if self.shared is not None and not reports and until >= next_hour(self.clock.now()):
            self.shared.learn(permit, None, 0)

    def end(self, permit: Permit) -> None:
        """Take note that the request with this permit is no longer in flight."""
        if self.shared is not None:
            self.shared.end(permit)

    def _limit(self, response: RawResponse) -> int | None:
        value = response.header(b"x-ratelimit-limit")
        return int(value) if value is not None and _is_count(value) else self.quota.limit


def exhausted(remaining: int, reserved: int, until: datetime) -> QuotaError:
    """Return the error for a request that was not sent because only reserved requests remain."""
    return QuotaError(
        f"not sent: {remaining} requests remain until {until:%H:%M} UTC, and {reserved} are reserved", retry_at=until
    )


def check_shared_quota(value: SharedQuota | None) -> SharedQuota | None:
    """Return the argument, or raise TypeError if it is neither None nor a shared quota."""
    if value is not None and not all(callable(getattr(value, name, None)) for name in ("allowance", "aclose")):
        raise TypeError(
            "invalid shared_quota: expected an object with the methods `allowance` and `aclose`, "
            f"not {type(value).__name__}"
        )
    return value


def _is_count(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _MAX_DIGITS
