"""Several tasks that wait for actions of one stack share the requests."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async import Action, ActionUnfinished, Cloud66, Cloud66Error, ConfigError, NotFound
from cloud66_async.transport import BufferedResponse

from ..support import ONCE, client, make_error, make_response
from .polling import ScriptedActions, in_task, started


async def test_waiters_of_one_stack_share_the_requests(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2, 3, 3)]
    await actions.advance(1)
    assert actions.paths == ["/stacks/a/actions.json?page=1"]
    for number in (1, 2, 3):
        actions.finish(number)
    await actions.advance(2)
    assert [action.id for action in await asyncio.gather(*waiting)] == [1, 2, 3, 3]
    assert actions.paths == ["/stacks/a/actions.json?page=1"] * 2


async def test_waiters_of_one_action_read_only_that_action(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(1))) for _ in range(50)]
    await actions.advance(1)
    actions.finish(1)
    await actions.advance(2)
    assert len(await asyncio.gather(*waiting)) == 50
    assert actions.paths == ["/stacks/a/actions/1"] * 2


async def test_stacks_are_polled_separately(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.finish(1)
    waiting = [in_task(c66.actions.wait(started(1, stack))) for stack in ("a", "b")]
    await actions.advance(1)
    await asyncio.gather(*waiting)
    assert sorted(actions.paths) == ["/stacks/a/actions/1", "/stacks/b/actions/1"]


async def test_action_outside_the_first_page_is_read_by_its_id(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions"] = make_response({"response": [actions.fields(2)]})
    actions.finish(1)
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2)]
    await actions.advance(1)
    assert (await waiting[0]).succeeded
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    assert actions.paths == ["/stacks/a/actions.json?page=1", "/stacks/a/actions/1"]


async def test_cancelled_waiter_does_not_affect_the_others(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2, 3)]
    await actions.advance(0.5)
    waiting[0].cancel()
    await actions.advance(1)
    waiting[1].cancel()
    await actions.advance(1)
    actions.finish(3)
    await actions.advance(15)
    assert (await waiting[2]).id == 3
    assert all(task.cancelled() for task in waiting[:2])


async def test_waiter_that_is_cancelled_on_success_does_not_affect_the_others(
    actions: ScriptedActions, c66: Cloud66
) -> None:
    actions.finish(1)

    def leave(_: Action) -> None:
        waiting.cancel()

    waiting = in_task(c66.actions.wait(started(), progress=leave))
    other = in_task(c66.actions.wait(started()))
    await actions.advance(1)
    assert (await other).succeeded
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_unknown_action_is_an_error_of_its_waiters_only(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 99)]
    await actions.advance(1)
    with pytest.raises(NotFound):
        await waiting[1]
    actions.finish(1)
    await actions.advance(15)
    assert (await waiting[0]).succeeded


async def test_error_of_a_progress_function_is_raised_in_its_waiter_only(
    actions: ScriptedActions, c66: Cloud66
) -> None:
    def fail(_: Action) -> None:
        raise ValueError("from progress")

    waiting = [in_task(c66.actions.wait(started(), progress=progress)) for progress in (fail, None)]
    await actions.advance(1)
    with pytest.raises(ValueError, match="from progress"):
        await waiting[0]
    actions.finish(1)
    await actions.advance(15)
    assert (await waiting[1]).succeeded


async def test_invalid_action_in_the_list_makes_each_be_read_separately(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions"] = make_response({"response": [{"action": "no id"}]})
    actions.finish(1)
    actions.finish(2)
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2)]
    await actions.advance(1)
    assert [action.id for action in await asyncio.gather(*waiting)] == [1, 2]


@pytest.mark.parametrize("error", [make_error(500), make_error(401)])
async def test_error_of_the_list_is_raised_in_every_waiter(
    actions: ScriptedActions, c66: Cloud66, error: BufferedResponse
) -> None:
    actions.errors["/stacks/a/actions"] = error
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2)]
    await actions.advance(1)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, Cloud66Error) for error in found)
    assert len(actions.paths) == 1


async def test_new_waiter_shortens_the_pause(actions: ScriptedActions, c66: Cloud66) -> None:
    first = in_task(c66.actions.wait(started(1)))
    await actions.advance(120)
    actions.finish(2)
    second = in_task(c66.actions.wait(started(2)))
    await actions.advance(1.25)
    assert second.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_new_waiter_has_its_own_deadline(actions: ScriptedActions, c66: Cloud66) -> None:
    first = in_task(c66.actions.wait(started(1)))
    await actions.advance(120)
    second = in_task(c66.actions.wait(started(2), timeout=0.5))
    await actions.advance(0.75)
    with pytest.raises(ActionUnfinished):
        await second
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_new_waiters_do_not_delay_the_request(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting: list[asyncio.Task[Action]] = []
    for _ in range(16):
        waiting.append(in_task(c66.actions.wait(started(1))))
        await actions.advance(0.5)
    assert len(actions.paths) >= 5
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_waiters_have_different_deadlines(actions: ScriptedActions, c66: Cloud66) -> None:
    short = in_task(c66.actions.wait(started(1), timeout=3))
    long = in_task(c66.actions.wait(started(1), timeout=30))
    await actions.advance(3.25)
    with pytest.raises(ActionUnfinished):
        await short
    actions.finish(1)
    await actions.advance(15)
    assert (await long).succeeded


async def test_closed_client_raises_in_the_waiters(actions: ScriptedActions) -> None:
    c66 = client(actions.transport, clock=actions.clock, retry=ONCE)
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(1)
    await c66.aclose()
    await actions.advance(15)
    with pytest.raises(ConfigError, match="closed"):
        await waiting
