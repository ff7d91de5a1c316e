"""Leases: a process takes several permits at a time from a book that it shares with others."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from ..errors import ConfigError, QuotaError, StoreError
from ..quota import Permit, exhausted, next_hour
from .book import RETRY_SECONDS, Report
from .shared import CLOSED

if TYPE_CHECKING:
    from ..quota import Allowance
    from .book import Book, Grant, Health

__all__ = ["FRESH", "LeasedAllowance"]

FRESH: Final = 10.0
"""Seconds after which a process that has not called the book counts as dead."""

_PATIENT = 1.0  # seconds to wait for the first response before another request may find out the quota
_PAUSE, _MAX_PAUSE = 0.02, 0.5  # seconds to wait while others hold all permits
_DOUBTFUL = 60  # seconds after the full hour in which the server's clock may still be in the hour before
_FEW = 100  # requests that may be used up in that time
_PROBE = 5.0  # seconds between requests that find out whether the server's hour has begun


class LeasedAllowance:
    """A quota in a book that several processes share: the `SharedAllowance` of one process.

    Args:
        book: The book.
        local: What this process knows of the quota. It decides while the book cannot be reached.
        health: Whether the books can be reached.
        lease: Maximum number of permits to take at a time.
        margin: Requests to reserve, in addition to the reserve, while the book cannot be reached.
        fresh: Seconds after which a process that has not called the book counts as dead.
    """

    def __init__(
        self, book: Book, local: Allowance, *, health: Health, lease: int, margin: int, fresh: float = FRESH
    ) -> None:
        self._book = book
        self._local = local
        self._health = health
        self._lease = lease
        self._margin = margin
        self._fresh = fresh
        self._owner = ""  # chosen at the first call: a forked process must not have its parent's
        self._sequence = 0
        self._hour, self._ends = 0, datetime.min.replace(tzinfo=UTC)
        self._permits = 0
        self._in_flight = 0
        self._known = Permit(0, 0, None)  # what permits in hand say
        self._generation: int = 0
        self._remaining: int | None = None
        self._highest: int | None = None
        self._before = 0  # what remained at the end of the hour before, as far as known
        self._booked = 0  # what the book takes this process to hold
        self._called_at = 0.0
        self._refused_until = 0.0
        self._probe_at = 0.0
        self._lock = asyncio.Lock()  # one call at a time: `held` must be true when the book reads it
        self._settled = asyncio.Event()  # no request is under way that finds out the quota
        self._settled.set()
        self._silent = False  # the server does not report the quota
        self._timer: asyncio.TimerHandle | None = None
        self._refresh: asyncio.Task[None] | None = None
        self._closed = False

    # --- permits ---------------------------------------------------------------------------------

    def try_take(self, now: datetime) -> Permit | None:
        """Return a permit if there is one of this hour and no other process can have taken it over."""
        if self._permits and now < self._ends and monotonic() - self._called_at < self._fresh:
            self._permits -= 1
            self._in_flight += 1
            if self._known.remaining is None and not self._silent:
                self._settled.clear()
            return self._known
        return None

    async def take(self) -> Permit:
        """Return a permit from the book, or wait for one. Raises QuotaError if only reserved requests remain."""
        if self._health.lost and (self._health.pauses or self._lock.locked()):
            return self._fall_back()
        async with self._lock:
            pause = _PAUSE
            while True:
                await self._wait_until_settled()
                now = self._local.clock.now()
                found = self.try_take(now) or self._decide(now)
                if found is not None:
                    return found
                grant = await self._exchange(self._lease)
                found = self._fall_back() if grant is None else self.try_take(self._local.clock.now())
                if found is not None:
                    return found
                if not self._permits and not self._is_exhausted:
                    # Others hold all permits that are left. They may return some.
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  no secret
                    pause = min(_MAX_PAUSE, pause * 2)

    def learn(self, permit: Permit, limit: int | None, remaining: int | None) -> None:  # noqa: ARG002  `local` has it
        """Take note of the headers of a response, if the request was sent in this hour."""
        self._silent = remaining is None
        if remaining is None or permit.hour != self._hour or permit.generation < self._generation:
            return
        if permit.remaining is not None and remaining > permit.remaining:
            # More than were left before the request was sent: the server's hour has begun later than this one.
            self._generation += 1
            self._remaining, self._refused_until = remaining, 0.0
        elif self._remaining is None or remaining < self._remaining:
            was_exhausted, self._remaining = self._is_exhausted, remaining
            if self._is_exhausted and not was_exhausted:
                self._permits = 0
                self._start_refresh()  # stops the others
        self._highest = max(remaining, self._highest or 0)

    def end(self, permit: Permit) -> None:
        """Take note that a request is no longer in flight."""
        self._in_flight -= 1
        if permit.remaining is None:
            self._settled.set()

    @property
    def _reserve(self) -> int:
        return self._local.reserve or 0

    @property
    def _is_exhausted(self) -> bool:
        return self._remaining is not None and self._remaining <= self._reserve

    def _decide(self, now: datetime) -> Permit | None:
        """Return a permit that needs no call of the book, or None if it must be called. Raises QuotaError."""
        if self._closed:
            raise ConfigError(CLOSED)
        self._turn(now)
        if self._health.pauses:
            return self._fall_back()
        if self._remaining is None or not self._is_exhausted or monotonic() >= self._refused_until:
            return None
        if self._is_doubtful(now):
            if monotonic() >= self._probe_at:
                self._probe_at = monotonic() + _PROBE
                return self._lend()
            soon = min(self._ends, now + timedelta(seconds=_PROBE))
            raise QuotaError(f"not sent: the server's hour has not begun, {self._remaining} remain", retry_at=soon)
        raise exhausted(self._remaining, self._reserve, self._ends)

    def _is_doubtful(self, now: datetime) -> bool:
        """Return whether the server may still count the hour before: nothing of this hour has been reported yet."""
        started = now.minute * 60 + now.second
        return started < _DOUBTFUL and (self._highest or 0) <= min(self._before, _FEW)

    def _fall_back(self) -> Permit:
        """Decide without the book. Raises QuotaError."""
        if self._health.closes:
            raise QuotaError("not sent: the shared quota cannot be reached; try again, or pass when_unavailable='open'")
        self._local.check(self._margin)
        return self._lend()

    def _lend(self) -> Permit:
        """Return a permit that the book has not given."""
        self._turn(self._local.clock.now())
        self._in_flight += 1
        self._arm()
        return Permit(self._hour, self._generation, self._remaining)

    def _turn(self, now: datetime) -> None:
        """Forget everything about an hour that has ended. Requests in flight count in the new hour, too."""
        if now < self._ends:
            return
        hour = int(now.timestamp()) // 3600
        self._before = (self._remaining or 0) if hour == self._hour + 1 else 0
        self._hour, self._ends = hour, next_hour(now)
        self._permits, self._generation, self._booked = 0, 0, 0
        self._remaining, self._highest = None, None
        self._refused_until = 0.0
        self._settled.set()

    async def _wait_until_settled(self) -> None:
        """Wait for the response of a request that finds out the quota, but not for long: it may be a slow one."""
        if not self._settled.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENT):
                    await self._settled.wait()

    # --- calls of the book -----------------------------------------------------------------------

    async def _exchange(self, want: int) -> Grant | None:
        """Report to the book and take at most `want` permits. Return None if it cannot be reached."""
        if self._health.lost:
            self._health.attempt()
        hour, called_at = self._hour, monotonic()
        self._owner = self._owner or uuid4().hex
        self._sequence += 1
        report = Report(
            owner=self._owner,
            sequence=self._sequence,
            held=self._permits + self._in_flight,
            want=want,
            reserve=self._reserve,
            generation=self._generation,
            limit=self._local.quota.limit,
            remaining=self._remaining,
        )
        self._booked = report.held + want  # unless the reply says less
        try:
            grant = await self._book.exchange(hour, report)
        except StoreError as error:
            self._health.failed(error)
            return None
        except ConfigError:  # nothing was sent
            self._booked = 0
            raise
        finally:
            self._arm()
        self._health.succeeded()
        self._called_at = called_at  # the book's own time of the call is later
        self._booked = report.held + grant.given
        self._accept(grant)
        return grant

    def _accept(self, grant: Grant) -> None:
        known, remaining = self._remaining, grant.remaining
        if remaining is not None and (
            grant.generation > self._generation
            or (grant.generation == self._generation and (known is None or remaining < known))
        ):
            self._generation, self._remaining = grant.generation, remaining
        if grant.highest is not None:
            self._highest = max(grant.highest, self._highest or 0)
        self._known = Permit(self._hour, self._generation, None if grant.checks else self._remaining)
        if self._remaining is not None:
            self._settled.set()
            if self._local.clock.now() < self._ends:
                self._local.adopt(grant.limit, self._remaining)
        self._permits += grant.given
        if self._is_exhausted:
            self._permits = 0
            self._refused_until = monotonic() + RETRY_SECONDS
        self._arm()

    @property
    def _is_involved(self) -> bool:
        """Whether this process holds anything, or the book takes it to."""
        return self._permits + self._in_flight + self._booked > 0

    def _arm(self) -> None:
        """Call the book in time as long as this process holds anything: otherwise it would count as dead."""
        if self._timer is None and not self._closed and self._is_involved:
            self._timer = asyncio.get_running_loop().call_later(self._fresh / 3, self._check_age)

    def _check_age(self) -> None:
        self._timer = None
        if not self._is_involved:
            return
        left = self._called_at + self._fresh / 3 - monotonic()
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(left, self._check_age)
        else:
            self._start_refresh()

    def _start_refresh(self) -> None:
        if not self._closed and (self._refresh is None or self._refresh.done()):
            # An empty context: the task belongs to none of those who take permits.
            self._refresh = asyncio.get_running_loop().create_task(self._report(), context=Context())

    async def _report(self) -> None:
        """Report to the book without taking permits. If nothing is in flight, give back those in hand."""
        async with self._lock:
            self._turn(self._local.clock.now())
            if not self._in_flight:
                self._permits = 0
            if not self._health.pauses:
                await self._exchange(0)
        self._arm()

    async def aclose(self) -> None:
        """Give all unused permits back. Requests that are still in flight count until their process is forgotten."""
        self._closed = True
        self._permits = 0
        if self._timer is not None:
            self._timer.cancel()
        if self._refresh is not None and not self._refresh.done():
            self._refresh.cancel()
            await asyncio.wait([self._refresh])
        if self._booked and not self._health.lost:
            await self._exchange(0)
