"""Waiting within the hourly quota, learned durations, and events that bring a reading forward."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import pytest

from cloud66_async import ActionUnfinished, Cloud66, Polling, Retry, Stack, parse_webhook
from cloud66_async.webhooks import EventType, StackEvent

from ..support import make_error
from .polling import ScriptedActions, in_task, started
from .watching import Fleet


def used(fleet: Fleet) -> int:
    return len(fleet.requests)


# --- quota -----------------------------------------------------------------------------------------


async def leave(fleet: Fleet, c66: Cloud66, requests: int) -> None:
    """Use up the quota of this hour except for so many requests."""
    while True:
        remaining = c66.quota.remaining
        if remaining is not None and remaining <= requests:
            fleet.requests.clear()
            return
        await c66.stacks.get(fleet.stacks[0].uid)


async def test_readings_become_rare_when_the_quota_runs_short() -> None:
    """100 deployments with 200 requests left, 47 minutes before the quota resets."""
    fleet = Fleet(600, quota=400)
    async with fleet.client() as c66:
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:100]]
        await leave(fleet, c66, 200)
        await asyncio.gather(*(fleet.wait(c66, one) for one in starting))
        assert 0 < (c66.quota.remaining or 0) < 400
    assert all(target[1] for target in fleet.requests)
    hour = [time for time, _ in fleet.requests if time.hour == 9]
    assert len(hour) < 200  # never all of them: other programs of the user need some


async def test_one_wait_with_a_few_requests_left_leaves_some() -> None:
    fleet = Fleet(3, quota=30)
    async with fleet.client() as c66:
        starting = await c66.stacks.redeploy(fleet.stacks[0].uid)
        await leave(fleet, c66, 20)
        await fleet.wait(c66, starting)
        assert (c66.quota.remaining or 0) >= 5
    assert max(fleet.delays) <= 120


async def test_results_are_read_in_the_next_hour_if_the_quota_does_not_suffice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet(60, quota=200)
    async with fleet.client() as c66:
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks]
        await leave(fleet, c66, 50)
        with caplog.at_level(logging.WARNING, "cloud66_async"):
            await asyncio.gather(*(fleet.wait(c66, one) for one in starting))
    assert len([time for time, _ in fleet.requests if time.hour == 9]) < 50
    (message,) = caplog.messages
    assert message == (
        "waiting for 60 results with 48 requests left this hour: some are read in the next hour; "
        "Polling(results='list') needs fewer requests"
    )


async def test_reserve_is_not_touched() -> None:
    fleet = Fleet(3, quota=241)
    async with fleet.client(reserve=200) as c66:
        starting = await c66.stacks.redeploy(fleet.stacks[0].uid)
        await leave(fleet, c66, 206)
        await fleet.wait(c66, starting)
    assert fleet.requests[4][0].minute >= 14  # the six others are used as if there were no more


async def test_timeout_is_the_longest_wait_although_the_quota_is_exhausted() -> None:
    """A patient client sleeps until the new hour before it reads a state."""
    fleet = Fleet(3, quota=5)
    async with fleet.client(retry=Retry(max_pause=3600)) as c66:
        starting = await c66.stacks.redeploy(fleet.stacks[0].uid)
        await leave(fleet, c66, 0)
        start = fleet.clock.now()
        with pytest.raises(ActionUnfinished):
            await c66.actions.wait(starting, timeout=60)
        assert (fleet.clock.now() - start).total_seconds() == 60.0


async def test_accounts_share_the_quota_of_the_token() -> None:
    fleet = Fleet(30, quota=140)
    async with fleet.client() as c66:
        views = [c66, c66.using(account=1)]
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:20]]
        await leave(fleet, c66, 100)
        await asyncio.gather(*(view.actions.wait(one) for view in views for one in starting))
    assert len([time for time, _ in fleet.requests if time.hour == 9]) <= 65


@pytest.mark.parametrize("seed", [1, 2])
async def test_waits_start_again_within_the_first_minute_of_the_new_hour(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Many programs of a user wait for the same new hour."""
    monkeypatch.setattr("cloud66_async.resources._watching.watcher.random", random.Random(seed))
    start = fleet.clock.now()
    async with fleet.client(retry=Retry(attempts=3)) as c66:
        starting = await c66.stacks.redeploy(fleet.stacks[0].uid)
        reset = 47.5 * 60
        fleet.replies["/actions/" + f"{starting.async_action_id}.json"] = make_error(
            503, "throttled", x_ratelimit_remaining="0"
        )
        waiting = asyncio.create_task(fleet.wait(c66, starting))
        await fleet.clock.sleep(30)
        fleet.replies.clear()
        await waiting
    first, second = fleet.times(start)[:2]
    assert first == 2.0
    assert reset < second <= reset + 60
    assert second == pytest.approx(reset + random.Random(seed).uniform(0, 60), abs=0.01)


async def test_time_that_the_server_names_is_awaited(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions/1"] = make_error(503, "overloaded", retry_after="100")
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(101)
    assert len(actions.paths) == 1
    actions.errors.clear()
    actions.finish(1)
    await actions.advance(2)
    assert (await waiting).succeeded


# --- durations -------------------------------------------------------------------------------------


async def test_known_durations_decide_when_to_read(fleet: Fleet) -> None:
    async with fleet.client(polling=Polling(learn=True)) as c66:
        await fleet.deploy(c66, 3)
        before, fleet.delays = used(fleet), []
        await fleet.deploy(c66, 1, first=10)
    assert used(fleet) - before <= 9
    assert max(fleet.delays) <= 15


async def test_durations_are_not_used_by_default(fleet: Fleet) -> None:
    async with fleet.client() as c66:
        await fleet.deploy(c66, 3)
        before = used(fleet)
        await fleet.deploy(c66, 1, first=10)
    assert used(fleet) - before == 15


async def test_durations_belong_to_the_name_of_the_action(fleet: Fleet) -> None:
    async with fleet.client(polling=Polling(learn=True)) as c66:
        await fleet.deploy(c66, 3)
        before = used(fleet)
        await fleet.wait(c66, await c66.stacks.restart(fleet.stacks[20].uid))
    assert used(fleet) - before == 15


# --- events ----------------------------------------------------------------------------------------


def event(uid: str) -> StackEvent:
    return StackEvent(timestamp=1716200000, event_type=EventType.STACK_REDEPLOY_OK, stack=Stack(uid=uid))  # type: ignore[arg-type]


@pytest.mark.parametrize("by_uid", [False, True])
async def test_event_brings_the_reading_forward(fleet: Fleet, by_uid: bool) -> None:
    uid = fleet.stacks[0].uid
    async with fleet.client() as c66:
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:30]]
        first = asyncio.create_task(fleet.wait(c66, starting[0]))
        others = [asyncio.create_task(c66.actions.wait(one)) for one in starting[1:]]
        await fleet.clock.sleep(280)  # between two rounds
        fleet.lengthen(fleet.stacks[0], -20)
        pages = len(fleet.pages)
        # Another view of the client received the webhook.
        c66.using(token="somebody-else").actions.notify(uid if by_uid else event(uid))
        await first
        assert fleet.delays == [0.0]
        assert len(fleet.pages) == pages
        await asyncio.gather(*others)


async def test_events_cause_at_most_one_request_in_five_seconds(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(100)
    before = len(actions.paths)
    for _ in range(40):
        c66.actions.notify("a")
        await actions.advance(0.5)
    assert 4 <= len(actions.paths) - before <= 5
    actions.finish(1)
    await actions.advance(60)
    await waiting


async def test_events_of_other_stacks_have_no_effect(actions: ScriptedActions, c66: Cloud66) -> None:
    c66.actions.notify("a")  # nobody waits
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(3)
    before = len(actions.paths)
    body: dict[str, Any] = {"timestamp": 1716200000, "event_type": "app.auth"}
    for one in ("b", event("b"), parse_webhook(body)):
        c66.actions.notify(one)
    await actions.advance(1)
    assert len(actions.paths) == before
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_event_that_comes_before_the_end_is_not_the_end(fleet: Fleet) -> None:
    async with fleet.client() as c66:
        starting = await c66.stacks.redeploy(fleet.stacks[0].uid)
        waiting = asyncio.create_task(fleet.wait(c66, starting))
        await fleet.clock.sleep(0.5)
        c66.actions.notify(event(fleet.stacks[0].uid))
        start = fleet.clock.now()
        await waiting
    assert fleet.times(start)[0] == 0.0
    assert fleet.delays[0] <= timedelta(seconds=45).total_seconds()


def test_notify_rejects_other_values(c66: Cloud66) -> None:
    with pytest.raises(TypeError, match="invalid event: expected an event or the uid of a stack, not dict"):
        c66.actions.notify({"uid": "a"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
