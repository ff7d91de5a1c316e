"""Waiting for many stacks: what the list of stacks saves, and that no list can make a wait miss an end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from cloud66_async import Action, ActionFailed, Polling

from ..support import make_error
from .watching import Fleet, Rows


@pytest.mark.parametrize(("count", "most"), [(1, 15), (10, 155), (100, 400), (600, 920)])
async def test_requests_of_five_minutes(count: int, most: int) -> None:
    """The figures of docs/how-to/waiting.md: deployments of 5 minutes among 600 stacks, anywhere in the list."""
    fleet = Fleet(600)
    random.Random(1).shuffle(fleet.stacks)  # type: ignore[arg-type]  # a list
    async with fleet.client() as c66:
        assert len(await fleet.deploy(c66, count)) == count
    assert len(fleet.requests) <= most
    assert max(fleet.delays) <= 45


async def test_list_can_tell_successes(fleet: Fleet) -> None:
    async with fleet.client(polling=Polling(results="list")) as c66:
        found = await fleet.deploy(c66, 60)
    assert fleet.readings == []
    assert len(fleet.pages) == 2 * 15
    assert {action.succeeded for action in found} == {True}
    assert {action.stack for action in found} == {stack.uid for stack in fleet.stacks}


async def test_failure_is_read_from_the_action(fleet: Fleet) -> None:
    fleet.fake.faults.action_fails(message="Out of disk")
    async with fleet.client(polling=Polling(results="list")) as c66:
        started = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:3]]
        failed, *others = await asyncio.gather(*(fleet.wait(c66, one) for one in started), return_exceptions=True)
    assert isinstance(failed, ActionFailed)
    assert failed.action.finished_message == "Out of disk"
    assert all(isinstance(action, Action) and action.succeeded for action in others)
    assert len(fleet.readings) == 1


async def test_list_tells_nothing_about_other_actions(fleet: Fleet) -> None:
    """The status is that of the latest deployment, which says nothing about a restart that runs beside it."""
    fleet.fake.faults.action_fails(times=3, message="Out of memory", action="restart")
    async with fleet.client(polling=Polling(results="list")) as c66:
        for stack in fleet.stacks[:3]:
            fleet.fake.world.deploy(stack, user="ada@example.com", seconds=300)
        started = [await c66.stacks.restart(stack.uid) for stack in fleet.stacks[:3]]
        found = await asyncio.gather(*(fleet.wait(c66, one) for one in started), return_exceptions=True)
    assert [isinstance(error, ActionFailed) for error in found] == [True] * 3


# --- lists that are wrong ------------------------------------------------------------------------


def always(**fields: object) -> Callable[[Rows], Rows]:
    """Return a change that gives every row these fields."""

    def change(rows: Rows) -> Rows:
        return [{**row, **fields} for row in rows]

    return change


@pytest.mark.parametrize("busy", [False, None])
async def test_stack_that_is_never_busy_is_read_by_itself(fleet: Fleet, busy: bool | None) -> None:
    fleet.change = always(is_busy=busy)
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert max(fleet.delays) <= 45
    assert len(fleet.pages) <= 4  # the list has misled twice: right after the start, it may lag behind once
    assert len(fleet.requests) <= 30 * 15 + 4


async def test_list_that_lags_behind_once_is_still_used(fleet: Fleet) -> None:
    start = fleet.clock.now()
    fleet.change = lambda rows: (
        [{**row, "is_busy": False} for row in rows] if (fleet.clock.now() - start).total_seconds() < 5 else rows
    )
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert len(fleet.requests) <= 15 + 2 * 30 + 2


FROZEN = {
    "is_busy": True,
    "status": 6,
    "updated_at": None,
    "updated_at_iso": None,
    "last_activity": None,
    "last_activity_iso": None,
    "revision": "1",
}


async def test_list_that_never_changes_delays_the_end_by_at_most_its_age(fleet: Fleet) -> None:
    fleet.change = always(**FROZEN)
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    # One action is read when its age is 5 minutes. As it has finished, more and more others are read.
    assert max(fleet.delays) <= 300
    assert len(fleet.readings) == 30


async def test_stack_that_stays_busy_in_the_list_is_read_after_15_minutes(fleet: Fleet) -> None:
    *long, stuck = fleet.stacks[:6]
    fleet.change = lambda rows: [{**row, **(FROZEN if row["uid"] == stuck.uid else {})} for row in rows]
    async with fleet.client() as c66:
        started = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:6]]
        for stack in long:
            fleet.lengthen(stack, 7200)
        waiting = asyncio.gather(*(c66.actions.wait(one) for one in started[:-1]))
        await asyncio.sleep(0)  # of several that have waited equally long, the first one is read as a sample
        await fleet.wait(c66, started[-1])
        await waiting
    assert 15 * 60 - 300 <= fleet.delays[0] <= 15 * 60 - 300 + 60


async def test_row_that_always_changes_costs_no_more_than_reading_by_itself(fleet: Fleet) -> None:
    counter = iter(range(10**6))
    fleet.change = lambda rows: [{**row, "revision": str(next(counter))} for row in rows]
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert len(fleet.requests) <= 30 * 14 + 6


# --- deployments before and after ------------------------------------------------------------------


async def test_deployment_that_is_queued_behind_hides_no_end(fleet: Fleet) -> None:
    """The stack stays busy when the first of two deployments ends."""
    async with fleet.client() as c66:
        first = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:30]]
        for stack in fleet.stacks[:30]:
            fleet.fake.world.deploy(stack, user="ada@example.com", seconds=3000)
        await asyncio.gather(*(fleet.wait(c66, one) for one in first))
    assert max(fleet.delays) <= 45
    assert len(fleet.requests) <= 15 + 30


async def test_deployment_that_is_queued_itself_stays_on_the_list(fleet: Fleet) -> None:
    for stack in fleet.stacks[:30]:
        fleet.fake.world.deploy(stack, user="ada@example.com", seconds=120)
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert max(fleet.delays) <= 60
    assert len(fleet.pages) >= 15
    assert len(fleet.readings) <= 30 * 3 + 1  # found by its reference, started, ended; one check of the list


# --- pages -----------------------------------------------------------------------------------------


async def test_no_end_is_missed_if_the_order_of_the_list_changes() -> None:
    fleet, chance = Fleet(600), random.Random(1)
    real = fleet.fake.world.visible

    def shuffled(accounts: Any) -> Any:
        stacks = list(real(accounts))
        chance.shuffle(stacks)
        return stacks

    fleet.fake.world.visible = shuffled  # type: ignore[method-assign]
    async with fleet.client() as c66:
        await fleet.deploy(c66, 100, step=6)
    assert max(fleet.delays) <= 60
    assert len(fleet.requests) < 100 * 16 + 100


async def test_stack_that_is_not_on_its_page_is_read_in_the_same_round(fleet: Fleet) -> None:
    hidden = fleet.stacks[5].uid
    async with fleet.client() as c66:
        start = fleet.clock.now()
        fleet.change = lambda rows: [row for row in rows if row["uid"] != hidden or fleet.clock.now() == start]
        await fleet.deploy(c66, 30)
    first = fleet.times(start, hidden)[0]
    assert first in fleet.times(start, "/stacks.json")
    assert max(fleet.delays) <= 45


async def test_stack_that_vanishes_is_read_although_only_its_neighbor_was_due(fleet: Fleet) -> None:
    hidden = fleet.stacks[5].uid
    async with fleet.client() as c66:
        start = fleet.clock.now()
        waiting = asyncio.create_task(fleet.deploy(c66, 20))
        await fleet.clock.sleep(250)
        fleet.change = lambda rows: [row for row in rows if row["uid"] != hidden]
        await fleet.deploy(c66, 1, first=25)  # on the same page
        await waiting
    assert 252.0 in fleet.times(start, hidden)


async def test_stack_that_the_list_does_not_show_is_read_by_itself(fleet: Fleet) -> None:
    """Absence proves nothing: the list may be that of another account."""
    fleet.change = lambda rows: []
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert len(fleet.pages) <= 2 * 2
    assert len(fleet.readings) <= 30 * 15


async def test_few_stacks_are_read_by_themselves_until_the_list_pays() -> None:
    fleet = Fleet(600, seconds=20_000)
    async with fleet.client() as c66:
        await fleet.deploy(c66, 10, first=100)
    assert len(fleet.pages) > 20  # the ten are on two pages, which is known after the whole list was read
    assert len(fleet.requests) < 1 + 8 * 20 + 10 + 20 + 2 * 340 + 20


async def test_one_malformed_row_does_not_count_for_the_others(fleet: Fleet) -> None:
    broken = fleet.stacks[3].uid
    fleet.change = lambda rows: [{**row, "uid": None} if row["uid"] == broken else row for row in rows]
    async with fleet.client() as c66:
        await fleet.deploy(c66, 60)
    assert len(fleet.requests) <= 2 * 15 + 60 + 15 + 2


@pytest.mark.parametrize("status", [403, 404])
async def test_list_that_is_refused_is_not_used(fleet: Fleet, status: int) -> None:
    fleet.replies["/stacks.json?page=1"] = make_error(status)
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert len(fleet.pages) == 1
    assert len(fleet.readings) == 30 * 15


async def test_list_that_fails_three_times_is_not_used(fleet: Fleet) -> None:
    fleet.replies["/stacks.json?page=1"] = make_error(500)
    async with fleet.client() as c66:
        await fleet.deploy(c66, 30)
    assert len(fleet.pages) == 3
    assert max(fleet.delays) <= 45
