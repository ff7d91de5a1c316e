from __future__ import annotations

import pytest

from cloud66_async import Page, ResponseError, ServerError
from cloud66_async.pager import Pager

from ..support import tasks_left
from .listings import FakeListing, Reader, every_reader

pytestmark = pytest.mark.usefixtures("no_tasks_left")


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
    async for page in listing.pager().pages():
        if page.number == 2:
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


@every_reader
@pytest.mark.parametrize(
    ("following", "numbers"),
    [({1: 3}, [1, 3, 4, 5, 6, 7]), ({3: 6}, [1, 2, 3, 6, 7]), ({2: 4, 5: 7}, [1, 2, 4, 5, 7]), ({4: 2}, [1, 2, 3, 4])],
)
async def test_next_page_number_decides_what_is_read(
    reader: Reader, following: dict[int, int | None], numbers: list[int]
) -> None:
    listing = FakeListing(*[2] * 7)
    listing.following = following
    assert await reader(listing.pager()) == [item for number in numbers for item in listing.items(number)]
    assert listing.requested[:2] == numbers[:2]


@every_reader
@pytest.mark.parametrize("count", [-1, 1, 2, 8, 2**63 - 1])
async def test_wrong_number_of_pages_does_no_harm(reader: Reader, count: int) -> None:
    listing = FakeListing(1, 1, 1, 1)
    listing.reported_pages = count
    assert await reader(listing.pager()) == listing.all_items()
    assert len(set(listing.requested)) == len(listing.requested) <= 1 + 100


@pytest.mark.parametrize("way", ["await", "async for", "pages"])
async def test_list_that_never_ends_is_an_error(way: str) -> None:
    async def read(number: int) -> Page[int]:
        return Page((number,), next=number + 60_000)

    pager = Pager(read)
    with pytest.raises(ResponseError, match="the list does not end: page 120001 names a next one"):
        match way:
            case "await":
                await pager
            case "async for":
                async for _ in pager:
                    pass
            case _:
                async for _ in pager.pages():
                    pass
