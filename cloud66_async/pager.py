"""Pager: a list of the API, read page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Generic, TypeVar

from ._core.arguments import check_limit
from ._core.deadline import inherit_deadlines
from .errors import ResponseError
from .operation import Call, Page

__all__ = ["Page", "Pager"]

T = TypeVar("T")
_Read = Callable[[int], Coroutine[Any, Any, Page[T]]]

# How many pages `async for` reads ahead: few at first, because requests are scarce and many loops end early.
_FIRST_WIDTH = 4
_MAX_WIDTH = 32
_MAX_PAGES = 100_000  # a server that still names a next page is wrong


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

    `await` it for every item as a list, or iterate over it with `async for`. Both read pages concurrently when the
    first one has told how many there are. `pages()` returns the pages with their totals, `first()` one item, and
    `prefetch()` reads a fixed number of pages ahead.
    """

    def __init__(self, read: _Read[T], call: Call[Any] | None = None, *, limit: int = _MAX_WIDTH) -> None:
        self._read = read
        self._call = call
        self._limit = limit

    def __repr__(self) -> str:
        name = "Pager" if self._call is None else f"Pager of {self._call}"
        return f"<{name}: await it for a list, or iterate over it with `async for`>"

    def __await__(self) -> Generator[Any, None, list[T]]:
        """Return every item. At most as many pages are read at a time as the client has connections.

        The first error of a page cancels the other requests and is raised.
        """
        return self._all().__await__()

    async def _all(self) -> list[T]:
        page = await self._read(1)
        items: _Items[T] = _Items(page.items)
        number = _after(page, 1)
        last = _last_known(page, 1)
        found = await _read_concurrently(self._read, last, self._limit) if last > 2 else {}
        while number is not None:
            page = found[number] if number in found else await self._read(number)
            items.extend(page.items)
            number = _after(page, number)
        return items

    def __aiter__(self) -> AsyncGenerator[T]:
        """Yield every item in order.

        No further page is read before half of the first one was used. Then four pages are read ahead, and with each
        further page twice as many, up to 32. An error is raised after the items of the pages before it.
        """
        max_width = min(_MAX_WIDTH, self._limit)
        return self._iterate(min(_FIRST_WIDTH, max_width), max_width)

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

        Use it as a context manager; it returns an async iterator. Unlike `async for`, it reads this many pages ahead
        as soon as the first one has arrived. That page tells how many pages there are; if it does not, pages are read
        one by one. A list that becomes shorter in the meantime ends early. Leaving the block cancels the remaining
        requests. Raises ValueError if `count` is less than 1.
        """
        check_limit("count", count)
        return aclosing(self._iterate(count, count, at_once=True))

    async def _iterate(self, width: int, max_width: int, *, at_once: bool = False) -> AsyncGenerator[T]:
        """Yield every item. Read `width` pages ahead, and with each page twice as many, up to `max_width`.

        With `at_once`, they are requested before the items of a page are yielded, otherwise when half of them were.
        """
        # Plain tasks: an iteration may end in another task than it began in, which no cancel scope survives.
        window = _Window(self._read)
        try:
            number: int | None = 1
            while number is not None:
                page = await window.take(number)
                half = 0 if at_once else len(page.items) // 2 + 1
                for item in page.items[:half]:
                    yield item
                window.fill(page, number, width)
                width = min(2 * width, max_width)
                for item in page.items[half:]:
                    yield item
                number = _after(page, number)
        finally:
            await window.close()


class _Window(Generic[T]):
    """The pages of a list that are read ahead of the one in use."""

    __slots__ = ("_read", "_tasks")

    def __init__(self, read: _Read[T]) -> None:
        self._read = read
        self._tasks: dict[int, asyncio.Task[Page[T]]] = {}

    def fill(self, page: Page[T], number: int, width: int) -> None:
        """Start reading the pages after `page`, which has this number, up to `width` at a time."""
        last = min(_last_known(page, number), number + width)
        missing = [following for following in range(number + 1, last + 1) if following not in self._tasks]
        if missing:
            loop, context = asyncio.get_running_loop(), inherit_deadlines()
            for following in missing:
                self._tasks[following] = context.run(loop.create_task, self._read(following))

    async def take(self, number: int) -> Page[T]:
        """Return the page with this number, wherever it comes from."""
        task = self._tasks.get(number)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            return await self._read(number)
        if not task.done():
            await asyncio.wait((task,))  # if the reader is cancelled, the task is left to `close`
        del task  # a failed task in this frame would be a reference cycle: error -> traceback -> frame -> task
        return self._tasks.pop(number).result()

    async def close(self) -> None:
        """Cancel the requests in flight."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        if tasks:
            await _end(tasks)


async def _read_concurrently(read: _Read[T], last: int, limit: int) -> dict[int, Page[T]]:
    """Return the pages from 2 to `last` by number, or to an earlier one that turns out to be the last.

    At most `limit` pages are read at a time. Raises the first error, after cancelling the other requests.
    """
    found: dict[int, Page[T]] = {}
    numbers = iter(range(2, last + 1))

    async def work() -> None:
        nonlocal last
        for number in numbers:
            if number > last:
                return
            page = found[number] = await read(number)
            if _after(page, number) is None:
                last = min(last, number)

    loop, context = asyncio.get_running_loop(), inherit_deadlines()
    tasks = [context.run(loop.create_task, work()) for _ in range(min(limit, last - 1))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        done = [task for task in tasks if task.done()]
        while done:
            done.pop(0).result()  # not in a variable: see `_Window.take`
    except BaseException:
        await _end(tasks)
        raise
    return found


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks, wait for them even if the current task is cancelled meanwhile, and clear the list."""
    loop = asyncio.get_running_loop()
    for task in tasks:
        if not task.get_loop().is_closed():
            task.cancel()
    # Tasks of another event loop, in which the iteration began, would never end here.
    waiting: list[asyncio.Task[Any]] = [task for task in tasks if task.get_loop() is loop and not task.done()]
    cancelled: asyncio.CancelledError | None = None
    while waiting:
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
        waiting = [task for task in waiting if not task.done()]
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # mark as retrieved: there is no reader any more
    tasks.clear()
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled  # break the reference cycle: error -> traceback -> frame -> error


def _after(page: Page[Any], number: int) -> int | None:
    """Return the number of the next page, or None on the last page and if `next` is not greater than `number`.

    Raises ResponseError if there are more pages than any list can have.
    """
    if page.next is None or page.next <= number:
        return None
    if number > _MAX_PAGES:
        raise ResponseError(f"the list does not end: page {number} names a next one")
    return page.next


def _last_known(page: Page[Any], number: int) -> int:
    """Return the number of the last page that can be read now: later ones may not exist, or have other numbers.

    A response may contain any number, so it must not be used to allocate anything.
    """
    following = number + 1
    if page.next != following:
        return number
    return following if page.pages is None else page.pages
