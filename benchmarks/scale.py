"""What a million stacks and a thousand workers need: arithmetic, measurements, and a simulation of the quota.

`python -m benchmarks.scale` prints the figures of the page "A million stacks". The arithmetic is that of the class
`Fleet`; a test compares it with the simulation, which runs the SDK and the sandbox on the sandbox's clock.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import attrs

from cloud66_async import Cloud66, Retry
from cloud66_async._core.book import Grant, Health, Report
from cloud66_async._core.lease import LeasedAllowance
from cloud66_async.quota import Allowance
from cloud66_async.sandbox import FakeClock, FakeCloud66

from .footprint import Figure, measure

__all__ = ["MILLION", "Fleet", "Simulated", "arithmetic", "simulate"]

HOUR = 3600.0
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Fleet:
    """Stacks, the users whose tokens can read them, and the workers that do.

    Args:
        stacks: Number of stacks, divided equally among the users.
        users: Number of users. Each has a quota of its own.
        workers: Number of processes that read with the token of each user.
        in_flight: Requests in flight of each worker.
        quota: Requests per user and hour.
        page: Stacks on one page of a list.
        latency: Seconds that a request takes.
        lease: Permits that a worker takes from the shared quota at a time.
        share: A lease is at most this part of the requests that remain.
    """

    stacks: int
    users: int = 1
    workers: int = 1
    in_flight: int = 32
    quota: int = 3000
    page: int = 30
    latency: float = 0.2
    lease: int = 16
    share: int = 8

    def requests(self, *, pages: bool) -> int:
        """Return the requests of one user in one round over all of the user's stacks."""
        stacks = math.ceil(self.stacks / self.users)
        return math.ceil(stacks / self.page) if pages else stacks

    def seconds(self, *, pages: bool) -> float:
        """Return how long a round takes that starts at the full hour, with all users at the same time."""
        requests = self.requests(pages=pages)
        hours = math.ceil(requests / self.quota) - 1  # in which the quota is used up
        last = requests - hours * self.quota
        return hours * HOUR + last * self.latency / (self.workers * self.in_flight)

    def users_for(self, seconds: float, *, pages: bool) -> int:
        """Return how many users it takes to do a round in this many seconds again and again."""
        requests = math.ceil(self.stacks / self.page) if pages else self.stacks
        return math.ceil(requests * HOUR / seconds / self.quota)

    def trips(self, requests: int) -> float:
        """Return the calls of Redis for this many requests of one user, if the quota is shared.

        A lease is `lease`, or less at the end of the quota: a part of the requests that remain. So this is a lower
        bound, because workers also report without taking permits, and hold some that others then wait for.
        """
        trips, used = 0.0, 0
        while used < requests:
            left = self.quota - used % self.quota
            given = max(1, min(self.lease, left // self.share, requests - used))
            trips, used = trips + 1, used + given
        return trips


MILLION = Fleet(stacks=1_000_000)
SMALL = Fleet(stacks=2400, users=4, workers=4, in_flight=2, quota=200)
"""A fleet that is simulated in seconds, with the same ratio of stacks to quota as 36,000 stacks and four users."""


def arithmetic() -> Iterator[Figure]:
    """Yield what a million stacks take, by reading each stack and by reading the pages of the list."""
    for name, pages in (("stack", False), ("page", True)):
        yield f"requests of a round, one for each {name}", MILLION.requests(pages=pages), ""
        yield f"hours of a round with one user, by {name}", MILLION.requests(pages=pages) / MILLION.quota, "hours"
        yield f"users for a round an hour, by {name}", MILLION.users_for(HOUR, pages=pages), ""
        yield f"users for a round in five minutes, by {name}", MILLION.users_for(300, pages=pages), ""
        rate = MILLION.requests(pages=pages) / HOUR
        yield f"requests a second for a round an hour, by {name}", rate, "a second"
        yield f"requests in flight for that, by {name}", rate * MILLION.latency, ""
    yield "batches of 50 stacks", MILLION.stacks / 50, ""


# --- the simulation ------------------------------------------------------------------------------


@attrs.define
class Simulated:
    """What a simulated round took: seconds on its clock, requests, those that were over the quota, and trips."""

    seconds: float = 0.0
    requests: int = 0
    throttled: int = 0
    trips: int = 0


class _Book:
    """A shared quota in this process instead of Redis, with the same rules but for processes that end."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._hour = -1
        self._held: dict[str, int] = {}
        self._low: int | None = None
        self.trips = 0

    async def exchange(self, hour: int, report: Report) -> Grant:
        """Store the report and return what is granted."""
        self.trips += 1
        if hour > self._hour:
            self._hour, self._low = hour, None
        self._held[report.owner] = report.held
        if report.remaining is not None:
            self._low = report.remaining if self._low is None else min(self._low, report.remaining)
        low, given = self._low, 0
        if report.want:
            left = 1 if low is None else low - report.reserve - sum(self._held.values())
            given = max(0, min(report.want, max(1, left // self._share), left))
        self._held[report.owner] += given
        return Grant(given, 0, report.limit, low, low)


class _Books:
    """The shared quota of one user, for all workers."""

    def __init__(self, fleet: Fleet) -> None:
        self.book = _Book(fleet.share)
        self._lease = fleet.lease

    def allowance(self, key: str, local: Allowance, *, in_flight: int) -> LeasedAllowance:  # noqa: ARG002
        """Return one worker's part of the quota."""
        return LeasedAllowance(self.book, local, health=Health("open"), lease=self._lease, margin=in_flight)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


async def simulate(fleet: Fleet, *, pages: bool) -> Simulated:
    """Let the workers read every stack of every user once, from the full hour. Return what that took."""
    clock, result = FakeClock(START), Simulated()
    finished = await asyncio.gather(*(_simulate_user(fleet, clock, result, pages=pages) for _ in range(fleet.users)))
    result.seconds = (max(finished) - START).total_seconds()
    return result


async def _simulate_user(fleet: Fleet, clock: FakeClock, result: Simulated, *, pages: bool) -> datetime:
    """Read every stack of one user once. Return when that was done."""
    fake, books = FakeCloud66(clock=clock, hourly_limit=fleet.quota), _Books(fleet)
    fake.faults.slow(fleet.latency, times=10**9, allow_unused=True)
    uids = [fake.add_stack(f"app-{number}").uid for number in range(math.ceil(fleet.stacks / fleet.users))]
    token = fake.add_token()
    work = iter(range(1, fleet.requests(pages=True) + 1)) if pages else iter(uids)
    await asyncio.gather(*(_worker(fleet, fake, token.reveal(), books, work) for _ in range(fleet.workers)))
    result.requests += fake.calls()
    result.throttled += sum(request.status == 503 for request in fake.requests)
    result.trips += books.book.trips
    return clock.now()


async def _worker(fleet: Fleet, fake: FakeCloud66, token: str, books: _Books, work: Iterator[str | int]) -> None:
    """Read what is left, as one of the processes."""
    client = Cloud66(
        token, transport=fake.transport(), limit=fleet.in_flight, retry=Retry(max_pause=HOUR + 100), shared_quota=books
    )

    async def read_all() -> None:
        for item in work:
            if isinstance(item, str):
                await c66.stacks.get(item)
            else:
                await c66.stacks.list().page(item)

    async with client as c66:
        await asyncio.gather(*(read_all() for _ in range(fleet.in_flight)))


def main() -> int:
    """Print all figures."""
    for name, value, unit in (*arithmetic(), *measure()):
        print(f"{name:60} {value:12,.1f} {unit}")
    for pages in (False, True):
        found = asyncio.run(simulate(SMALL, pages=pages))
        expected, requests = SMALL.seconds(pages=pages), SMALL.users * SMALL.requests(pages=pages)
        trips = SMALL.users * SMALL.trips(SMALL.requests(pages=pages))
        print(f"simulated, by {'page' if pages else 'stack'}: {found}")
        print(f"  expected: {expected:.1f} seconds, {requests} requests, at least {trips:.0f} trips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
