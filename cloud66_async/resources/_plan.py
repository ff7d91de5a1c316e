"""Reading many things by their ids with as few requests as it takes: one by one, or from the pages of their list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

import attrs

from .. import bulk
from ..errors import AnswerError, BulkError, Cloud66Error
from ..operation import Page
from ..pager import Pager

__all__ = ["BulkReport", "Fetched", "fetch"]

T = TypeVar("T")
Result = bulk.Ok[str, T] | bulk.Failed[str]


@attrs.frozen(kw_only=True)
class BulkReport:
    """What reading many things took: how many `pages` of their list, and how many `singles` one by one."""

    pages: int = 0
    singles: int = 0

    @property
    def requests(self) -> int:
        """How many requests there were, repeated ones not counted."""
        return self.pages + self.singles


class Fetched(tuple[T, ...], Generic[T]):  # noqa: SLOT001  the report is not one of its items
    """Things in the order in which they were asked for; `report` says what that took."""

    report: BulkReport = BulkReport()


async def fetch(
    ids: Iterable[str],
    get: Callable[[str], Awaitable[T]],
    *,
    listed: Pager[T] | None,
    key: Callable[[T], str],
    limit: int,
) -> Fetched[T]:
    """The thing with each of these ids, from the pages of `listed` where that takes fewer requests.

    Without `listed` one by one. How many pages there are is known from the first, so a list that turns
    out too long costs one request. Raises BulkError, which holds all that arrived and the report.
    """
    wanted = list(ids)
    found: dict[str, Result[T]] = {}
    search = _Search(wanted, found, key)
    if listed is not None and len(search.missing) > 1:
        await search.through(listed, limit)
    singles = list(search.missing)
    found.update({result.item: result for result in await bulk.collect(get, singles, limit=limit)})
    report = BulkReport(pages=search.pages, singles=len(singles))
    try:
        fetched = Fetched(bulk.values([found[uid] for uid in wanted]))
    except BulkError as error:
        error.report = report
        raise
    fetched.report = report
    return fetched


class _Search(Generic[T]):
    """Looks for things in the pages of their list."""

    def __init__(self, wanted: Iterable[str], found: dict[str, Result[T]], key: Callable[[T], str]) -> None:
        self.missing = dict.fromkeys(wanted)
        self.pages = 0
        self._found = found
        self._key = key

    async def through(self, listed: Pager[T], limit: int) -> None:
        """Read the first page and, if the others are fewer than what is missing, those side by side."""
        first = await self._read([1], listed, limit)
        if first is None or first.pages is None or first.pages - 1 >= len(self.missing):
            return
        await self._read(range(2, first.pages + 1), listed, limit)

    async def _read(self, numbers: Iterable[int], listed: Pager[T], limit: int) -> Page[T] | None:
        """Take what is wanted from these pages; the last of them that could be read."""
        last: Page[T] | None = None
        for result in await bulk.collect(listed.page, numbers, limit=limit):
            self.pages += 1
            if isinstance(result, bulk.Ok):
                last = result.value
                self._take(last.items)
            elif isinstance(result.error, AnswerError):
                self._take(result.error.partial)  # the rest is read one by one
            else:
                self._give_up(result.error)
        return last

    def _take(self, items: Iterable[T]) -> None:
        for item in items:
            uid = self._key(item)
            if uid in self.missing:
                del self.missing[uid]
                self._found[uid] = bulk.Ok(uid, item)

    def _give_up(self, error: Cloud66Error) -> None:
        # What ended this request would end one for each missing thing too.
        self._found.update({uid: bulk.Failed(uid, error) for uid in self.missing})
        self.missing.clear()
