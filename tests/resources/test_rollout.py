"""Rollouts: which stacks are deployed when, and with which results."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cloud66_async import ActionFailed, ActionUnfinished, Cloud66, Conflict, Forbidden, NotFound
from cloud66_async.rollout import Rollout, RolloutResult

from ..support import Script, client, iterations, tasks_left
from .fleet import Fleet, counts, states


async def watched(fleet: Fleet, rollout: Rollout) -> list[tuple[int, str, int]]:
    """Carry out a rollout. Return each change: the number of the stack, its state, and how many are being deployed."""
    changes: list[tuple[int, str, int]] = []
    async with rollout as progress:
        async for result in progress:
            number = fleet.uids.index(result.uid)
            if (number, result.state) not in [change[:2] for change in changes]:
                changes.append((number, str(result.state), fleet.busy()))
    return changes


async def test_window_starts_a_deployment_when_another_one_ends() -> None:
    fleet = Fleet(8)
    async with fleet.client() as c66:
        changes = await watched(fleet, rollout := c66.stacks.rollout(fleet.uids, at_once=3))
    assert states(rollout.results) == ["succeeded"] * 8
    assert [result.uid for result in rollout.results] == fleet.uids
    assert max(busy for _, _, busy in changes) == 3
    assert [number for number, state, _ in changes if state == "starting"] == list(range(8))
    assert [state for number, state, _ in changes if number == 7] == ["starting", "running", "succeeded"]
    assert fleet.deployed == [1] * 8


async def test_each_wave_ends_before_the_next_one_starts() -> None:
    fleet = Fleet(8)
    async with fleet.client() as c66:
        changes = await watched(fleet, c66.stacks.rollout(fleet.uids, at_once=[1, 2]))
    waves = [{0}, {1, 2}, {3, 4}, {5, 6}, {7}]
    order = [number for number, state, _ in changes if state in ("starting", "succeeded")]
    for wave in waves:
        size = 2 * len(wave)
        assert set(order[:size]) == wave
        order = order[size:]


async def test_rollout_is_awaited_and_sends_its_options() -> None:
    fleet = Fleet(2)
    async with fleet.client() as c66:
        results = await c66.stacks.rollout(fleet.uids, git_ref="v2.1", services=["web"], canary_percentage=5)
        deployment = await c66.deployments.list(fleet.uids[1]).first()
    assert deployment is not None
    assert deployment.git_ref == "v2.1"
    assert [result.action is not None and result.action.succeeded for result in results] == [True, True]
    assert [result.error for result in results] == [None, None]
    assert fleet.deployed == [1, 1]


async def test_reference_names_the_rollout_and_the_position() -> None:
    fleet = Fleet(2)
    async with fleet.client() as c66:
        await (rollout := c66.stacks.rollout(fleet.uids))
        assert c66.stacks.rollout(fleet.uids).id != rollout.id
    assert len(rollout.id) == 16
    assert [result.reference for result in rollout.results] == [f"c66:{rollout.id}:0:0", f"c66:{rollout.id}:1:0"]
    assert [action.metadata["user_reference"] for stack in fleet.stacks for action in stack.actions[:1]] == [
        result.reference for result in rollout.results
    ]


async def test_failure_stops_the_rollout_and_running_deployments_are_waited_for() -> None:
    fleet = Fleet(6)
    fleet.fake.faults.action_fails(after=20)
    async with fleet.client() as c66:
        await (rollout := c66.stacks.rollout(fleet.uids, at_once=2))
    failed = rollout.results[0]
    assert states(rollout.results) == ["failed", "succeeded", *["not_started"] * 4]
    assert isinstance(failed.error, ActionFailed)
    assert failed.action is failed.error.action
    assert fleet.deployed == [1, 1, 0, 0, 0, 0]
    assert rollout.stopped == "stop_after=1"


@settings(max_examples=25, deadline=None)
@given(
    failing=st.lists(st.booleans(), min_size=1, max_size=12),
    at_once=st.integers(1, 5) | st.lists(st.integers(1, 4), min_size=1, max_size=3),
    stop_after=st.none() | st.integers(1, 4),
)
async def test_failures_are_bounded(failing: list[bool], at_once: Any, stop_after: int | None) -> None:
    fleet = Fleet(len(failing))
    uids = [uid if not fails else f"no-such-stack-{uid}" for uid, fails in zip(fleet.uids, failing, strict=True)]
    async with fleet.client() as c66:
        results = await c66.stacks.rollout(uids, at_once=at_once, stop_after=stop_after)
    found = counts(results)
    width = at_once if isinstance(at_once, int) else max(at_once)
    assert set(found) <= {"succeeded", "failed", "not_started"}
    if stop_after is None or sum(failing) < stop_after:
        assert found.get("not_started", 0) == 0
    else:
        assert stop_after <= found["failed"] <= width + stop_after - 1
    started = [result.state == "succeeded" for result in results]
    assert fleet.deployed == [int(value) for value in started]


async def test_refused_starts_fail() -> None:
    fleet = Fleet(3)
    fleet.fake.faults.busy(operation="stacks.redeploy")
    fleet.fake.faults.missing_scope(operation="stacks.redeploy")
    async with fleet.client() as c66:
        results = await c66.stacks.rollout([*fleet.uids, "missing"], at_once=1, stop_after=None)
    assert states(results) == ["failed", "failed", "succeeded", "failed"]
    assert [type(result.error) for result in results] == [Conflict, Forbidden, type(None), NotFound]
    assert fleet.deployed == [0, 0, 1]


async def test_timeout_counts_as_a_failure_and_cancels_nothing() -> None:
    fleet = Fleet(3)
    async with fleet.client() as c66:
        start = fleet.fake.clock.now()
        await (rollout := c66.stacks.rollout(fleet.uids, at_once=1, timeout=100))
        assert (fleet.fake.clock.now() - start).total_seconds() == pytest.approx(100, abs=1)
        assert states(rollout.results) == ["unfinished", "not_started", "not_started"]
        assert isinstance(rollout.results[0].error, ActionUnfinished)
        assert rollout.results[0].action is not None
        assert fleet.busy() == 1


async def test_deployment_that_is_queued_behind_another_one_is_waited_for() -> None:
    fleet = Fleet(2)
    async with fleet.client() as c66:
        await c66.stacks.redeploy(fleet.uids[0])
        results = await c66.stacks.rollout(fleet.uids)
        assert states(results) == ["succeeded", "succeeded"]
        assert results[0].action is not None
        assert results[0].action.metadata == {"user_reference": results[0].reference}
        assert fleet.busy() == 0


# --- leaving -------------------------------------------------------------------------------------


async def leave_at(fleet: Fleet, c66: Cloud66, state: str) -> Rollout:
    """Leave a rollout as soon as a stack has this state."""
    async with (rollout := c66.stacks.rollout(fleet.uids, at_once=2)) as progress:
        async for result in progress:
            if result.state == state:
                break
    return rollout


@pytest.mark.parametrize(
    ("state", "left"),
    [
        ("running", {"unfinished": 2, "not_started": 3}),
        ("succeeded", {"succeeded": 2, "unfinished": 2, "not_started": 1}),
    ],
)
async def test_leaving_the_block_starts_nothing_more_and_waits_for_nothing(state: str, left: dict[str, int]) -> None:
    fleet = Fleet(5)
    before = tasks_left()
    async with fleet.client() as c66:
        rollout = await leave_at(fleet, c66, state)
        now, calls = fleet.fake.clock.now(), fleet.fake.calls()
        await iterations()
        assert (fleet.fake.clock.now(), fleet.fake.calls()) == (now, calls)
        found = counts(rollout.results)
        assert found.keys() <= {"succeeded", "unfinished", "unknown", "not_started"}
        assert found.get("not_started", 0) >= left["not_started"]
        await fleet.fake.clock.sleep(1000)
        assert sum(fleet.deployed) == 5 - found["not_started"]  # they went on
        results = await c66.stacks.resume_rollout(rollout.to_dict())
    assert states(results) == ["succeeded"] * 5
    assert fleet.deployed == [1] * 5
    await iterations()
    assert tasks_left() <= before


async def test_deadline_of_the_caller_ends_it() -> None:
    fleet = Fleet(3)
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids, at_once=1)

        async def wait() -> None:
            await rollout

        waiting = asyncio.create_task(wait())
        await fleet.fake.clock.sleep(30)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert states(rollout.results) == ["unfinished", "not_started", "not_started"]
        assert states(await c66.stacks.resume_rollout(rollout.to_dict())) == ["succeeded"] * 3
    assert fleet.deployed == [1] * 3


async def test_error_of_the_block_propagates_unchanged() -> None:
    fleet = Fleet(3)
    async with fleet.client() as c66:
        with pytest.raises(LookupError, match="mine"):
            async with c66.stacks.rollout(fleet.uids) as progress:
                async for _ in progress:
                    raise LookupError("mine")


async def test_block_may_be_left_in_another_task() -> None:
    fleet = Fleet(3)
    async with fleet.client() as c66:
        stack = AsyncExitStack()
        progress = await asyncio.create_task(stack.enter_async_context(c66.stacks.rollout(fleet.uids)))
        assert isinstance(await anext(progress), RolloutResult)
        await asyncio.create_task(stack.aclose())


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uids", "options", "message"),
    [
        ([], {}, "invalid uids: must not be empty"),
        (["a", "b", "a"], {}, "invalid uids: 'a' is in it twice"),
        (["a", ""], {}, "invalid stack: must not be empty"),
        (["a"], {"at_once": 0}, "invalid at_once 0: must be at least 1"),
        (["a"], {"at_once": []}, "invalid at_once: must not be empty"),
        (["a"], {"at_once": [1, 0]}, "invalid at_once 0: must be at least 1"),
        (["a"], {"stop_after": 0}, "invalid stop_after 0: must be at least 1"),
        (["a"], {"timeout": -1}, "invalid timeout -1: must be finite and not negative"),
        (["a"], {"timeout": float("nan")}, "invalid timeout nan: must be finite and not negative"),
    ],
    ids=str,
)
async def test_invalid_arguments_are_rejected_before_a_request(uids: Any, options: Any, message: str) -> None:
    transport = Script()
    async with client(transport) as c66:
        with pytest.raises(ValueError, match=message):
            c66.stacks.rollout(uids, **options)
    assert transport.requests == []


@pytest.mark.parametrize(
    ("uids", "options"), [("abc", {}), ([1], {}), (["a"], {"at_once": "1"}), (["a"], {"canary_percentage": "5"})]
)
async def test_arguments_of_the_wrong_type_are_rejected(uids: Any, options: Any) -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match=r"invalid (uids|at_once|canary_percentage): expected"):
            c66.stacks.rollout(uids, **options)
