from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from cloud66_async import BulkError, Failed, NotFound, Ok, TransportError, collect, each
from cloud66_async.bulk import values

from ..support import iterations, tasks_left


async def double(item: int) -> int:
    await asyncio.sleep(0)
    return item * 2


async def never(_: object) -> int:
    await asyncio.Event().wait()
    raise AssertionError


class ControlledCalls:
    """An async function whose calls return once the test finishes them."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[int]] = {}
        self.cancelled: list[int] = []

    async def __call__(self, item: int) -> int:
        self.waiting[item] = asyncio.get_running_loop().create_future()
        try:
            return await self.waiting[item]
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise

    def finish(self, item: int) -> None:
        self.waiting[item].set_result(item * 10)


async def async_range(count: int | None = None) -> AsyncIterator[int]:
    for number in itertools.count() if count is None else range(count):
        await asyncio.sleep(0)
        yield number


@pytest.fixture(autouse=True)
async def no_tasks_left() -> AsyncIterator[None]:
    before = tasks_left()
    yield
    await iterations()
    assert tasks_left() <= before


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


# --- leaving the block ----------------------------------------------------------------------------------


async def test_break_cancels_remaining_calls() -> None:
    calls = ControlledCalls()
    async with each(calls, itertools.count(), limit=4) as results:
        await iterations()
        calls.finish(0)
        async for _ in results:
            break
    assert sorted(calls.cancelled)[:3] == [1, 2, 3]
    assert tasks_left() == set()


async def test_leaving_without_reading_cancels_all_calls() -> None:
    async with each(never, itertools.count()):
        pass
    assert tasks_left() == set()


class CustomError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [CustomError("custom"), NotFound("not found", status=404), ValueError(), StopIteration(), StopAsyncIteration()],
)
async def test_error_in_block_propagates_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        async with each(never, itertools.count()) as results:
            assert results is not None
            raise error
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert tasks_left() == set()


async def test_exception_group_in_block_propagates_unchanged() -> None:
    group = ExceptionGroup("custom", [CustomError(), ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with each(never, itertools.count()):
            raise group
    assert caught.value is group


@pytest.mark.parametrize("reading", [True, False])
async def test_unexpected_function_error_propagates_unchanged(reading: bool) -> None:
    async def failing(item: int) -> int:
        await iterations(2)
        if item == 3:
            raise CustomError("from the function")
        return await never(item)

    with pytest.raises(CustomError, match="from the function"):
        async with each(failing, range(10), limit=5) as results:
            if reading:
                async for _ in results:
                    raise AssertionError("nothing has finished")
            else:
                await iterations()  # raised at the end of the block
    assert tasks_left() == set()


async def test_concurrent_function_errors_raise_one_error() -> None:
    async def failing(item: int) -> int:
        raise CustomError(str(item))

    with pytest.raises(CustomError):
        async with each(failing, range(10), limit=5) as results:
            async for _ in results:
                pass


async def test_block_error_takes_precedence_over_function_error() -> None:
    async def failing(_: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            raise CustomError("during cancellation")

    with pytest.raises(ValueError, match="from the block"):
        async with each(failing, range(3)):
            await iterations()
            raise ValueError("from the block")


async def test_error_from_items_propagates_unchanged() -> None:
    def failing_items() -> Iterator[int]:
        yield 1
        raise CustomError("from the items")

    async def failing_async_items() -> AsyncIterator[int]:
        yield 1
        raise CustomError("from the items")

    for items in (failing_items(), failing_async_items()):
        with pytest.raises(CustomError, match="from the items"):
            async with each(double, items, limit=2) as results:
                async for _ in results:
                    pass


async def test_sync_function_raises_type_error() -> None:
    plain: Any = abs
    with pytest.raises(TypeError):
        await collect(plain, [1])


async def test_deadline_raises_builtin_timeout_error() -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.01):
            async with each(never, itertools.count()) as results:
                async for _ in results:
                    pass
    assert tasks_left() == set()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            async with each(never, itertools.count()) as results:
                async for _ in results:
                    pass
    assert tasks_left() == set()


async def test_move_on_after_continues_after_the_block() -> None:
    with anyio.move_on_after(0.01) as scope:
        async with each(never, itertools.count()) as results:
            async for _ in results:
                pass
    assert scope.cancelled_caught
    await asyncio.sleep(0)


async def test_cancelling_reader_cancels_running_calls() -> None:
    calls = ControlledCalls()

    async def run() -> None:
        async with each(calls, itertools.count(), limit=3) as results:
            async for _ in results:
                pass

    task = asyncio.create_task(run())
    await iterations()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(calls.cancelled) == [0, 1, 2]
    assert task.cancelled()


async def test_task_has_no_pending_cancellation_after_the_block() -> None:
    task = asyncio.current_task()
    assert task is not None
    async with each(double, range(10), limit=3) as results:
        async for _ in results:
            break
    assert task.cancelling() == 0
    async with asyncio.timeout(5):
        await asyncio.sleep(0)


async def test_iterator_ends_after_the_block() -> None:
    async with each(double, itertools.count(), limit=2) as results:
        await anext(results)
    rest = [result async for result in results]
    assert len(rest) <= 4


async def test_each_blocks_can_be_nested() -> None:
    async def inner(item: int) -> int:
        async with each(double, range(item), limit=2) as results:
            return sum([result.value async for result in results if isinstance(result, Ok)])

    async with each(inner, range(5), limit=3) as results:
        found = {result.item: result.value async for result in results if isinstance(result, Ok)}
    assert found == {0: 0, 1: 0, 2: 2, 3: 6, 4: 12}


@pytest.mark.parametrize("in_block", [True, False])
async def test_error_leaves_no_reference_cycle(in_block: bool) -> None:
    class UniqueError(Exception):
        pass

    async def work(_: int) -> None:
        if not in_block:
            raise UniqueError

    async def fail() -> None:
        try:
            async with each(work, range(3), limit=1) as results:
                async for _ in results:
                    raise UniqueError
        except UniqueError:
            pass

    await fail()
    gc.collect()
    gc.disable()
    try:
        await fail()
        remaining = [each_object for each_object in gc.get_objects() if isinstance(each_object, UniqueError)]
    finally:
        gc.enable()
    assert remaining == []


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


async def doubled_numbers(limit: int) -> AsyncIterator[int]:
    """Yield results from a block inside this generator."""
    async with each(double, itertools.count(), limit=limit) as results:
        async for result in results:
            assert isinstance(result, Ok)
            yield result.value


async def test_block_in_an_abandoned_generator_does_not_cancel_its_reader() -> None:
    async def first() -> int:
        async for number in doubled_numbers(4):
            return number
        raise AssertionError

    assert await first() == 0
    gc.collect()  # the event loop closes the generator in a separate task
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert tasks_left() == set()


async def test_block_may_be_left_in_another_task() -> None:
    block = each(double, range(10), limit=3)
    results = await asyncio.create_task(block.__aenter__())
    assert sorted([result.value async for result in results if isinstance(result, Ok)]) == [n * 2 for n in range(10)]
    await asyncio.create_task(block.__aexit__(None, None, None))
    assert tasks_left() == set()


async def test_block_in_an_exit_stack_of_another_task() -> None:
    stack = AsyncExitStack()
    results = await asyncio.create_task(stack.enter_async_context(each(never, itertools.count(), limit=3)))
    assert results is not None
    await asyncio.create_task(stack.aclose())
    assert tasks_left() == set()


@pytest.fixture
async def doubled() -> AsyncIterator[AsyncIterator[Ok[int, int] | Failed[int]]]:
    async with each(double, range(40), limit=4) as results:
        yield results


async def test_block_in_a_fixture(doubled: AsyncIterator[Ok[int, int] | Failed[int]]) -> None:
    assert len([result async for result in doubled]) == 40
