"""Tasks that wait share the requests, but neither their errors nor their ends."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from cloud66_async import (
    Action,
    ActionUnfinished,
    Cloud66,
    ConfigError,
    LoginError,
    NotFound,
    Token,
    Unauthenticated,
)
from cloud66_async.transport import Request

from ..support import ONCE, TOKEN, client, iterations, make_error, make_response, tasks_left
from .polling import ScriptedActions, in_task, started
from .watching import Fleet


async def test_waiters_of_one_stack_share_the_requests(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2, 3, 3)]
    await actions.advance(2)
    assert actions.paths == ["/stacks/a/actions.json?page=1"]
    for number in (1, 2, 3):
        actions.finish(number)
    await actions.advance(5)
    assert [action.id for action in await asyncio.gather(*waiting)] == [1, 2, 3, 3]
    assert actions.paths == ["/stacks/a/actions.json?page=1"] * 2


async def test_waiters_of_one_action_read_only_that_action(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(1))) for _ in range(50)]
    await actions.advance(2)
    actions.finish(1)
    await actions.advance(5)
    assert len(await asyncio.gather(*waiting)) == 50
    assert actions.paths == ["/stacks/a/actions/1"] * 2


async def test_views_with_the_same_token_share_the_requests(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(view.actions.wait(started())) for view in (c66, c66.using(timeout=5), c66.using(token=TOKEN))]
    await actions.advance(2)
    assert actions.paths == ["/stacks/a/actions/1"]
    actions.finish(1)
    await actions.advance(5)
    await asyncio.gather(*waiting)


async def test_other_tokens_and_accounts_have_their_own_requests(fleet: Fleet) -> None:
    async with fleet.client() as c66:
        views = [c66, c66.using(token=fleet.fake.add_token()), c66.using(account=1)]
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:2]]
        await asyncio.gather(*(view.actions.wait(one) for view in views for one in starting))
    assert len(fleet.pages) == 3 * 15
    assert sorted(set(fleet.accounts), key=str) == ["1", None]


async def test_action_outside_the_first_page_is_read_by_its_id(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions"] = make_response({"response": [actions.fields(2)]})
    actions.finish(1)
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2)]
    await actions.advance(2)
    assert (await waiting[0]).succeeded
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    assert actions.paths == ["/stacks/a/actions.json?page=1", "/stacks/a/actions/1"]


async def test_invalid_action_in_the_list_makes_each_be_read_separately(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions"] = make_response({"response": [{"action": "no id"}]})
    actions.finish(1)
    actions.finish(2)
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2)]
    await actions.advance(2)
    assert [action.id for action in await asyncio.gather(*waiting)] == [1, 2]


async def test_state_is_passed_to_progress_although_the_list_shows_no_change(fleet: Fleet) -> None:
    seen: list[bool] = []
    async with fleet.client() as c66:
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:30]]
        await asyncio.gather(
            c66.actions.wait(starting[0], progress=lambda action: seen.append(action.finished)),
            *(c66.actions.wait(one) for one in starting[1:]),
        )
    assert seen == [False, True]
    assert len(fleet.readings) == 31


# --- cancellation ----------------------------------------------------------------------------------


async def test_cancelled_waiter_does_not_affect_the_others(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 2, 3)]
    await actions.advance(0.5)
    waiting[0].cancel()
    await actions.advance(2)
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
    await actions.advance(2)
    assert (await other).succeeded
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_deadline_of_one_task_is_not_that_of_the_requests(actions: ScriptedActions, c66: Cloud66) -> None:
    """The first task that waits starts the requests, within its own deadline."""
    other: list[asyncio.Task[Action]] = []

    async def wait_briefly() -> None:
        async with asyncio.timeout(0.05):
            other.append(in_task(c66.actions.wait(started(2))))
            await c66.actions.wait(started(1))

    with pytest.raises(TimeoutError):
        await wait_briefly()
    actions.finish(2)
    await actions.advance(2)
    assert (await other[0]).succeeded


async def test_requests_have_the_context_of_no_task(actions: ScriptedActions, c66: Cloud66) -> None:
    """Context variables hold, for example, the span or the deadline of the task that set them."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []
    reply = actions.transport.replies[0]
    assert callable(reply)

    def record(request: Request) -> object:
        seen.append(variable.get())
        return reply(request)

    actions.transport.replies = [record]
    variable.set("of the task")
    actions.finish(1)
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(2)
    await waiting
    assert seen == ["unset"]


async def test_end_of_the_program_ends_every_wait(actions: ScriptedActions, c66: Cloud66) -> None:
    """At its end, `asyncio.run` cancels every task. Here it is only the one that sends the requests."""
    before = tasks_left()
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(3)
    for task in tasks_left() - before - {waiting}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_closed_client_raises_in_the_waiters(actions: ScriptedActions) -> None:
    c66 = client(actions.transport, clock=actions.clock, retry=ONCE)
    view = c66.using(account=7)
    waiting = [
        in_task(c66.actions.wait(started())),
        in_task(c66.actions.wait(started(2), timeout=100)),
        in_task(view.actions.wait(started())),
    ]
    await actions.advance(3)
    await view.aclose()  # has no effect
    assert not any(task.done() for task in waiting)
    await c66.aclose()
    for task in waiting:
        with pytest.raises(ConfigError, match="this client is closed; create a new one"):
            await task
    assert actions.clock.sleepers == 0
    with pytest.raises(ConfigError, match="this client is closed"):
        await c66.actions.wait(started())


# --- errors ----------------------------------------------------------------------------------------


async def test_unknown_action_is_an_error_of_its_waiters_only(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = [in_task(c66.actions.wait(started(number))) for number in (1, 99)]
    await actions.advance(2)
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
    await actions.advance(2)
    with pytest.raises(ValueError, match="from progress"):
        await waiting[0]
    actions.finish(1)
    await actions.advance(15)
    assert (await waiting[1]).succeeded


async def test_wait_continues_after_server_errors(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions"] = actions.errors["/stacks/b/actions/1"] = make_error(500)
    waiting = [in_task(c66.actions.wait(started(*one))) for one in ((1, "a"), (2, "a"), (1, "b"))]
    await actions.advance(30)
    assert len(actions.paths) > 4
    actions.errors.clear()
    actions.finish(1)
    actions.finish(2)
    await actions.advance(30)
    assert all(action.succeeded for action in await asyncio.gather(*waiting))


async def test_rejected_token_ends_every_wait(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.errors["/stacks/a/actions/1"] = make_error(401)
    waiting = [in_task(c66.actions.wait(started(1, stack))) for stack in ("a", "b")]
    await actions.advance(2)
    for found in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(found, Unauthenticated)


async def test_expired_token_ends_the_wait(actions: ScriptedActions, c66: Cloud66) -> None:
    token = Token("t" * 20, expires_at=actions.clock.now().replace(second=40))
    waiting = in_task(c66.using(token=token).actions.wait(started()))
    await actions.advance(30)
    with pytest.raises(LoginError):
        await waiting


async def test_error_of_the_clock_ends_every_wait(actions: ScriptedActions) -> None:
    class BrokenClock:
        now = staticmethod(actions.clock.now)

        async def sleep(self, seconds: float) -> None:
            raise ZeroDivisionError

    async with client(actions.transport, clock=BrokenClock(), retry=ONCE) as c66:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await c66.actions.wait(started())


async def test_clock_may_be_behind_its_pauses(actions: ScriptedActions) -> None:
    """A timer may end a little early, and a test may shorten pauses."""

    class EarlyClock:
        now = staticmethod(actions.clock.now)

        async def sleep(self, seconds: float) -> None:
            await actions.clock.sleep(seconds / 4)

    async with client(actions.transport, clock=EarlyClock(), retry=ONCE) as c66:
        waiting = in_task(c66.actions.wait(started()))
        await actions.advance(1)
        assert len(actions.paths) == 1
        actions.finish(1)
        await actions.advance(2)
        assert (await waiting).succeeded


# --- timeouts --------------------------------------------------------------------------------------


async def test_new_waiter_is_served_soon(actions: ScriptedActions, c66: Cloud66) -> None:
    first = in_task(c66.actions.wait(started(1)))
    await actions.advance(120)
    actions.finish(2)
    second = in_task(c66.actions.wait(started(2)))
    await actions.advance(2.25)
    assert second.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_new_waiters_do_not_delay_the_request(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting: list[asyncio.Task[Action]] = []
    for _ in range(16):
        waiting.append(in_task(c66.actions.wait(started(1))))
        await actions.advance(0.5)
    assert len(actions.paths) == 2
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


async def test_timeout_reads_one_action_and_no_page(fleet: Fleet) -> None:
    async with fleet.client() as c66:
        start = fleet.clock.now()
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:30]]
        waiting = [asyncio.create_task(c66.actions.wait(one)) for one in starting[1:]]
        with pytest.raises(ActionUnfinished) as caught:
            await c66.actions.wait(starting[0], timeout=100)
        await asyncio.gather(*waiting)
    assert caught.value.action.action == "application_deployment"
    at_timeout = [target for time, target in fleet.requests if (time - start).total_seconds() == 100.0]
    assert at_timeout == [f"/stacks/{fleet.stacks[0].uid}/actions/{starting[0].async_action_id}.json"]


@pytest.mark.parametrize("seen", [False, True])
async def test_timeout_ends_the_wait_although_the_action_cannot_be_read(
    actions: ScriptedActions, c66: Cloud66, seen: bool
) -> None:
    waiting = in_task(c66.actions.wait(started(), timeout=10))
    await actions.advance(3 if seen else 1)
    actions.errors["/stacks/a/actions/1"] = make_error(500)
    await actions.advance(10)
    with pytest.raises(ActionUnfinished) as caught:
        await waiting
    assert caught.value.action == Action(id=1, action="deploy" if seen else None, stack="a")
    assert "500" in str(caught.value.__cause__)


async def test_unknown_action_at_the_timeout_is_not_found(actions: ScriptedActions, c66: Cloud66) -> None:
    with pytest.raises(NotFound):
        await c66.actions.wait(started(99), timeout=0)


async def test_nothing_is_left_when_nobody_waits(fleet: Fleet) -> None:
    before = tasks_left()
    async with fleet.client() as c66:
        starting = [await c66.stacks.redeploy(stack.uid) for stack in fleet.stacks[:30]]
        waiting = [asyncio.create_task(c66.actions.wait(one, timeout=1000)) for one in starting]
        await fleet.clock.sleep(50)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await iterations()
        assert tasks_left() <= before
        assert fleet.clock.sleepers == 0
