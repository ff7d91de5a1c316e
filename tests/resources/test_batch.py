"""`stacks.get_many`: stacks by uid with the fewest requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloud66_async import BulkError, Cloud66, Failed, Forbidden, NotFound, Ok, Stack
from cloud66_async.transport import BufferedResponse

from ..support import ONCE, Script, client, make_error, make_response, pages


class Site:
    """A scripted API with a list of stacks in pages."""

    def __init__(self, *sizes: int) -> None:
        numbers = iter(range(sum(sizes)))
        self.pages = [[{"uid": f"s{next(numbers)}"} for _ in range(size)] for size in sizes]
        self.transport = Script(self.reply)
        self.errors: dict[str, BufferedResponse] = {}

    @property
    def uids(self) -> list[str]:
        return [stack["uid"] for page in self.pages for stack in page]

    async def reply(self, request: Any) -> BufferedResponse:
        await asyncio.sleep(0)
        target = request.target.removeprefix("/api/3")
        if target in self.errors:
            return self.errors[target]
        if target.startswith("/stacks.json"):
            return pages(*self.pages)(request)
        uid = target.removeprefix("/stacks/").removesuffix(".json")
        return make_response({"response": {"uid": uid}}) if uid in self.uids else make_error(404, "not_found")

    def client(self) -> Cloud66:
        return client(self.transport, retry=ONCE)

    def lists(self) -> int:
        return sum(target.startswith("/stacks.json") for target in self.transport.targets)


def uids(found: Any) -> list[str]:
    return [stack.uid for stack in found]


async def test_all_stacks_are_read_from_the_pages() -> None:
    site = Site(30, 30, 10)
    async with site.client() as c66:
        wanted = site.uids[::-1]
        found = await c66.stacks.get_many(wanted)
    assert uids(found) == wanted
    assert (found.report.pages, found.report.singles, found.report.requests) == (3, 0, 3)
    assert len(site.transport.targets) == 3


async def test_few_of_many_stacks_are_read_one_by_one() -> None:
    site = Site(*[2] * 40)
    async with site.client() as c66:
        found = await c66.stacks.get_many(["s70", "s71", "s79"])
    assert uids(found) == ["s70", "s71", "s79"]
    assert (found.report.pages, found.report.singles) == (1, 3)


async def test_one_stack_takes_one_request() -> None:
    site = Site(30)
    async with site.client() as c66:
        found = await c66.stacks.get_many(["s5"])
    assert uids(found) == ["s5"]
    assert site.transport.targets == ["/stacks/s5.json"]
    assert (found.report.pages, found.report.singles) == (0, 1)


async def test_batch_can_be_disabled() -> None:
    site = Site(30, 30)
    async with site.client() as c66:
        found = await c66.stacks.get_many(site.uids, batch=False, limit=7)
    assert uids(found) == site.uids
    assert site.lists() == 0
    assert site.transport.most_in_flight == 7
    assert found.report.singles == 60


async def test_no_uids_take_no_request() -> None:
    site = Site(30)
    async with site.client() as c66:
        assert await c66.stacks.get_many([]) == ()
    assert site.transport.requests == []


async def test_repeated_uid_is_returned_twice() -> None:
    site = Site(5)
    async with site.client() as c66:
        assert uids(await c66.stacks.get_many(["s1", "s2", "s1"])) == ["s1", "s2", "s1"]
        assert uids(await c66.stacks.get_many(["s1", "s1"], batch=False)) == ["s1", "s1"]


@pytest.mark.parametrize("batch", [True, False])
async def test_bulk_error_holds_the_stacks_that_were_read(batch: bool) -> None:
    site = Site(5)
    async with site.client() as c66:
        with pytest.raises(BulkError, match="1 of 3 calls failed") as caught:
            await c66.stacks.get_many(["s1", "gone", "s2"], batch=batch)
    first, second, third = caught.value.results
    assert isinstance(first, Ok)
    assert isinstance(second, Failed)
    assert isinstance(third, Ok)
    assert (first.value, second.item, third.value) == (Stack(uid="s1"), "gone", Stack(uid="s2"))
    assert isinstance(second.error, NotFound)
    assert caught.value.report is not None
    assert caught.value.report.singles == (1 if batch else 3)


async def test_invalid_item_in_a_page_is_read_separately() -> None:
    site = Site(3, 3)
    site.errors["/stacks.json?page=2"] = make_response({"response": [{"uid": "s3"}, {"name": "no uid"}, {"uid": "s5"}]})
    async with site.client() as c66:
        found = await c66.stacks.get_many(site.uids)
    assert uids(found) == site.uids
    assert site.transport.targets[-1] == "/stacks/s4.json"


async def test_forbidden_list_ends_the_batch() -> None:
    site = Site(3, 3)
    site.errors["/stacks.json?page=1"] = make_error(403)
    async with site.client() as c66:
        with pytest.raises(BulkError) as caught:
            await c66.stacks.get_many(site.uids)
    assert len(site.transport.requests) == 1
    assert all(isinstance(error, Forbidden) for error in caught.value.exceptions)
    assert len(caught.value.results) == 6


async def test_list_without_totals_is_not_read_further() -> None:
    site = Site(3)
    site.errors["/stacks.json?page=1"] = make_response({"response": [{"uid": "s0"}]})
    async with site.client() as c66:
        found = await c66.stacks.get_many(site.uids)
    assert uids(found) == site.uids
    assert sorted(site.transport.targets) == ["/stacks.json?page=1", "/stacks/s1.json", "/stacks/s2.json"]


async def test_invalid_list_is_not_read_further() -> None:
    site = Site(3)
    site.errors["/stacks.json?page=1"] = make_response(b"<html>")
    async with site.client() as c66:
        assert uids(await c66.stacks.get_many(site.uids)) == site.uids


async def test_uids_may_be_any_iterable() -> None:
    site = Site(3)
    async with site.client() as c66:
        assert uids(await c66.stacks.get_many(uid for uid in site.uids)) == site.uids
