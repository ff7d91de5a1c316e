from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import pytest

from cloud66_async import NotFound, Page, ServerError

from ..support import iterations, tasks_left
from .listings import FakeListing, prefetched

pytestmark = pytest.mark.usefixtures("no_tasks_left")


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
