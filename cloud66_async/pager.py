"""Pager: a list that is read page by page, as far as it is needed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

from .operation import Page

__all__ = ["Page", "Pager"]

T = TypeVar("T")


class Pager(Generic[T]):
    """A list of the API. Nothing is sent until it is read.

    `await` it for every item as a list, `async for` it item by item; `pages()` gives the pages with their
    totals, `first()` one item, `ahead()` reads pages side by side.
    """

    def __init__(self, read: Callable[[int], Awaitable[Page[T]]]) -> None:
        self._read = read

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return [item async for item in self]

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Every page, each read when it is asked for."""
        number: int | None = 1
        while number is not None:
            page = await self._read(number)
            yield page
            number = _after(page, number)

    async def page(self, number: int) -> Page[T]:
        """The page with this number, from 1. One beyond the end is empty."""
        return await self._read(number)

    async def first(self) -> T | None:
        """The first item, None where the list is empty. Reads one page."""
        page = await self.page(1)
        return page.items[0] if page.items else None

    def ahead(self, count: int = 4) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Every item in order, while up to `count` further pages are being read.

        A context manager that gives an iterator. How many pages there are comes from the first page; where
        it does not say, page after page is read. A list that shrinks meanwhile ends early. Leaving the
        block cancels what is still being read.
        """
        if count < 1:
            raise ValueError("count must be at least 1")
        return self._ahead(count)

    @asynccontextmanager
    async def _ahead(self, count: int) -> AsyncGenerator[AsyncIterator[T]]:
        tasks: deque[asyncio.Task[Page[T]]] = deque()
        items = self._items_ahead(count, tasks)
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
                    task.exception()  # seen: the reader has left

    async def _items_ahead(self, count: int, tasks: deque[asyncio.Task[Page[T]]]) -> AsyncGenerator[T]:
        page = await self._read(1)
        after = _after(page, 1)
        last = page.pages if page.pages is not None else after
        upcoming = 2
        while True:
            while after is not None and last is not None and upcoming <= last and len(tasks) < count:
                tasks.append(asyncio.ensure_future(self._read(upcoming)))
                upcoming += 1
            for item in page.items:
                yield item
            if after is None or not tasks:
                return
            number = upcoming - len(tasks)
            # Not taken out before it has arrived: what is in `tasks` is cancelled when the reader leaves.
            page = await asyncio.shield(tasks[0])
            tasks.popleft()
            after = _after(page, number)
            last = max(last or 0, after or 0)


def _after(page: Page[Any], number: int) -> int | None:
    """The number of the next page; None on the last, and where `next` does not grow."""
    return page.next if page.next is not None and page.next > number else None
