"""A shared quota without Redis. `test_shared_quota_script.py` compares its book with the script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from cloud66_async import StoreError
from cloud66_async._core.book import Grant, Health, Report
from cloud66_async._core.lease import LeasedAllowance
from cloud66_async.quota import Allowance

from ..support import make_error, make_response

LATE = Grant(0)


class Entry(NamedTuple):
    """What one process holds, the number of its latest call, and the time of that call."""

    held: int
    sequence: int
    called: float


@dataclass
class Page:
    """What is known of one hour."""

    limit: int | None = None
    remaining: int | None = None
    highest: int | None = None
    generation: int = 0
    lost: float | None = None
    check: tuple[str, float] | None = None
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])

    @property
    def held(self) -> int:
        return sum(entry.held for entry in self.entries.values())


class FakeBook:
    """A book whose time and failures are those of the test."""

    def __init__(self, *, share: int = 8, margin: int = 0, fresh: float = 10.0) -> None:
        self.pages: dict[int, Page] = {}
        self.time = 0.0
        self.failing = False
        self.loses_response = False
        self.calls: list[tuple[int, Report]] = []
        self._share = share
        self._margin = margin
        self._fresh = fresh

    async def exchange(self, hour: int, report: Report) -> Grant:
        self.calls.append((hour, report))
        if self.failing:
            raise StoreError("cannot use the shared quota: no connection")
        grant = self.apply(hour, report)
        if self.loses_response:
            raise StoreError("cannot use the shared quota: no response")
        return grant

    def apply(self, hour: int, report: Report) -> Grant:
        page = self.pages.setdefault(hour, Page())
        own = page.entries.get(report.owner)
        if own is not None and report.sequence <= own.sequence:
            return LATE
        self._learn(page, report)
        is_new = not page.entries
        page.entries[report.owner] = Entry(report.held, report.sequence, self.time)
        if report.remaining is not None and own is None and (report.held > 0 or is_new):
            page.lost = self.time
        if page.check is not None:
            checker, chosen = page.check
            if (checker == report.owner and report.want) or self.time - chosen > self._fresh:
                page.check = None
        died = self._forget_dead(page, report)
        given = self._given(page, report, died)
        checks = bool(given) and died
        if checks:
            page.check = report.owner, self.time
        page.entries[report.owner] = Entry(report.held + given, report.sequence, self.time)
        return Grant(given, page.generation, page.limit, page.remaining, page.highest, checks=checks)

    @staticmethod
    def _learn(page: Page, report: Report) -> None:
        if report.limit is not None:
            page.limit = report.limit
        remaining = report.remaining
        if remaining is not None:
            if page.remaining is None or report.generation > page.generation:
                page.remaining, page.generation = remaining, report.generation
            elif report.generation == page.generation:
                page.remaining = min(page.remaining, remaining)
            page.highest = max(page.remaining, page.highest or 0)

    def _forget_dead(self, page: Page, report: Report) -> bool:
        remaining = page.remaining
        if not report.want or remaining is None or remaining <= report.reserve:
            return False
        if remaining - report.reserve - page.held > 0:
            return False
        dead = {
            owner: entry
            for owner, entry in page.entries.items()
            if owner != report.owner and self.time - entry.called > self._fresh
        }
        for owner in dead:
            del page.entries[owner]
        return any(entry.held for entry in dead.values())

    def _given(self, page: Page, report: Report, died: bool) -> int:
        if not report.want:
            return 0
        if page.remaining is None:
            return 1
        if page.check is not None or page.remaining <= report.reserve:
            return 0
        is_lost = page.lost is not None and self.time - page.lost < self._fresh / 2
        unknown = max(0, self._margin - page.held) if is_lost else 0
        left = page.remaining - report.reserve - page.held - unknown
        if left <= 0:
            return 0
        return 1 if died else min(report.want, max(1, left // self._share), left)


class FakeQuota:
    """A shared quota whose book is in memory."""

    def __init__(
        self, book: FakeBook | None = None, *, when_unavailable: Literal["open", "closed"] = "open", fresh: float = 10.0
    ) -> None:
        self.book = book or FakeBook()
        self.keys: list[str] = []
        self.closed = 0
        self._health = Health(when_unavailable)
        self._fresh = fresh

    def allowance(self, key: str, local: Allowance, *, in_flight: int) -> LeasedAllowance:
        self.keys.append(key)
        return LeasedAllowance(self.book, local, health=self._health, lease=16, margin=4 * in_flight, fresh=self._fresh)

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def held(self) -> int:
        """What the processes held at the latest call of the book in this hour."""
        return list(self.book.pages.values())[-1].held


def left(remaining: int, limit: int = 300) -> Any:
    """Return a response after which this many requests remain."""
    return make_response({"response": {"uid": "a"}}, x_ratelimit_remaining=str(remaining), x_ratelimit_limit=str(limit))


class CountingServer:
    """Counts requests and reports what remains. It responds when `open` is set."""

    def __init__(self, limit: int) -> None:
        self.remaining = limit
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, _request: object) -> Any:
        self.remaining -= 1
        response = left(max(0, self.remaining))
        await self.open.wait()
        await asyncio.sleep(0)
        return response if self.remaining >= 0 else make_error(503, "throttled", x_ratelimit_remaining="0")
