from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, nullcontext
from typing import Any

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cloud66_async import Failed, NotFound, Ok, Page, Pager, collect, each

from ..support import tasks_left


@attrs.define
class Listing:
    """A list whose pages take a few event loop iterations, fail, or tell something wrong about the others."""

    sizes: list[int]
    following: dict[int, int | None]
    pages: int | None
    delays: list[int]
    failing: int
    requested: list[int] = attrs.Factory(list[int])
    in_flight: int = 0
    most_in_flight: int = 0

    async def read(self, number: int) -> Page[tuple[int, int]]:
        self.requested.append(number)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            for _ in range(self.delays[number % len(self.delays)]):
                await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        if number == self.failing:
            raise NotFound("x", status=404)
        size = self.sizes[number - 1] if number <= len(self.sizes) else 0
        following = self.following.get(number, number + 1 if number < len(self.sizes) else None)
        return Page(tuple((number, index) for index in range(size)), number, following, self.pages)


async def one_by_one(listing: Listing) -> tuple[list[Any], bool]:
    """Return the items up to an error, and whether there was one."""
    found: list[Any] = []
    try:
        async for page in Pager(listing.read).pages():
            found += page.items
    except NotFound:
        return found, True
    return found, False


numbers = st.integers(0, 14)
listings = st.builds(
    Listing,
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    following=st.dictionaries(numbers, st.none() | numbers, max_size=2),
    pages=st.none() | numbers | st.just(10**9),
    delays=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    failing=st.just(0) | numbers,
)


@settings(max_examples=100)
@given(listings, st.integers(1, 6), st.none() | st.integers(1, 40), st.booleans())
def test_iteration_yields_what_pages_contain_one_by_one(
    listing: Listing, limit: int, stop: int | None, prefetch: bool
) -> None:
    async def run() -> None:
        expected, fails = await one_by_one(listing)
        listing.requested, listing.most_in_flight = [], 0
        pager = Pager(listing.read, limit=limit)
        found: list[Any] = []
        async with pager.prefetch(limit) if prefetch else aclosing(aiter(pager)) as items:
            with pytest.raises(NotFound) if fails and (stop is None or stop > len(expected)) else nullcontext():
                async for item in items:
                    found.append(item)
                    if len(found) == stop:
                        break
        assert found == expected[:stop]
        assert tasks_left() == set()

    asyncio.run(run())
    assert len(set(listing.requested)) == len(listing.requested)
    assert listing.most_in_flight <= limit


@settings(max_examples=100)
@given(listings, st.integers(1, 6))
def test_await_returns_what_pages_contain_one_by_one(listing: Listing, limit: int) -> None:
    async def run() -> None:
        expected, fails = await one_by_one(listing)
        path, listing.requested, listing.most_in_flight = listing.requested, [], 0
        pager = Pager(listing.read, limit=limit)
        try:
            assert await pager == expected
            assert not fails
        except NotFound:
            assert fails or listing.failing not in path  # a page that turned out to be beyond the end
        assert tasks_left() == set()

    asyncio.run(run())
    assert len(set(listing.requested)) == len(listing.requested)
    assert listing.most_in_flight <= limit


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
