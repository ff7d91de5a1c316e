from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
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


class Stages:
    """A function whose calls end when they are let go."""

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

    def let_go(self, item: int) -> None:
        self.waiting[item].set_result(item * 10)


async def items_of(count: int | None = None) -> AsyncIterator[int]:
    for number in itertools.count() if count is None else range(count):
        await asyncio.sleep(0)
        yield number


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    before = tasks_left()
    yield
    await iterations()
    assert tasks_left() <= before


# --- results -------------------------------------------------------------------------------------------


MAKERS: dict[str, Callable[[], Any]] = {
    "list": lambda: list(range(7)),
    "range": lambda: range(7),
    "iterator": lambda: iter(range(7)),
    "generator": lambda: (number for number in range(7)),
    "async": lambda: items_of(7),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_every_item_has_one_result(make: Callable[[], Any], limit: int) -> None:
    async with each(double, make(), limit=limit) as results:
        found = [result async for result in results]
    assert sorted(found, key=lambda result: result.item) == [Ok(number, number * 2) for number in range(7)]


@pytest.mark.parametrize("items", [[], (), iter(()), items_of(0)], ids=["list", "tuple", "iterator", "async"])
async def test_no_items_no_results(items: Any) -> None:
    async with each(double, items) as results:
        assert [result async for result in results] == []


async def test_results_come_in_the_order_in_which_they_finish() -> None:
    stages = Stages()
    async with each(stages, range(3), limit=3) as results:
        await iterations()
        found: list[Any] = []
        for number in (2, 0, 1):
            stages.let_go(number)
            found.append(await anext(results))
    assert found == [Ok(2, 20), Ok(0, 0), Ok(1, 10)]


async def test_our_errors_are_results_and_do_not_stop_the_others() -> None:
    async def get(item: int) -> int:
        if item % 2:
            raise NotFound(f"no {item}", status=404)
        return item

    async with each(get, range(6), limit=2) as results:
        found = {result.item: result async for result in results}
    assert [found[number] for number in (0, 2, 4)] == [Ok(0, 0), Ok(2, 2), Ok(4, 4)]
    assert all(isinstance(found[number], Failed) for number in (1, 3, 5))


async def test_items_need_not_be_hashable_nor_distinct() -> None:
    async def size(item: list[int]) -> int:
        return len(item)

    found = await collect(size, [[1], [1], [1, 2], []], limit=2)
    assert [result.value for result in found if isinstance(result, Ok)] == [1, 1, 2, 0]


async def test_no_more_than_limit_run_at_once() -> None:
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
async def test_a_limit_below_one_is_refused_at_once(limit: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        each(double, [1], limit=limit)


# --- items are taken only as places come free -----------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 32])
async def test_an_endless_iterable_is_pulled_no_further_than_needed(limit: int) -> None:
    pulled = itertools.count()
    async with each(double, pulled, limit=limit) as results:
        await iterations(1000)
        assert next(pulled) <= 2 * limit
        seen = 0
        async for _ in results:
            seen += 1
            await iterations(5)
            if seen == 100:
                break
        assert next(pulled) <= 100 + 2 * limit + 1


async def test_an_endless_async_iterable_is_pulled_no_further_than_needed() -> None:
    pulled: list[int] = []

    async def endless() -> AsyncIterator[int]:
        for number in itertools.count():
            pulled.append(number)
            yield number

    async with each(double, endless(), limit=3) as results:
        await iterations(500)
        assert len(pulled) <= 6
        async for result in results:
            if result.item >= 20:
                break
    assert len(pulled) <= 30


async def test_an_async_iterable_is_never_asked_twice_at_once() -> None:
    asking = most = 0

    class Slow:
        def __aiter__(self) -> Slow:
            return self

        left = 20

        async def __anext__(self) -> int:
            nonlocal asking, most
            asking += 1
            most = max(most, asking)
            await iterations(2)
            asking -= 1
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    async with each(double, Slow(), limit=8) as results:
        found = [result.item async for result in results]
    assert sorted(found) == list(range(20))
    assert most == 1


async def test_results_come_while_a_slow_iterable_still_thinks() -> None:
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


# --- endings --------------------------------------------------------------------------------------------


async def test_break_ends_everything_at_once() -> None:
    stages = Stages()
    async with each(stages, itertools.count(), limit=4) as results:
        await iterations()
        stages.let_go(0)
        async for _ in results:
            break
    assert sorted(stages.cancelled)[:3] == [1, 2, 3]
    assert tasks_left() == set()


async def test_leaving_without_reading_ends_everything_at_once() -> None:
    async with each(never, itertools.count()):
        pass
    assert tasks_left() == set()


class Own(Exception):
    pass


@pytest.mark.parametrize(
    "error", [Own("mine"), NotFound("ours", status=404), ValueError(), StopIteration(), StopAsyncIteration()]
)
async def test_an_error_in_the_block_leaves_as_itself(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        async with each(never, itertools.count()) as results:
            assert results is not None
            raise error
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert tasks_left() == set()


async def test_a_group_of_the_blocks_own_leaves_as_itself() -> None:
    group = ExceptionGroup("mine", [Own(), ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with each(never, itertools.count()):
            raise group
    assert caught.value is group


@pytest.mark.parametrize("reading", [True, False])
async def test_an_error_of_the_function_that_is_not_ours_leaves_as_itself(reading: bool) -> None:
    async def odd(item: int) -> int:
        await iterations(2)
        if item == 3:
            raise Own("of the function")
        return await never(item)

    with pytest.raises(Own, match="of the function"):
        async with each(odd, range(10), limit=5) as results:
            if reading:
                async for _ in results:
                    raise AssertionError("nothing has finished")
            else:
                await asyncio.Event().wait()
    assert tasks_left() == set()


async def test_two_errors_at_once_are_one() -> None:
    async def odd(item: int) -> int:
        raise Own(str(item))

    with pytest.raises(Own):
        async with each(odd, range(10), limit=5) as results:
            async for _ in results:
                pass


async def test_the_blocks_error_comes_before_the_functions() -> None:
    async def odd(_: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            raise Own("while it was cancelled")

    with pytest.raises(ValueError, match="of the block"):
        async with each(odd, range(3)):
            await iterations()
            raise ValueError("of the block")


async def test_an_error_of_the_items_leaves_as_itself() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise Own("of the items")

    async def broken_too() -> AsyncIterator[int]:
        yield 1
        raise Own("of the items")

    for items in (broken(), broken_too()):
        with pytest.raises(Own, match="of the items"):
            async with each(double, items, limit=2) as results:
                async for _ in results:
                    pass


async def test_a_function_that_is_not_async_is_a_type_error() -> None:
    plain: Any = abs
    with pytest.raises(TypeError):
        await collect(plain, [1])


async def test_a_deadline_ends_it_as_the_builtin_timeout() -> None:
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


async def test_move_on_after_goes_on_after_it() -> None:
    with anyio.move_on_after(0.01) as scope:
        async with each(never, itertools.count()) as results:
            async for _ in results:
                pass
    assert scope.cancelled_caught
    await asyncio.sleep(0)


async def test_cancelling_the_reader_cancels_what_runs() -> None:
    stages = Stages()

    async def run() -> None:
        async with each(stages, itertools.count(), limit=3) as results:
            async for _ in results:
                pass

    task = asyncio.create_task(run())
    await iterations()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(stages.cancelled) == [0, 1, 2]
    assert task.cancelled()


async def test_afterwards_the_task_is_as_free_as_before() -> None:
    task = asyncio.current_task()
    assert task is not None
    async with each(double, range(10), limit=3) as results:
        async for _ in results:
            break
    assert task.cancelling() == 0
    async with asyncio.timeout(5):
        await asyncio.sleep(0)


async def test_the_iterator_is_at_its_end_after_the_block() -> None:
    async with each(double, itertools.count(), limit=2) as results:
        await anext(results)
    rest = [result async for result in results]
    assert len(rest) <= 4


async def test_inside_one_another() -> None:
    async def inner(item: int) -> int:
        async with each(double, range(item), limit=2) as results:
            return sum([result.value async for result in results if isinstance(result, Ok)])

    async with each(inner, range(5), limit=3) as results:
        found = {result.item: result.value async for result in results if isinstance(result, Ok)}
    assert found == {0: 0, 1: 0, 2: 2, 3: 6, 4: 12}


@pytest.mark.parametrize("of_the_block", [True, False])
async def test_an_error_makes_no_cycle(of_the_block: bool) -> None:
    class Rare(Exception):
        pass

    async def work(_: int) -> None:
        if not of_the_block:
            raise Rare

    async def fail() -> None:
        try:
            async with each(work, range(3), limit=1) as results:
                async for _ in results:
                    raise Rare
        except Rare:
            pass

    await fail()
    gc.collect()
    gc.disable()
    try:
        await fail()
        left = [thing for thing in gc.get_objects() if isinstance(thing, Rare)]
    finally:
        gc.enable()
    assert left == []


# --- collect and values -----------------------------------------------------------------------------------


async def test_collect_keeps_the_order_of_the_items() -> None:
    async def late(item: int) -> int:
        await iterations(10 - item)
        return item * 2

    assert await collect(late, range(10), limit=4) == [Ok(number, number * 2) for number in range(10)]


async def test_collect_has_a_place_for_each_failure() -> None:
    gone = TransportError("gone")

    async def get(item: str) -> str:
        if item == "b":
            raise gone
        return item.upper()

    assert await collect(get, ["a", "b", "a"]) == [Ok("a", "A"), Failed("b", gone), Ok("a", "A")]


async def test_values_are_all_or_an_error_that_holds_all() -> None:
    assert values([Ok("a", 1), Ok("b", 2)]) == [1, 2]
    gone = TransportError("gone")
    results: list[Ok[str, int] | Failed[str]] = [Ok("a", 1), Failed("b", gone)]
    with pytest.raises(BulkError) as caught:
        values(results)
    assert caught.value.results == results
    assert caught.value.exceptions == (gone,)
