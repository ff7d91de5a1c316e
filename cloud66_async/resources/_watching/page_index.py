"""On which pages of the list stacks are, and which way of reading them takes the fewest requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from ...operation import Page
from ..stacks import Stack
from .watched import WatchedStack

__all__ = ["Audit", "PageIndex", "Plan"]

_MAX_PAGES = 10_000
_MAX_FAILURES = 3
_MAX_SINGLES = 8
_FIRST_AUDIT = 300.0


@attrs.frozen
class Plan:
    """How stacks are read: those that share a page of the list with it, the others by themselves.

    `unknown` has those whose page is not known. They are among `singles`.
    """

    pages: Mapping[int, Sequence[WatchedStack]]
    singles: Sequence[WatchedStack]
    unknown: Sequence[WatchedStack]

    @property
    def cost(self) -> int:
        """The number of requests that it takes to read every stack once."""
        return len(self.pages) + len(self.singles)


class PageIndex:
    """The pages on which stacks were last seen."""

    def __init__(self) -> None:
        self.count: int | None = None
        self.usable = True
        self._page: dict[str, int] = {}
        self._uids: dict[int, Collection[str]] = {}
        self._spent = 0  # requests for stacks whose page is not known
        self._failures = 0

    def plan(self, stacks: Iterable[WatchedStack]) -> Plan:
        """Return how these stacks are read with the fewest requests."""
        pages: dict[int, list[WatchedStack]] = {}
        singles: list[WatchedStack] = []
        unknown: list[WatchedStack] = []
        for stack in stacks:
            number = self._page.get(stack.uid)
            if stack.alone or not self.usable:
                singles.append(stack)
            elif number is None:
                unknown.append(stack)
            else:
                pages.setdefault(number, []).append(stack)
        for number in [number for number, group in pages.items() if len(group) == 1]:
            singles += pages.pop(number)
        return Plan(pages, [*singles, *unknown], unknown)

    def knows(self, stack: WatchedStack) -> bool:
        """Return whether the page of this stack is known."""
        return stack.uid in self._page

    def is_worth_reading(self, unknown: int, unread: int) -> bool:
        """Return whether to read the pages that were not read in this round, to find stacks.

        It is if that takes no more requests than the stacks themselves, or if these have already taken far more.
        """
        return self.count is not None and (unknown >= unread or self._spent >= _MAX_SINGLES * self.count)

    def spend(self, requests: int) -> None:
        """Count requests for stacks whose page is not known."""
        self._spent += requests

    def found_all(self) -> None:
        """Note that the whole list was read."""
        self._spent = 0

    def note(self, number: int, page: Page[Stack]) -> None:
        """Take the places of stacks from a page. Those that are no longer on it are forgotten."""
        self._failures = 0
        for uid in self._uids.get(number, ()):
            if self._page.get(uid) == number:
                del self._page[uid]
        self._uids[number] = uids = [stack.uid for stack in page.items]
        self._page.update(dict.fromkeys(uids, number))
        if page.pages is not None:
            self.count = page.pages
        elif self.count is None:
            self.count = number if page.next is None else _MAX_PAGES + 1
        self.usable = self.usable and self.count <= _MAX_PAGES

    def fail(self) -> None:
        """Note that a page could not be read. After three in a row, the list is no longer used."""
        self._failures += 1
        self.usable = self.usable and self._failures < _MAX_FAILURES


class Audit:
    """Actions that are read although the list shows no change, because the list may be wrong.

    One is read when the longest wait is 5 minutes old, then at twice that age, and so on. If it turns out to have
    finished, twice as many are read the next time, until one of them has not finished.
    """

    def __init__(self) -> None:
        self._next = _FIRST_AUDIT
        self._size = 1

    def choose(self, stacks: Sequence[WatchedStack], age: float) -> Sequence[WatchedStack]:
        """Return which of these stacks to read, if the longest wait is `age` seconds old."""
        if age < self._next:
            return ()
        ordered = sorted(stacks, key=lambda stack: stack.read_at or stack.since)
        return ordered[: self._size]

    def learn(self, finished: Sequence[bool], age: float) -> None:
        """Take into account whether the actions of the chosen stacks had finished."""
        if not finished:
            return
        if all(finished):
            self._size *= 2
        else:
            self._size, self._next = 1, 2.0 * age
