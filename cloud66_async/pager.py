"""Pager: a list of the API, read page by page."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

from ._core.arguments import check_limit
from ._core.loop import running_loop
from .operation import Call, Page

__all__ = ["Page", "Pager"]

T = TypeVar("T")


class _Items(list[T]):
    """A list that notebooks show as a table. In everything else, it is a plain list, as its copies are."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return list, (), None, iter(self)

    def _repr_html_(self) -> str | None:
        """Return the first items as a table, or None if they are not models."""
        from ._core.model import Model  # imported lazily, as the next line: only notebooks need it
        from ._core.notebook import MAX_ROWS, list_table

        models = [item.to_dict(words=True) for item in self[:MAX_ROWS] if isinstance(item, Model)]
        return list_table(models, total=len(self)) if models else None


class Pager(Generic[T]):
    """A list of the API. No request is sent until it is read.

    `await` it for every item as a list, or iterate over it with `async for`. `pages()` returns the pages with their
    totals, `first()` one item, and `prefetch()` reads pages concurrently.
    """

    def __init__(self, read: Callable[[int], Coroutine[Any, Any, Page[T]]], call: Call[Any] | None = None) -> None:
        self._read = read
        self._call = call

    def __repr__(self) -> str:
        name = "Pager" if self._call is None else f"Pager of {self._call}"
        return f"<{name}: await it for a list, or iterate over it with `async for`>"

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        items: _Items[T] = _Items()
        async for page in self.pages():
            items.extend(page.items)
        return items

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Yield every page. Each page is read when it is needed."""
        number: int | None = 1
        while number is not None:
            page = await self._read(number)
            yield page
            number = _after(page, number)

    async def page(self, number: int) -> Page[T]:
        """Read the page with this number, starting at 1. A page after the last one is empty."""
        check_limit("number", number, maximum=None)
        return await self._read(number)

    async def first(self) -> T | None:
        """Return the first item, or None if the list is empty. Reads one page."""
        page = await self.page(1)
        return page.items[0] if page.items else None

    def prefetch(self, count: int = 4) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Iterate over every item in order while up to `count` further pages are read concurrently.

        Use it as a context manager; it returns an async iterator. The first page tells how many pages there are; if
        it does not, pages are read one by one. A list that becomes shorter in the meantime ends early. Leaving the
        block cancels the remaining requests. Raises ValueError if `count` is less than 1.
        """
        check_limit("count", count)
        return self._prefetch(count)

    @asynccontextmanager
    async def _prefetch(self, count: int) -> AsyncGenerator[AsyncIterator[T]]:
        tasks: deque[asyncio.Task[Page[T]]] = deque()
        items = self._prefetched_items(count, tasks)
        try:
            yield items
        finally:
            await items.aclose()
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # mark as retrieved: there is no reader any more

    async def _prefetched_items(self, count: int, tasks: deque[asyncio.Task[Page[T]]]) -> AsyncGenerator[T]:
        loop = running_loop()
        page = await self._read(1)
        after = _after(page, 1)
        last = page.pages if page.pages is not None else after
        upcoming = 2
        while True:
            while after is not None and last is not None and upcoming <= last and len(tasks) < count:
                tasks.append(loop.create_task(self._read(upcoming)))
                upcoming += 1
            for item in page.items:
                yield item
            if after is None or not tasks:
                return
            number = upcoming - len(tasks)
            # The task stays in `tasks` until it is done, because those are cancelled when the block exits.
            page = await asyncio.shield(tasks[0])
            tasks.popleft()
            after = _after(page, number)
            last = max(last or 0, after or 0)


def _after(page: Page[Any], number: int) -> int | None:
    """Return the number of the next page, or None on the last page and if `next` is not greater than `number`."""
    return page.next if page.next is not None and page.next > number else None
