from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from cloud66_async import NotFound, Page, Pager, ServerError

from ..support import iterations, tasks_left


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
        following = number + 1 if number < last else None
        totals = (last, sum(self.sizes)) if self.totals else (None, None)
        return Page(self.items(number), number, following, *totals)

    def pager(self) -> Pager[str]:
        return Pager(self.read)


async def prefetched(pager: Pager[str], count: int = 4) -> list[str]:
    async with pager.prefetch(count) as items:
        return [item async for item in items]


async def iterated(pager: Pager[str]) -> list[str]:
    return [item async for item in pager]


async def awaited(pager: Pager[str]) -> list[str]:
    return await pager


async def by_pages(pager: Pager[str]) -> list[str]:
    return [item async for page in pager.pages() for item in page.items]


Reader = Callable[[Pager[str]], Any]
READERS: dict[str, Reader] = {
    "await": awaited,
    "async for": iterated,
    "pages": by_pages,
    "prefetch": prefetched,
    "prefetch(1)": lambda pager: prefetched(pager, 1),
    "prefetch(100)": lambda pager: prefetched(pager, 100),
}
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@pytest.fixture(autouse=True)
async def no_tasks_left() -> AsyncIterator[None]:
    before = tasks_left()
    yield
    await iterations()
    assert tasks_left() <= before


@every_reader
@pytest.mark.parametrize("sizes", [(0,), (1,), (30,), (30, 1), (30, 30), (2, 0, 3), (1,) * 20])
@pytest.mark.parametrize("totals", [True, False])
async def test_every_item_is_returned_once_in_order(reader: Reader, sizes: tuple[int, ...], totals: bool) -> None:
    listing = FakeListing(*sizes, totals=totals)
    assert await reader(listing.pager()) == listing.all_items()
    assert sorted(listing.requested) == list(range(1, len(sizes) + 1))


@every_reader
async def test_pager_can_be_read_twice(reader: Reader) -> None:
    listing = FakeListing(2, 2)
    pager = listing.pager()
    assert await reader(pager) == await reader(pager) == listing.all_items()
    assert len(listing.requested) == 4


async def test_pages_are_read_only_as_needed() -> None:
    listing = FakeListing(2, 2, 2)
    pager = listing.pager()
    async for item in pager:
        if item == "2.0":
            break
    assert listing.requested == [1, 2]


async def test_pages_have_totals() -> None:
    found = [page async for page in FakeListing(2, 1).pager().pages()]
    assert found == [Page(("1.0", "1.1"), 1, 2, 2, 3), Page(("2.0",), 2, None, 2, 3)]


async def test_first_reads_one_page() -> None:
    listing = FakeListing(2, 2)
    assert await listing.pager().first() == "1.0"
    assert listing.requested == [1]
    assert await FakeListing(0).pager().first() is None


async def test_page_returns_any_page() -> None:
    pager = FakeListing(2, 1).pager()
    assert (await pager.page(2)).items == ("2.0",)
    assert (await pager.page(9)).items == ()


@every_reader
@pytest.mark.parametrize("following", [1, 0, -1, 2])
async def test_unexpected_next_page_number_ends_the_list(reader: Reader, following: int) -> None:
    listing = FakeListing(1, 1)
    original_page = listing.page

    def unexpected_next(number: int) -> Page[str]:
        page = original_page(number)
        return page if number == 1 else Page(page.items, number, following, 2, 2)

    listing.page = unexpected_next  # type: ignore[method-assign]
    assert await reader(listing.pager()) == listing.all_items()


@every_reader
async def test_list_that_shrinks_while_being_read_ends_early(reader: Reader) -> None:
    listing = FakeListing(1, 1, 1, 1, 1, 1)

    async def shrink(number: int) -> None:
        if number == 2:
            del listing.sizes[2:]

    listing.before = shrink
    found = await reader(listing.pager())
    assert found == ["1.0", "2.0"]


@every_reader
async def test_list_that_grows_while_being_read_is_read_completely(reader: Reader) -> None:
    listing = FakeListing(1, 1)

    async def grow(number: int) -> None:
        if number == 2 and len(listing.sizes) < 5:
            listing.sizes += [1, 1, 1]

    listing.before = grow
    assert await reader(listing.pager()) == ["1.0", "2.0", "3.0", "4.0", "5.0"]


@every_reader
@pytest.mark.parametrize("number", [1, 2, 5])
async def test_page_error_propagates_unchanged(reader: Reader, number: int) -> None:
    listing = FakeListing(1, 1, 1, 1, 1)
    listing.errors[number] = error = ServerError("500", status=500)
    with pytest.raises(ServerError) as caught:
        await reader(listing.pager())
    assert caught.value is error
    assert tasks_left() == set()


async def test_items_before_a_page_error_are_returned() -> None:
    listing = FakeListing(1, 1, 1, 1, 1)
    listing.errors[3] = ServerError("500", status=500)
    found: list[str] = []
    with pytest.raises(ServerError):
        async with listing.pager().prefetch(4) as items:
            async for item in items:
                found.append(item)  # noqa: PERF401  a comprehension would lose them
    assert found == ["1.0", "2.0"]


async def test_error_of_a_page_beyond_the_end_is_ignored() -> None:
    listing = FakeListing(1, 1, 1, 1)
    listing.errors[3] = listing.errors[4] = NotFound("404", status=404)

    async def shrink(number: int) -> None:
        if number == 1:
            return
        await iterations(number)
        listing.sizes[2:] = []

    listing.before = shrink
    assert await prefetched(listing.pager()) == ["1.0", "2.0"]


# --- prefetch() -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 8])
async def test_at_most_count_pages_are_read_concurrently(count: int) -> None:
    listing = FakeListing(*[1] * 12)
    listing.before = lambda _: iterations(3)
    assert await prefetched(listing.pager(), count) == listing.all_items()
    assert listing.most_in_flight == count


async def test_order_is_kept_if_later_pages_arrive_first() -> None:
    listing = FakeListing(*[2] * 9)
    listing.before = lambda number: iterations(50 - 5 * number)
    assert await prefetched(listing.pager(), 8) == listing.all_items()


async def test_pages_are_requested_before_their_items_are_needed() -> None:
    listing = FakeListing(1, 1, 1, 1, 1, 1)
    released = asyncio.Event()

    async def hold(number: int) -> None:
        if number > 1:
            await released.wait()

    listing.before = hold
    async with listing.pager().prefetch(3) as items:
        assert await anext(items) == "1.0"
        await iterations()
        assert listing.in_flight == {2, 3, 4}
        released.set()
        assert await anext(items) == "2.0"
        await iterations()
        assert listing.requested == [1, 2, 3, 4, 5]


async def test_pages_are_read_one_by_one_without_totals() -> None:
    listing = FakeListing(1, 1, 1, totals=False)
    assert await prefetched(listing.pager(), 8) == listing.all_items()
    assert listing.most_in_flight == 1


async def test_leaving_cancels_pages_in_flight() -> None:
    listing = FakeListing(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 2:
            await asyncio.Event().wait()

    listing.before = hold
    async with listing.pager().prefetch(4) as items:
        async for item in items:
            if item == "2.0":
                break
    assert sorted(listing.cancelled) == [3, 4, 5]
    assert tasks_left() == set()


async def test_leaving_without_iterating_reads_nothing() -> None:
    listing = FakeListing(1, 1)
    async with listing.pager().prefetch():
        pass
    assert listing.requested == []


class CustomError(Exception):
    pass


async def test_error_in_block_propagates_unchanged() -> None:
    listing = FakeListing(*[1] * 9)
    error = CustomError()
    with pytest.raises(CustomError) as caught:
        async with listing.pager().prefetch(4) as items:
            await anext(items)
            await iterations()
            raise error
    assert caught.value is error
    assert tasks_left() == set()


async def test_errors_of_unread_pages_are_not_reported() -> None:
    """Warnings are errors: an exception that is never retrieved would fail this test on garbage collection."""
    listing = FakeListing(*[1] * 9)
    listing.errors = {number: ServerError("500", status=500) for number in (3, 4, 5)}
    loop = asyncio.get_running_loop()
    reported: list[Any] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    async with listing.pager().prefetch(4) as items:
        await anext(items)
        await iterations()
    with pytest.raises(ServerError):
        await prefetched(listing.pager())
    gc.collect()
    await iterations()
    assert reported == []


async def test_deadline_raises_builtin_timeout_error() -> None:
    listing = FakeListing(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    listing.before = hold
    with pytest.raises(TimeoutError), anyio.fail_after(0.01):
        await prefetched(listing.pager())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await prefetched(listing.pager())
    assert tasks_left() == set()


async def test_cancelling_reader_cancels_pages_in_flight() -> None:
    listing = FakeListing(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    listing.before = hold
    task = asyncio.create_task(prefetched(listing.pager()))
    await iterations()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(listing.cancelled) == [2, 3, 4, 5]


@pytest.mark.parametrize("count", [0, -1])
async def test_count_below_one_raises_value_error_immediately(count: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        FakeListing(1).pager().prefetch(count)


class FailingOnCancel(FakeListing):
    """A list whose pages raise ServerError when they are cancelled."""

    async def read(self, number: int) -> Page[str]:
        try:
            return await super().read(number)
        except asyncio.CancelledError:
            raise ServerError("500", status=500) from None


async def test_page_error_during_cancellation_is_neither_raised_nor_reported() -> None:
    listing = FailingOnCancel(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    listing.before = hold
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with listing.pager().prefetch(4) as items:
        await anext(items)
        await iterations()
    task = asyncio.create_task(prefetched(listing.pager()))
    await iterations()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    await iterations()
    assert reported == []
