from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from cloud66_async import Failed, NotFound, Ok, Page, Pager, collect, each

from ..support import tasks_left

sizes = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@settings(max_examples=60)
@given(sizes, st.integers(1, 6), st.integers(0, 40), st.booleans(), st.data())
def test_prefetch_yields_the_same_items(
    found: list[int], count: int, stop: int, totals: bool, data: st.DataObject
) -> None:
    delays = data.draw(st.lists(st.integers(0, 6), min_size=len(found), max_size=len(found)))
    in_flight = most = 0

    async def read(number: int) -> Page[tuple[int, int]]:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        for _ in range(delays[number - 1]):
            await asyncio.sleep(0)
        in_flight -= 1
        items = tuple((number, index) for index in range(found[number - 1]))
        following = number + 1 if number < len(found) else None
        return Page(items, number, following, len(found) if totals else None)

    async def run() -> tuple[list[Any], list[Any]]:
        plain = await Pager(read)
        prefetched: list[Any] = []
        async with Pager(read).prefetch(count) as items:
            async for item in items:
                if len(prefetched) == stop:
                    break
                prefetched.append(item)
        assert tasks_left() == set()
        return plain, prefetched

    plain, prefetched = asyncio.run(run())
    assert prefetched == plain[:stop]
    assert most <= max(1, count)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5), max_size=25), st.integers(1, 8), st.booleans(), st.none() | st.integers(0, 25))
def test_every_item_has_one_result(delays: list[int], limit: int, as_async: bool, stop: int | None) -> None:
    pulled: list[int] = []

    async def work(pair: tuple[int, int]) -> int:
        number, delay = pair
        for _ in range(delay):
            await asyncio.sleep(0)
        if delay == 5:
            raise NotFound("x", status=404)
        return number

    def plain() -> Any:
        for pair in enumerate(delays):
            pulled.append(pair[0])
            yield pair

    async def slow() -> AsyncIterator[tuple[int, int]]:
        for pair in plain():
            await asyncio.sleep(0)
            yield pair

    async def run() -> list[Any]:
        found: list[Any] = []
        async with each(work, slow() if as_async else plain(), limit=limit) as results:
            async for result in results:
                if len(found) == stop:
                    break
                found.append(result)
                assert len(pulled) <= len(found) + 2 * limit
        assert tasks_left() == set()
        return found

    found = asyncio.run(run())
    numbers = [result.item[0] for result in found]
    assert len(set(numbers)) == len(numbers)
    assert len(found) == (len(delays) if stop is None else min(stop, len(delays)))
    for result in found:
        number, delay = result.item
        assert delays[number] == delay
        assert isinstance(result, Failed) if delay == 5 else result == Ok((number, delay), number)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), max_size=25), st.integers(1, 8))
def test_collect_keeps_the_order(delays: list[int], limit: int) -> None:
    async def work(delay: int) -> int:
        for _ in range(delay):
            await asyncio.sleep(0)
        return delay

    found = asyncio.run(collect(work, delays, limit=limit))
    assert found == [Ok(delay, delay) for delay in delays]
