"""One round of requests for everything that is due."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from ..._core.decoders import UNREADABLE
from ...clock import Clock
from ...errors import (
    APIError,
    Cloud66Error,
    ConfigError,
    LoginError,
    QuotaError,
    RequestTimeout,
    ResponseError,
    ServerError,
    Throttled,
    TransportError,
    Unauthenticated,
)
from ...operation import Page
from .. import stacks
from ..actions import Action
from .page_index import Audit, PageIndex
from .watched import Durations, Target, WatchedStack

__all__ = ["Round", "is_temporary"]

_Job = TypeVar("_Job")

_SHARE_OF_LIMIT = 4  # other calls of the program must not wait behind hundreds of readings


class Round:
    """One round of requests. It changes the stacks, the index and the durations.

    Args:
        clock: Clock of the client.
        watched: Every stack with actions that tasks wait for.
        now: Time until which the watcher has slept: a clock may be a little behind it.
        index: On which pages of the list stacks are.
        audit: Which actions to read although their stacks have not changed.
        durations: Where durations of actions are kept.
        allowed: Maximum number of requests, or None.
    """

    def __init__(
        self,
        clock: Clock,
        watched: Collection[WatchedStack],
        now: datetime,
        *,
        index: PageIndex,
        audit: Audit,
        durations: Durations,
        allowed: int | None,
    ) -> None:
        self._clock = clock
        self._watched = watched
        self._index = index
        self._audit = audit
        self._durations = durations
        self._left = float("inf") if allowed is None else allowed
        self._now = now
        self._read: set[int] = set()
        self._seen: set[WatchedStack] = set()
        self._answered: set[WatchedStack] = set()
        self._finished: set[WatchedStack] = set()
        self._by_uid: dict[str, list[WatchedStack]] = {}
        self._noticed = {stack for stack in watched if stack.is_noticed(self._now)}
        self.due = {stack for stack in watched if stack.due <= self._now}
        self.retry_at: datetime | None = None
        self.responded = False

    @property
    def touched(self) -> set[WatchedStack]:
        """The stacks that were due or whose state was read."""
        return self.due | self._noticed | self._seen

    async def run(self) -> None:
        """Read the list as far as it is worth it, then the actions that may have finished.

        Raises an error after which no request of this token can succeed. Temporary errors only set `retry_at`.
        """
        absent = await self._read_list()
        chosen = self._suspects(absent)
        audited = self._audited(chosen)
        age = self._age()
        await self._run(self._reader(stack) for stack in self._affordable([*audited, *chosen]))
        self._audit.learn([stack in self._finished for stack in audited if stack in self._answered], age)

    # --- the list of stacks ----------------------------------------------------------------------

    async def _read_list(self) -> Collection[WatchedStack]:
        """Read the pages that stacks share. Return the stacks that were expected on them, but are not there."""
        plan = self._index.plan(self._watched)
        numbers = [number for number, group in plan.pages.items() if not self.due.isdisjoint(group)]
        for stack in self._watched:
            self._by_uid.setdefault(stack.uid, []).append(stack)
        missing: Collection[WatchedStack] = ()
        if len(plan.unknown) > 1 and not self.due.isdisjoint(plan.unknown):
            missing = plan.unknown
            if self._index.count is None:
                await self._read_page(1)  # tells how many pages there are
            unread = [number for number in range(1, (self._index.count or 0) + 1) if number not in self._read]
            unknown = sum(not self._index.knows(stack) for stack in missing)
            whole = self._index.usable and self._index.is_worth_reading(unknown, len(unread))
            numbers = unread if whole else numbers
            if whole:
                self._index.found_all()
        else:
            whole = False
        numbers = sorted(set(numbers) - self._read, key=lambda number: self._oldest(plan.pages.get(number, ())))
        await self._run([self._page_reader(number) for number in self._affordable(numbers)])
        self._note_absences(missing if whole else ())
        expected = [stack for number, group in plan.pages.items() if number in self._read for stack in group]
        return [stack for stack in expected if stack not in self._seen]

    def _oldest(self, group: Iterable[WatchedStack]) -> datetime:
        return min((stack.checked_at or stack.since for stack in group), default=self._now)

    def _note_absences(self, missing: Iterable[WatchedStack]) -> None:
        """Read a stack by itself from now on if the whole list has not shown it twice."""
        if not self._index.usable or len(self._read) < (self._index.count or 0):
            return
        for stack in missing:
            if stack not in self._seen:
                stack.absences += 1
                stack.alone = stack.alone or stack.absences > 1

    def _page_reader(self, number: int) -> Callable[[], Awaitable[None]]:
        return lambda: self._read_page(number)

    async def _read_page(self, number: int) -> None:
        """Read one page of the list, and take its hints."""
        sender = next(iter(self._watched)).sender
        self._left -= 1
        try:
            page = (await sender.send(stacks.LIST.bind().page(number))).data
        except ResponseError as error:
            page = Page[stacks.Stack](error.partial, number, pages=_pages(error))  # a malformed stack counts as absent
        except (ConfigError, LoginError, Unauthenticated):
            raise
        except Cloud66Error as error:
            self._postpone(error)
            if is_temporary(error):
                self._index.fail()
            else:
                self._index.usable = False  # the token may read actions, but not the list
            return
        self.responded = True
        self._read.add(number)
        self._index.note(number, page)
        now = self._clock.now()
        for row in page.items:
            for stack in self._by_uid.get(row.uid, ()):
                self._seen.add(stack)
                if not stack.alone:
                    stack.observe(row, now)

    # --- actions ---------------------------------------------------------------------------------

    def _suspects(self, absent: Collection[WatchedStack]) -> list[WatchedStack]:
        """Return the stacks whose actions must be read, those first that have waited longest."""
        plan = self._index.plan(self._watched)
        singles = {stack for stack in plan.singles if stack in self.due and stack not in self._seen}
        singles.update(stack for stack in plan.singles if stack in self.due and stack.alone)
        self._index.spend(len(singles.intersection(plan.unknown)))
        found = [
            stack
            for stack in self._watched
            if stack.suspect
            or stack in singles
            or stack in absent
            or stack in self._noticed
            or (stack in self._seen and (stack.check_at <= self._now or stack.silent))
        ]
        return sorted(found, key=lambda stack: (not stack.suspect, stack.read_at or stack.since))

    def _age(self) -> float:
        """Return the age of the longest wait among those that depend on the list."""
        return max((stack.age(self._now) for stack in self._seen if not stack.alone), default=0.0)

    def _audited(self, chosen: Collection[WatchedStack]) -> list[WatchedStack]:
        """Return stacks to read that the list shows as unchanged."""
        rest = [stack for stack in self._watched if stack in self._seen and not stack.alone and stack not in chosen]
        return list(self._audit.choose(rest, self._age()))

    def _affordable(self, jobs: list[_Job]) -> list[_Job]:
        """Return as many jobs as there are requests left, but at least one."""
        return jobs if len(jobs) <= self._left else jobs[: max(1, int(self._left))]

    def _reader(self, stack: WatchedStack) -> Callable[[], Awaitable[None]]:
        return lambda: self.read_stack(stack)

    async def read_stack(self, stack: WatchedStack) -> None:
        """Read the states of the actions of one stack, together if there are several."""
        self._left -= 1
        wanted, found = dict(stack.targets), dict[int, Action]()
        if len(wanted) > 1:
            try:
                found = {action.id: action for action in (await stack.read_latest()).items}
            except ResponseError:
                pass  # one action in the list cannot be decoded: read each one separately
            except Exception as error:  # noqa: BLE001  raised in every task that waits for an action of this stack
                self._fail(error, wanted.values())
                return
        for number, target in wanted.items():
            if number in found:
                self._tell(stack, target, found[number])
            else:
                await self.read_target(stack, target)
        if stack in self._answered:
            stack.settle(self._clock.now(), finished=stack in self._finished)
        self._seen.add(stack)

    async def read_target(self, stack: WatchedStack, target: Target) -> None:
        """Read the state of one action."""
        try:
            found = await stack.read(target.number)
        except Exception as error:  # noqa: BLE001  raised in the tasks that wait for this action only
            self._fail(error, [target])
        else:
            self._tell(stack, target, found)

    def _tell(self, stack: WatchedStack, target: Target, action: Action) -> None:
        self.responded = True
        self._answered.add(stack)
        if action.finished:
            self._finished.add(stack)
            self._durations.add(target.label, action)
        target.tell(action, self._clock.now())

    def _fail(self, error: Exception, targets: Iterable[Target]) -> None:
        """Raise the error in the tasks that wait for these actions, unless it is temporary or concerns all tasks."""
        if isinstance(error, ConfigError | LoginError | Unauthenticated):
            raise error
        if isinstance(error, Cloud66Error) and is_temporary(error):
            self._postpone(error)
            return
        for target in targets:
            target.fail(error)

    def _postpone(self, error: Cloud66Error) -> None:
        """Let the next round wait until the server, or the reserve of the client, allows a request."""
        if isinstance(error, APIError):
            self.responded = True
        retry_at = error.retry_at if isinstance(error, APIError | QuotaError) else None
        if retry_at is not None:
            self.retry_at = retry_at if self.retry_at is None else max(retry_at, self.retry_at)

    async def _run(self, jobs: Iterable[Callable[[], Awaitable[None]]]) -> None:
        """Carry out jobs, with a part of the requests that the client may have in flight."""
        queue = deque(jobs)

        async def work() -> None:
            while queue:
                await queue.popleft()()

        limit = next(iter(self._watched)).sender.limit if queue else 1
        count = min(len(queue), max(1, limit // _SHARE_OF_LIMIT))
        if count < 2:
            await work()
            return
        tasks = [asyncio.create_task(work()) for _ in range(count)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def is_temporary(error: Cloud66Error) -> bool:
    """Return whether a later request may succeed."""
    return isinstance(error, TransportError | Throttled | ServerError | RequestTimeout | QuotaError)


class _Totals(msgspec.Struct):
    pages: int


class _Envelope(msgspec.Struct):
    pagination: _Totals


def _pages(error: ResponseError) -> int | None:
    """Return how many pages the list has, from a response in which a stack is malformed."""
    try:
        return (
            None
            if error.response is None
            else msgspec.json.decode(error.response.body, type=_Envelope).pagination.pages
        )
    except UNREADABLE:
        return None
