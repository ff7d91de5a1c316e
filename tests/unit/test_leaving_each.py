"""Leaving the block of `each`: by `break`, errors, deadlines and cancellation, and in other tasks."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from cloud66_async import Failed, NotFound, Ok, collect, each

from ..support import iterations, tasks_left
from .calls import ControlledCalls, double, never

pytestmark = pytest.mark.usefixtures("no_tasks_left")


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
    async with asyncio.timeout(60):
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
