"""Lists with pages that can wait, fail and change, for tests of `Pager`."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from cloud66_async import Cloud66, Page, Pager

from ..support import TOKEN, packet

__all__ = ["READERS", "FakeListing", "Reader", "awaited", "every_reader", "iterated", "prefetched", "serving"]

_PAGE = re.compile(rb"[?&]page=(\d+)")


class FakeListing:
    """A paginated list whose pages can wait, fail and change, and which records the pages requested."""

    def __init__(self, *sizes: int, totals: bool = True) -> None:
        self.sizes = list(sizes)
        self.totals = totals
        self.requested: list[int] = []
        self.in_flight: set[int] = set()
        self.most_in_flight = 0
        self.cancelled: list[int] = []
        self.before: Callable[[int], Any] = lambda _: asyncio.sleep(0)
        self.errors: dict[int, Exception] = {}
        self.following: dict[int, int | None] = {}
        self.reported_pages: int | None = None
        self._gates: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    def items(self, number: int) -> tuple[str, ...]:
        return tuple(f"{number}.{index}" for index in range(self.sizes[number - 1]))

    def all_items(self) -> list[str]:
        return [item for number in range(1, len(self.sizes) + 1) for item in self.items(number)]

    async def read(self, number: int) -> Page[str]:
        self.requested.append(number)
        self.in_flight.add(number)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        try:
            await self.before(number)
            if number in self.errors:
                raise self.errors[number]
            return self.page(number)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self.in_flight.discard(number)

    def page(self, number: int) -> Page[str]:
        last = len(self.sizes)
        if number > last:
            return Page((), number)
        following = self.following.get(number, number + 1 if number < last else None)
        totals = (self.reported_pages or last, sum(self.sizes)) if self.totals else (None, None)
        return Page(self.items(number), number, following, *totals)

    def pager(self, limit: int = 32) -> Pager[str]:
        return Pager(self.read, limit=limit)

    def hold(self, *, released: int = 0) -> None:
        """Let every page wait for `release`, except so many first ones."""
        self.release(*range(1, released + 1))
        self.before = lambda number: self._gates[number].wait()

    def release(self, *numbers: int) -> None:
        """Let these pages arrive."""
        for number in numbers:
            self._gates[number].set()


async def prefetched(pager: Pager[str], count: int = 4) -> list[str]:
    async with pager.prefetch(count) as items:
        return [item async for item in items]


async def iterated(pager: Pager[str]) -> list[str]:
    return [item async for item in pager]


async def awaited(pager: Pager[str]) -> list[str]:
    return await pager


async def by_pages(pager: Pager[str]) -> list[str]:
    return [item async for page in pager.pages() for item in page.items]


Reader = Callable[[Pager[str]], Awaitable[list[str]]]
READERS: dict[str, Reader] = {
    "await": awaited,
    "async for": iterated,
    "pages": by_pages,
    "prefetch": prefetched,
    "prefetch(1)": lambda pager: prefetched(pager, 1),
    "prefetch(100)": lambda pager: prefetched(pager, 100),
}
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@asynccontextmanager
async def serving(listing: FakeListing, **options: Any) -> AsyncGenerator[Cloud66]:
    """Serve the listing's items as stacks on a local port, and yield a client for it.

    A page whose connection is closed by the client is cancelled, as the listing records.
    """
    handlers: set[asyncio.Task[Any]] = set()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while body := await _respond(listing, reader):
                writer.write(body)
                await writer.drain()
        writer.close()
        handlers.discard(task)

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    try:
        async with Cloud66(TOKEN, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", **options) as c66:
            yield c66
    finally:
        server.close()
        while handlers:
            await asyncio.wait(handlers)


async def _respond(listing: FakeListing, reader: asyncio.StreamReader) -> bytes:
    """Return the response to the next request, or nothing if the client closes the connection first."""
    found = _PAGE.search(await reader.readuntil(b"\r\n\r\n"))
    page = asyncio.ensure_future(listing.read(int(found[1]) if found else 1))
    closed = asyncio.ensure_future(reader.read(1))
    await asyncio.wait((page, closed), return_when=asyncio.FIRST_COMPLETED)
    for future in (page, closed):
        future.cancel()
    await asyncio.wait((page, closed))
    if page.cancelled():
        return b""
    if page.exception() is not None:
        return packet(b"{}", "500 Internal Server Error")
    items, number, following, pages, count = (getattr(page.result(), name) for name in Page.__struct_fields__)
    pagination = {"current": number, "next": following, "pages": pages, "count": count}
    return packet(json.dumps({"response": [{"uid": item} for item in items], "pagination": pagination}).encode())
