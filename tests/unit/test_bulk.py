from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cloud66_async import BulkError, Failed, NotFound, Ok, TransportError, collect, each
from cloud66_async.bulk import values

from ..support import iterations
from .calls import ControlledCalls, async_range, double

pytestmark = pytest.mark.usefixtures("no_tasks_left")

# --- results --------------------------------------------------------------------------------------------

ITEM_FACTORIES: dict[str, Callable[[], Any]] = {
    "list": lambda: list(range(7)),
    "range": lambda: range(7),
    "iterator": lambda: iter(range(7)),
    "generator": lambda: (number for number in range(7)),
    "async": lambda: async_range(7),
}


@pytest.mark.parametrize("make_items", ITEM_FACTORIES.values(), ids=ITEM_FACTORIES)
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_each_yields_one_result_per_item(make_items: Callable[[], Any], limit: int) -> None:
    async with each(double, make_items(), limit=limit) as results:
        found = [result async for result in results]
    assert sorted(found, key=lambda result: result.item) == [Ok(number, number * 2) for number in range(7)]


@pytest.mark.parametrize("items", [[], (), iter(()), async_range(0)], ids=["list", "tuple", "iterator", "async"])
async def test_each_yields_nothing_for_no_items(items: Any) -> None:
    async with each(double, items) as results:
        assert [result async for result in results] == []


async def test_results_arrive_in_completion_order() -> None:
    calls = ControlledCalls()
    async with each(calls, range(3), limit=3) as results:
        await iterations()
        found: list[Any] = []
        for number in (2, 0, 1):
            calls.finish(number)
            found.append(await anext(results))
    assert found == [Ok(2, 20), Ok(0, 0), Ok(1, 10)]


async def test_cloud66_errors_become_failed_results_and_other_calls_continue() -> None:
    async def get(item: int) -> int:
        if item % 2:
            raise NotFound(f"no {item}", status=404)
        return item

    async with each(get, range(6), limit=2) as results:
        found = {result.item: result async for result in results}
    assert [found[number] for number in (0, 2, 4)] == [Ok(0, 0), Ok(2, 2), Ok(4, 4)]
    assert all(isinstance(found[number], Failed) for number in (1, 3, 5))


async def test_items_may_be_unhashable_or_repeated() -> None:
    async def size(item: list[int]) -> int:
        return len(item)

    found = await collect(size, [[1], [1], [1, 2], []], limit=2)
    assert [result.value for result in found if isinstance(result, Ok)] == [1, 1, 2, 0]


async def test_at_most_limit_calls_run_concurrently() -> None:
    running = most = 0

    async def count(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await iterations(3)
        running -= 1

    async with each(count, range(50), limit=4) as results:
        async for _ in results:
            pass
    assert most == 4


@pytest.mark.parametrize("limit", [0, -1])
async def test_limit_below_one_raises_value_error_immediately(limit: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        each(double, [1], limit=limit)


# --- lazy reading of items ------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 32])
async def test_infinite_iterable_is_read_only_as_needed(limit: int) -> None:
    numbers = itertools.count()
    async with each(double, numbers, limit=limit) as results:
        await iterations(1000)
        assert next(numbers) <= 2 * limit
        count = 0
        async for _ in results:
            count += 1
            await iterations(5)
            if count == 100:
                break
        assert next(numbers) <= 100 + 2 * limit + 1


async def test_infinite_async_iterable_is_read_only_as_needed() -> None:
    read: list[int] = []

    async def infinite() -> AsyncIterator[int]:
        for number in itertools.count():
            read.append(number)
            yield number

    async with each(double, infinite(), limit=3) as results:
        await iterations(500)
        assert len(read) <= 6
        async for result in results:
            if result.item >= 20:
                break
    assert len(read) <= 30


async def test_async_iterable_is_never_advanced_concurrently() -> None:
    advancing = most = 0

    class Slow:
        def __aiter__(self) -> Slow:
            return self

        remaining = 20

        async def __anext__(self) -> int:
            nonlocal advancing, most
            advancing += 1
            most = max(most, advancing)
            await iterations(2)
            advancing -= 1
            if not self.remaining:
                raise StopAsyncIteration
            self.remaining -= 1
            return self.remaining

    async with each(double, Slow(), limit=8) as results:
        found = [result.item async for result in results]
    assert sorted(found) == list(range(20))
    assert most == 1


async def test_results_arrive_while_the_next_item_is_pending() -> None:
    more = asyncio.Event()

    async def slow() -> AsyncIterator[int]:
        yield 1
        await more.wait()
        yield 2

    async with each(double, slow(), limit=4) as results:
        assert await anext(results) == Ok(1, 2)
        more.set()
        assert await anext(results) == Ok(2, 4)
        with pytest.raises(StopAsyncIteration):
            await anext(results)


# --- collect() and values() -----------------------------------------------------------------------------


async def test_collect_preserves_item_order() -> None:
    async def late(item: int) -> int:
        await iterations(10 - item)
        return item * 2

    assert await collect(late, range(10), limit=4) == [Ok(number, number * 2) for number in range(10)]


async def test_collect_keeps_failures_in_item_order() -> None:
    error = TransportError("connection lost")

    async def get(item: str) -> str:
        if item == "b":
            raise error
        return item.upper()

    assert await collect(get, ["a", "b", "a"]) == [Ok("a", "A"), Failed("b", error), Ok("a", "A")]


async def test_values_returns_all_or_raises_bulk_error_with_all_results() -> None:
    assert values([Ok("a", 1), Ok("b", 2)]) == [1, 2]
    error = TransportError("connection lost")
    results: list[Ok[str, int] | Failed[str]] = [Ok("a", 1), Failed("b", error)]
    with pytest.raises(BulkError) as caught:
        values(results)
    assert caught.value.results == results
    assert caught.value.exceptions == (error,)
