from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from cloud66_async import NotFound, Page, Pager, ServerError

from ..support import iterations, tasks_left


class Book:
    """A list of pages that can be read, wait, fail and change."""

    def __init__(self, *sizes: int, totals: bool = True) -> None:
        self.sizes = list(sizes)
        self.totals = totals
        self.received: list[int] = []
        self.in_flight: set[int] = set()
        self.most_in_flight = 0
        self.cancelled: list[int] = []
        self.before: Callable[[int], Any] = lambda _: asyncio.sleep(0)
        self.errors: dict[int, Exception] = {}

    def items(self, number: int) -> tuple[str, ...]:
        return tuple(f"{number}.{place}" for place in range(self.sizes[number - 1]))

    def all(self) -> list[str]:
        return [item for number in range(1, len(self.sizes) + 1) for item in self.items(number)]

    async def read(self, number: int) -> Page[str]:
        self.received.append(number)
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


async def ahead(pager: Pager[str], count: int = 4) -> list[str]:
    async with pager.prefetch(count) as items:
        return [item async for item in items]


async def one_by_one(pager: Pager[str]) -> list[str]:
    return [item async for item in pager]


async def awaited(pager: Pager[str]) -> list[str]:
    return await pager


async def by_pages(pager: Pager[str]) -> list[str]:
    return [item async for page in pager.pages() for item in page.items]


Way = Callable[[Pager[str]], Any]
WAYS: dict[str, Way] = {
    "await": awaited,
    "async for": one_by_one,
    "pages": by_pages,
    "ahead": ahead,
    "ahead(1)": lambda pager: ahead(pager, 1),
    "ahead(100)": lambda pager: ahead(pager, 100),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    before = tasks_left()
    yield
    await iterations()
    assert tasks_left() <= before


@every_way
@pytest.mark.parametrize("sizes", [(0,), (1,), (30,), (30, 1), (30, 30), (2, 0, 3), (1,) * 20])
@pytest.mark.parametrize("totals", [True, False])
async def test_every_item_comes_once_and_in_order(way: Way, sizes: tuple[int, ...], totals: bool) -> None:
    book = Book(*sizes, totals=totals)
    assert await way(book.pager()) == book.all()
    assert sorted(book.received) == list(range(1, len(sizes) + 1))


@every_way
async def test_a_pager_can_be_read_again(way: Way) -> None:
    book = Book(2, 2)
    pager = book.pager()
    assert await way(pager) == await way(pager) == book.all()
    assert len(book.received) == 4


async def test_nothing_is_read_before_it_is_needed() -> None:
    book = Book(2, 2, 2)
    pager = book.pager()
    async for item in pager:
        if item == "2.0":
            break
    assert book.received == [1, 2]


async def test_pages_come_with_their_totals() -> None:
    found = [page async for page in Book(2, 1).pager().pages()]
    assert found == [Page(("1.0", "1.1"), 1, 2, 2, 3), Page(("2.0",), 2, None, 2, 3)]


async def test_first_reads_one_page() -> None:
    book = Book(2, 2)
    assert await book.pager().first() == "1.0"
    assert book.received == [1]
    assert await Book(0).pager().first() is None


async def test_any_page_can_be_read() -> None:
    pager = Book(2, 1).pager()
    assert (await pager.page(2)).items == ("2.0",)
    assert (await pager.page(9)).items == ()


@every_way
@pytest.mark.parametrize("following", [1, 0, -1, 2])
async def test_a_next_that_does_not_grow_ends_the_list(way: Way, following: int) -> None:
    book = Book(1, 1)
    usual = book.page

    def odd(number: int) -> Page[str]:
        page = usual(number)
        return page if number == 1 else Page(page.items, number, following, 2, 2)

    book.page = odd  # type: ignore[method-assign]
    assert await way(book.pager()) == book.all()


@every_way
async def test_a_list_that_shrinks_meanwhile_ends_early(way: Way) -> None:
    book = Book(1, 1, 1, 1, 1, 1)

    async def shrink(number: int) -> None:
        if number == 2:
            del book.sizes[2:]

    book.before = shrink
    found = await way(book.pager())
    assert found == ["1.0", "2.0"]


@every_way
async def test_a_list_that_grows_meanwhile_is_read_to_its_end(way: Way) -> None:
    book = Book(1, 1)

    async def grow(number: int) -> None:
        if number == 2 and len(book.sizes) < 5:
            book.sizes += [1, 1, 1]

    book.before = grow
    assert await way(book.pager()) == ["1.0", "2.0", "3.0", "4.0", "5.0"]


@every_way
@pytest.mark.parametrize("place", [1, 2, 5])
async def test_the_error_of_a_page_leaves_as_itself_after_the_pages_before(way: Way, place: int) -> None:
    book = Book(1, 1, 1, 1, 1)
    book.errors[place] = error = ServerError("500", status=500)
    with pytest.raises(ServerError) as caught:
        await way(book.pager())
    assert caught.value is error
    assert tasks_left() == set()


async def test_what_came_before_an_error_was_given() -> None:
    book = Book(1, 1, 1, 1, 1)
    book.errors[3] = ServerError("500", status=500)
    found: list[str] = []
    with pytest.raises(ServerError):
        async with book.pager().prefetch(4) as items:
            async for item in items:
                found.append(item)  # noqa: PERF401  a comprehension would lose them
    assert found == ["1.0", "2.0"]


async def test_an_error_beyond_the_end_is_nobodys_affair() -> None:
    book = Book(1, 1, 1, 1)
    book.errors[3] = book.errors[4] = NotFound("404", status=404)

    async def shrink(number: int) -> None:
        if number == 1:
            return
        await iterations(number)
        book.sizes[2:] = []

    book.before = shrink
    assert await ahead(book.pager()) == ["1.0", "2.0"]


# --- ahead ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 8])
async def test_pages_are_read_side_by_side_and_never_more_than_that(count: int) -> None:
    book = Book(*[1] * 12)
    book.before = lambda _: iterations(3)
    assert await ahead(book.pager(), count) == book.all()
    assert book.most_in_flight == count


async def test_order_is_kept_when_later_pages_arrive_first() -> None:
    book = Book(*[2] * 9)
    book.before = lambda number: iterations(50 - 5 * number)
    assert await ahead(book.pager(), 8) == book.all()


async def test_pages_are_on_their_way_before_the_first_item_is_taken() -> None:
    book = Book(1, 1, 1, 1, 1, 1)
    held = asyncio.Event()

    async def hold(number: int) -> None:
        if number > 1:
            await held.wait()

    book.before = hold
    async with book.pager().prefetch(3) as items:
        assert await anext(items) == "1.0"
        await iterations()
        assert book.in_flight == {2, 3, 4}
        held.set()
        assert await anext(items) == "2.0"
        await iterations()
        assert book.received == [1, 2, 3, 4, 5]


async def test_without_totals_page_after_page_is_read() -> None:
    book = Book(1, 1, 1, totals=False)
    assert await ahead(book.pager(), 8) == book.all()
    assert book.most_in_flight == 1


async def test_leaving_cancels_what_is_still_being_read() -> None:
    book = Book(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 2:
            await asyncio.Event().wait()

    book.before = hold
    async with book.pager().prefetch(4) as items:
        async for item in items:
            if item == "2.0":
                break
    assert sorted(book.cancelled) == [3, 4, 5]
    assert tasks_left() == set()


async def test_leaving_without_reading_reads_nothing() -> None:
    book = Book(1, 1)
    async with book.pager().prefetch():
        pass
    assert book.received == []


class Own(Exception):
    pass


async def test_an_error_in_the_block_leaves_as_itself() -> None:
    book = Book(*[1] * 9)
    error = Own()
    with pytest.raises(Own) as caught:
        async with book.pager().prefetch(4) as items:
            await anext(items)
            await iterations()
            raise error
    assert caught.value is error
    assert tasks_left() == set()


async def test_failures_of_pages_that_nobody_read_are_not_complained_of() -> None:
    """With warnings as errors, an exception that is never retrieved would fail this test when it is collected."""
    book = Book(*[1] * 9)
    book.errors = {number: ServerError("500", status=500) for number in (3, 4, 5)}
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with book.pager().prefetch(4) as items:
        await anext(items)
        await iterations()
    with pytest.raises(ServerError):
        await ahead(book.pager())
    gc.collect()
    await iterations()
    assert complaints == []


async def test_a_deadline_ends_it_as_the_builtin_timeout() -> None:
    book = Book(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    book.before = hold
    with pytest.raises(TimeoutError), anyio.fail_after(0.01):
        await ahead(book.pager())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ahead(book.pager())
    assert tasks_left() == set()


async def test_cancelling_the_reader_cancels_the_pages() -> None:
    book = Book(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    book.before = hold
    reader = asyncio.create_task(ahead(book.pager()))
    await iterations()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert sorted(book.cancelled) == [2, 3, 4, 5]


@pytest.mark.parametrize("count", [0, -1])
async def test_a_count_below_one_is_refused_at_once(count: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Book(1).pager().prefetch(count)


class Stubborn(Book):
    """Pages that answer a cancellation with an error of their own."""

    async def read(self, number: int) -> Page[str]:
        try:
            return await super().read(number)
        except asyncio.CancelledError:
            raise ServerError("500", status=500) from None


async def test_a_page_that_fails_while_it_is_cancelled_is_neither_raised_nor_complained_of() -> None:
    book = Stubborn(*[1] * 9)

    async def hold(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    book.before = hold
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with book.pager().prefetch(4) as items:
        await anext(items)
        await iterations()
    reader = asyncio.create_task(ahead(book.pager()))
    await iterations()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    gc.collect()
    await iterations()
    assert complaints == []
