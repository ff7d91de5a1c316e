"""Following an action: which states are streamed, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async import ActionUnfinished, Cloud66
from cloud66_async.sandbox import FakeCloud66, FakeStack

from .polling import ScriptedActions, started


async def test_states_are_streamed_until_the_action_has_finished(fake: FakeCloud66, web: FakeStack) -> None:
    async with fake.client() as c66, fake.clock.running():
        states = [state async for state in c66.actions.follow(await c66.stacks.restart(web.uid))]
    assert [state.finished for state in states] == [False, True]
    assert {(state.action, state.stack) for state in states} == {("restart", web.uid)}


async def test_failed_action_is_the_last_state_and_no_error(fake: FakeCloud66, web: FakeStack) -> None:
    fake.faults.action_fails(message="Out of disk")
    async with fake.client() as c66, fake.clock.running():
        states = [state async for state in c66.actions.follow(await c66.stacks.restart(web.uid))]
    assert (states[-1].succeeded, states[-1].finished_message) == (False, "Out of disk")


async def test_following_ends_at_the_timeout(fake: FakeCloud66, web: FakeStack) -> None:
    async with fake.client() as c66, fake.clock.running():
        states = c66.actions.follow(await c66.stacks.restart(web.uid), timeout=10)
        assert not (await anext(states)).finished
        with pytest.raises(ActionUnfinished):
            await anext(states)


async def test_leaving_the_loop_stops_the_requests(actions: ScriptedActions, c66: Cloud66) -> None:
    states = c66.actions.follow(started())
    first = asyncio.ensure_future(anext(aiter(states)))
    await actions.advance(2)
    assert not (await first).finished
    await states.aclose()
    before = len(actions.paths)
    await actions.advance(60)
    assert len(actions.paths) == before
