"""Stacks by name, `name/environment`, uid, or the beginning of one of these."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cloud66_async import Cloud66
from cloud66_async.cli.exits import FAILED, USAGE, CommandError
from cloud66_async.cli.lookup.names import find_stack, find_stacks, full_name
from cloud66_async.pager import Pager
from cloud66_async.resources.stacks import Stack
from cloud66_async.sandbox import FakeCloud66


@pytest.fixture
def fake() -> FakeCloud66:
    """Return a sandbox with 69 stacks: three pages."""
    fake = FakeCloud66()
    fake.seed(60)
    for name, environment in (
        ("shop", "production"),
        ("shop", "staging"),
        ("shop-admin", "production"),
        ("Facade", "production"),
        ("with/slash", "production"),
        ("with", "slash"),
        ("twin", "production"),
        ("twin", "production"),
        ("日本", "production"),
    ):
        fake.add_stack(name, environment=environment)
    return fake


@pytest.fixture
async def c66(fake: FakeCloud66) -> AsyncIterator[Cloud66]:
    async with fake.client() as client:
        yield client


def uid_of(fake: FakeCloud66, name: str, environment: str = "production") -> str:
    return next(
        stack.uid
        for stack in fake.world.stacks.values()
        if (stack.name, stack.data["environment"]) == (name, environment)
    )


@pytest.mark.parametrize(
    ("text", "environment", "found", "requests"),
    [
        ("shop-admin", None, "shop-admin/production", 1),
        ("shop", "staging", "shop/staging", 1),
        ("shop/staging", None, "shop/staging", 2),
        ("with/slash", None, "with/slash/production", 1),
        ("with", None, "with/slash", 1),
        ("facade", None, "Facade/production", 1),
        ("SHOP/Staging", None, "shop/staging", 2),
        ("shop-", None, "shop-admin/production", 4),
        ("shop/st", None, "shop/staging", 5),
        ("shop-a/prod", None, "shop-admin/production", 5),
        ("shop-a", "production", "shop-admin/production", 4),
    ],
)
async def test_names_and_what_they_cost(
    fake: FakeCloud66, c66: Cloud66, text: str, environment: str | None, found: str, requests: int
) -> None:
    stack = await find_stack(c66, text, environment)
    assert full_name(stack) == found
    assert fake.calls("stacks.list") == requests


async def test_uids(fake: FakeCloud66, c66: Cloud66) -> None:
    uid = uid_of(fake, "shop", "staging")
    assert (await find_stack(c66, uid)).uid == uid
    assert (fake.calls("stacks.get"), fake.calls("stacks.list")) == (1, 0)
    assert (await find_stack(c66, uid[:8], changing=True)).uid == uid
    with pytest.raises(CommandError, match="has the uid 00000000") as missing:
        await find_stack(c66, "0" * 32)
    assert missing.value.code == FAILED


async def test_a_name_comes_before_the_beginning_of_a_uid(fake: FakeCloud66, c66: Cloud66) -> None:
    start = uid_of(fake, "shop-admin")[:8]
    fake.add_stack(start)
    assert (await find_stack(c66, start)).name == start


async def test_an_ambiguous_name_lists_what_it_may_mean(fake: FakeCloud66, c66: Cloud66) -> None:
    with pytest.raises(CommandError) as error:
        await find_stack(c66, "shop")
    assert error.value.code == USAGE
    assert str(error.value) == '"shop" matches 2 stacks. Name one, such as shop/production:'
    production, staging = error.value.advice
    assert production == f"  shop/production  {uid_of(fake, 'shop')[:8]}  deployed"
    assert staging.startswith("  shop/staging     ")
    with pytest.raises(CommandError) as twins:
        await find_stack(c66, "twin/production")
    assert all(len(line.split()[1]) == 32 for line in twins.value.advice)  # only uids tell them apart


@pytest.mark.parametrize("text", ["shop-", "shop/prod", "fac"])
async def test_beginnings_change_nothing(fake: FakeCloud66, c66: Cloud66, text: str) -> None:
    with pytest.raises(CommandError, match=f'no stack is called "{text}"') as error:
        await find_stack(c66, text, changing=True)
    assert error.value.code == FAILED
    assert error.value.advice[0].startswith("Did you mean ")


@pytest.mark.parametrize(
    ("text", "environment", "message", "advice"),
    [
        ("shop-admn", None, 'no stack is called "shop-admn"', "Did you mean shop-admin"),
        ("shop/stagin", None, "shop/stagin", "shop/staging"),
        ("shop-admin", "staging", "in the environment staging", "There is shop-admin/production"),
        ("zzzzzz", None, 'no stack is called "zzzzzz"', "List them: cloud66-async stacks"),
        ("日本語", None, "日本語", "日本"),
        ("\x1b[2J", None, r'no stack is called "\[2J"', "List them"),
    ],
)
async def test_did_you_mean(c66: Cloud66, text: str, environment: str | None, message: str, advice: str) -> None:
    with pytest.raises(CommandError, match=message) as error:
        await find_stack(c66, text, environment, changing=True)
    assert advice in error.value.advice[0]


async def test_empty_texts_and_empty_accounts(fake: FakeCloud66, c66: Cloud66) -> None:
    with pytest.raises(CommandError, match="empty") as error:
        await find_stack(c66, " ")
    assert (error.value.code, fake.calls("stacks.list")) == (USAGE, 0)
    async with FakeCloud66().client() as nothing:
        with pytest.raises(CommandError, match="there is no stack that this access token can read"):
            await find_stack(nothing, "shop")


async def test_many_names_are_found_in_the_list(fake: FakeCloud66, c66: Cloud66) -> None:
    names = sorted({f"{stack.name}/{stack.data['environment']}" for stack in fake.world.stacks.values()})[:20]
    found = await find_stacks(c66, [*names, names[0], uid_of(fake, "shop")])
    assert [full_name(stack) for stack in found] == [*names, "shop/production"]
    assert fake.calls("stacks.list") == 3
    assert fake.calls("stacks.get") == 0


async def test_few_names_are_found_one_by_one(fake: FakeCloud66, c66: Cloud66) -> None:
    found = await find_stacks(c66, ["shop-admin", "Facade", "shop-admin"])
    assert [full_name(stack) for stack in found] == ["shop-admin/production", "Facade/production"]
    assert fake.calls("stacks.list") == 2


async def test_a_server_that_ignores_filters_is_asked_once(
    fake: FakeCloud66, c66: Cloud66, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud66_async.sandbox.resources.stacks._FILTERS", {})
    assert full_name(await find_stack(c66, "shop/staging")) == "shop/staging"
    assert fake.calls("stacks.list") == 3


async def test_a_server_whose_filters_distinguish_case(
    fake: FakeCloud66, c66: Cloud66, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = c66.stacks.list

    def distinguishing(*, name: str | None = None, environment: str | None = None) -> Pager[Stack]:
        return listed(name=name and f"{name}!", environment=environment)

    monkeypatch.setattr(c66.stacks, "list", distinguishing)
    assert full_name(await find_stack(c66, "SHOP/Staging", changing=True)) == "shop/staging"
    assert fake.calls("stacks.list") == 5
