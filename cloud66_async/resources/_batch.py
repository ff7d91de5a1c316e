"""Reading many resources by ID with the fewest requests: one by one, or from the pages of their list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from .. import bulk
from .._core.arguments import check_iterable, check_limit, check_text
from ..bulk import BatchReport, BatchResult, BulkError
from ..errors import Cloud66Error, ResponseError
from ..operation import Page
from ..pager import Pager

__all__ = ["fetch"]

T = TypeVar("T")
Result = bulk.Ok[str, T] | bulk.Failed[str]


async def fetch(
    ids: Iterable[str],
    get: Callable[[str], Awaitable[T]],
    *,
    listed: Pager[T] | None,
    key: Callable[[T], str],
    limit: int,
) -> BatchResult[T]:
    """Return the resource with each of these IDs, from the pages of `listed` if that takes fewer requests.

    Without `listed`, resources are read one by one. The first page tells how many pages there are, so a list that is
    too long costs one request. Raises BulkError, which holds every resource that was read, and the report.
    """
    check_iterable("IDs", ids)
    check_limit("limit", limit)
    wanted = list(ids)
    for uid in wanted:
        check_text("ID", uid)
    found: dict[str, Result[T]] = {}
    search = _Search(wanted, found, key)
    if listed is not None and len(search.missing) > 1:
        await search.read(listed, limit)
    singles = list(search.missing)
    found.update({result.item: result for result in await bulk.collect(get, singles, limit=limit)})
    report = BatchReport(pages=search.pages, singles=len(singles))
    try:
        values = bulk.values([found[uid] for uid in wanted])
    except BulkError as error:
        error.report = report
        raise
    result = BatchResult(values)
    result.report = report
    return result


class _Search(Generic[T]):
    """A search for resources in the pages of their list."""

    def __init__(self, wanted: Iterable[str], found: dict[str, Result[T]], key: Callable[[T], str]) -> None:
        self.missing = dict.fromkeys(wanted)
        self.pages = 0
        self._found = found
        self._key = key

    async def read(self, listed: Pager[T], limit: int) -> None:
        """Read the first page and, if the others are fewer than the missing resources, those concurrently."""
        first = await self._read([1], listed, limit)
        if first is None or first.pages is None or first.pages - 1 >= len(self.missing):
            return
        await self._read(range(2, first.pages + 1), listed, limit)

    async def _read(self, numbers: Iterable[int], listed: Pager[T], limit: int) -> Page[T] | None:
        """Take the wanted resources from these pages. Return the last page that could be read."""
        last: Page[T] | None = None
        for result in await bulk.collect(listed.page, numbers, limit=limit):
            self.pages += 1
            if isinstance(result, bulk.Ok):
                last = result.value
                self._take(last.items)
            elif isinstance(result.error, ResponseError):
                self._take(result.error.partial)  # the others are read one by one
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
        # An error that ended this request would also end a request for each missing resource.
        self._found.update({uid: bulk.Failed(uid, error) for uid in self.missing})
        self.missing.clear()
