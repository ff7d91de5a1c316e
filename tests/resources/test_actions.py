"""Actions: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from cloud66_async import (
    Action,
    ActionFailed,
    ActionUnfinished,
    Cloud66,
    ConfigError,
    NotFound,
    Redeployment,
    models,
)
from cloud66_async.sandbox import FakeCloud66, FakeStack
from cloud66_async.sandbox.clock import FakeClock

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, iterations, make_response
from .documented import Documented
from .fields import field_names
from .polling import ScriptedActions, in_task, started

DOCUMENTED: Documented = {
    models.Action: """
        id user resource_type resource_id action started_via started_at finished_at finished_success
        finished_message finished_result metadata
    """,
    models.Outcome: """
        ok message
    """,
}

# --- wire form -----------------------------------------------------------------------------------


async def test_actions_hold_their_stack(actions: ScriptedActions, c66: Cloud66) -> None:
    assert (await c66.actions.get("a", 3)).stack == "a"
    assert {action.stack for action in await c66.actions.list("b")} == {"b"}
    assert actions.paths == ["/stacks/a/actions/3", "/stacks/b/actions.json?page=1"]


async def test_action_without_an_envelope_is_accepted() -> None:
    for body in ({"response": {"id": 5, "resource_id": 7}}, {"id": 5, "resource_id": "7"}):
        async with client(Script(make_response(body))) as c66:
            assert await c66.actions.get("a", 5) == Action(id=5, resource_id="7", stack="a")


def test_action_succeeds_only_if_it_finished_and_the_api_reports_success() -> None:
    at = FakeClock().now()
    assert not Action(id=1, finished_success=True).finished
    assert not Action(id=1, finished_success=True).succeeded
    assert Action(id=1, finished_at=at).finished
    assert not Action(id=1, finished_at=at).succeeded
    assert Action(id=1, finished_at=at, finished_success=True).succeeded


async def test_command_is_sent_with_its_parameters() -> None:
    transport = Script(make_response({"response": {"id": 5, "action": "restart"}}))
    async with client(transport) as c66:
        assert await c66.stacks.restart("a") == Action(id=5, action="restart", stack="a")
        await c66.stacks.clear_caches("a")
        await c66.stacks.maintenance_mode("a", on=False)
        await c66.servers.promote_slave_db("a", "s", db_type="redis")
        await c66.servers.resync_slave_db("a", "s")
        await c66.servers.disable_replication_slave_db("a", "s")
    assert set(transport.targets) == {"/stacks/a/actions.json"}
    assert {request.method for request in transport.requests} == {"POST"}
    assert [json.loads(request.body or b"") for request in transport.requests] == [
        {"command": "restart"},
        {"command": "clear_caches"},
        {"command": "maintenance_mode", "value": 0},
        {"command": "promote_slave_db", "server_uid": "s", "db_type": "redis"},
        {"command": "resync_slave_db", "server_uid": "s"},
        {"command": "disable_replication_slave_db", "server_uid": "s"},
    ]


# --- waiting -------------------------------------------------------------------------------------


async def test_pause_between_requests_grows_to_a_minute(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = in_task(c66.actions.wait(started()))
    times: list[float] = []
    start = actions.clock.now()
    for _ in range(2400):
        before = len(actions.paths)
        await iterations(8)
        actions.clock.advance(0.5)
        await iterations(8)
        if len(actions.paths) > before:
            times.append((actions.clock.now() - start).total_seconds())
    pauses = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert pauses[:2] == [2.0, 5.0]
    assert all(later >= earlier - 0.5 for earlier, later in itertools.pairwise(pauses))
    assert pauses[-1] == 60.0
    actions.finish(1, message="All done")
    await actions.advance(60)
    action = await waiting
    assert (action.succeeded, action.finished_message, action.stack) == (True, "All done", "a")
    assert set(actions.paths) == {"/stacks/a/actions/1"}


async def test_progress_is_called_with_each_state(actions: ScriptedActions, c66: Cloud66) -> None:
    seen: list[bool] = []
    waiting = in_task(c66.actions.wait(started(), progress=lambda action: seen.append(action.finished)))
    await actions.advance(15)
    actions.finish(1)
    await actions.advance(15)
    await waiting
    assert len(seen) >= 3
    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize(
    ("success", "message", "text"),
    [
        (False, "Out of disk", "Out of disk"),
        ("false", None, "no reason given"),
        (None, None, "no reason given"),
        (False, "line\nforged ERROR line", "line forged ERROR line"),
    ],
)
async def test_failed_action_raises_action_failed(
    actions: ScriptedActions, c66: Cloud66, success: object, message: str | None, text: str
) -> None:
    actions.finish(1, success, message)
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(2)
    with pytest.raises(ActionFailed) as caught:
        await waiting
    assert str(caught.value) == f"action 1 (deploy) of stack a failed: {text}"
    assert caught.value.action.id == 1
    assert caught.value.action.stack == "a"


@pytest.mark.parametrize("success", [True, "true", 1])
async def test_success_may_have_several_forms(actions: ScriptedActions, c66: Cloud66, success: object) -> None:
    actions.finish(1, success)
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(2)
    assert (await waiting).succeeded


@pytest.mark.parametrize("timeout", [0, 0.5, 1, 2, 10, 40])
async def test_timeout_is_the_longest_wait(actions: ScriptedActions, c66: Cloud66, timeout: float) -> None:
    start = actions.clock.now()
    waiting = in_task(c66.actions.wait(started(), timeout=timeout))
    while not waiting.done():
        await iterations()
        actions.clock.advance(0.25)
        await iterations()
    assert timeout <= (actions.clock.now() - start).total_seconds() <= timeout + 0.5
    with pytest.raises(ActionUnfinished, match=r"action 1 \(deploy\) did not finish before the timeout") as caught:
        await waiting
    assert caught.value.action == Action(id=1, action="deploy", stack="a")


async def test_action_may_finish_just_before_the_timeout(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = in_task(c66.actions.wait(started(), timeout=10))
    await actions.advance(9.5)
    actions.finish(1)
    await actions.advance(2)
    assert (await waiting).succeeded


async def test_action_can_be_waited_for(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.finish(7)
    waiting = in_task(c66.actions.wait(Action(id=7), stack="b"))
    await actions.advance(2)
    assert (await waiting).stack == "b"
    assert actions.paths == ["/stacks/b/actions/7"]


async def test_response_without_a_stack_is_rejected(actions: ScriptedActions, c66: Cloud66) -> None:
    with pytest.raises(ConfigError, match=r"pass it as stack=\.\.\."):
        await c66.actions.wait(started(stack=None))
    assert actions.paths == []


async def test_error_of_the_api_is_raised_in_the_waiter(actions: ScriptedActions, c66: Cloud66) -> None:
    with pytest.raises(NotFound):
        waiting = in_task(c66.actions.wait(started(99)))
        await actions.advance(2)
        await waiting


async def test_polling_stops_without_waiters(actions: ScriptedActions, c66: Cloud66) -> None:
    waiting = in_task(c66.actions.wait(started()))
    await actions.advance(2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    requests = len(actions.paths)
    await actions.advance(60)
    assert len(actions.paths) == requests
    assert actions.clock.sleepers == 0


async def test_finished_action_can_be_waited_for_again(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.finish(1)
    for _ in range(3):
        waiting = in_task(c66.actions.wait(started()))
        await actions.advance(2)
        assert (await waiting).succeeded


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    fake.world.act(web, "restart", user="ada@example.com")
    assert call.get(f"/stacks/{web.uid}/actions")[0].keys() == field_names(Action) - {"stack"}


def test_command_starts_an_action(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}"
    action = call.send("POST", f"{path}/actions.json", {"command": "clear_caches"})
    assert (action["action"], action["resource_type"]) == ("clear_caches", "stack")
    assert (call.get(path)["is_busy"], call.get(path)["status"]) == (True, 1)
    fake.clock.advance(60)
    assert call.get(f"{path}/actions/{action['id']}.json")["finished_success"] is True
    assert call.get(path)["is_busy"] is False
    assert error_code(call("POST", f"{path}/actions.json", {"command": "dance"})) == "bad_request"
    assert error_code(call("POST", f"{path}/actions.json", {})) == "bad_request"


def test_command_sets_the_maintenance_mode(call: Caller, web: FakeStack) -> None:
    for value in (1, 0):
        call.send("POST", f"/stacks/{web.uid}/actions.json", {"command": "maintenance_mode", "value": value})
        assert call.get(f"/stacks/{web.uid}")["maintenance_mode"] is bool(value)


def test_action_can_be_made_to_fail(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}"
    fake.faults.action_fails(message="Out of disk", action="application_deployment")
    assert call.send("POST", f"{path}/actions.json", {"command": "restart"})["finished_at"] is None
    for _ in range(2):
        call.send("POST", f"{path}/deployments.json", {})
    succeeding, failing = (action["id"] for action in call.get(f"{path}/actions.json")[:2])
    fake.clock.advance(60)
    failed = call.get(f"{path}/actions/{failing}.json")
    assert (failed["finished_success"], failed["finished_message"]) == (False, "Out of disk")
    fake.clock.advance(60)
    assert call.get(f"{path}/actions/{succeeding}.json")["finished_success"] is True


def test_actions_are_filtered_by_reference(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}"
    for reference in ("a", "b", "a"):
        call.send("POST", f"{path}/deployments.json", {"user_reference": reference})
    found = call.get(f"{path}/actions.json", user_reference="a")
    assert [action["metadata"] for action in found] == [{"user_reference": "a"}] * 2
    assert len(call.get(f"{path}/actions.json")) >= 3


@pytest.mark.parametrize("number", ["0", "x", "99999999999"])
def test_unknown_action_is_not_found(call: Caller, web: FakeStack, number: str) -> None:
    assert error_code(call("GET", f"/stacks/{web.uid}/actions/{number}.json")) == "not_found"


def test_action_of_another_stack_is_not_found(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    other = fake.add_stack("other")
    number = call.send("POST", f"/stacks/{web.uid}/deployments.json", {})["async_action_id"]
    assert error_code(call("GET", f"/stacks/{other.uid}/actions/{number}.json")) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_command_is_run_and_waited_for(fake: FakeCloud66, web: FakeStack) -> None:
    async with fake.client() as c66, fake.clock.running():
        started = await c66.stacks.maintenance_mode(web.uid, on=True)
        assert (await c66.actions.wait(started)).action == "maintenance_mode"
        assert (await c66.stacks.get(web.uid)).maintenance_mode


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"command": "dance"}, "Invalid command ('dance'): expected one of 'clear_caches'"),
        ({}, "Missing parameters: command"),
        ({"command": "maintenance_mode"}, "Missing parameters: value"),
        ({"command": "maintenance_mode", "value": 2}, "Invalid value (2)"),
        ({"command": "container_restart"}, "Missing parameters: container_id"),
    ],
)
def test_sandbox_rejects_incomplete_commands(call: Caller, web: FakeStack, body: object, text: str) -> None:
    reply = call("POST", f"/stacks/{web.uid}/actions.json", body)
    assert error_code(reply) == "bad_request"
    assert text in json.loads(reply.body)["details"]


def test_sandbox_rejects_commands_for_what_does_not_exist(call: Caller, web: FakeStack) -> None:
    body = {"command": "promote_slave_db", "server_uid": "none"}
    assert error_code(call("POST", f"/stacks/{web.uid}/actions.json", body)) == "not_found"


async def test_error_of_a_failed_deployment_holds_the_reason(connected: Connected) -> None:
    fake, c66 = connected
    stack = await c66.stacks.list().first()
    assert stack is not None
    fake.faults.action_fails(message="Out of disk")
    with pytest.raises(ActionFailed, match="Out of disk"):
        await c66.actions.wait(await c66.stacks.redeploy(stack.uid))


async def test_timeout_ends_the_wait(connected: Connected) -> None:
    fake, c66 = connected
    fake.world.action_seconds = 3600
    stack = fake.add_stack("slow")
    started = await c66.stacks.redeploy(stack.uid)
    with pytest.raises(ActionUnfinished):
        await c66.actions.wait(started, timeout=0)


# --- redeployments without an action ID ----------------------------------------------------------


async def test_action_is_found_by_its_reference(actions: ScriptedActions, c66: Cloud66) -> None:
    actions.references = {3: "r"}
    actions.finish(3)
    waiting = in_task(c66.actions.wait(Redeployment(ok=True, stack="a", user_reference="r")))
    await actions.advance(2)
    assert (await waiting).id == 3
    assert actions.paths == ["/stacks/a/actions.json?user_reference=r&page=1", "/stacks/a/actions/3"]


async def test_newest_deployment_is_followed_if_there_is_no_action(fake: FakeCloud66, web: FakeStack) -> None:
    async with fake.client() as c66, fake.clock.running():
        await c66.stacks.redeploy(web.uid)
        found = await c66.actions.wait(Redeployment(ok=True, stack=web.uid))
    assert (found.resource_type, found.id, found.succeeded) == ("deployment", web.deployments[0].id, True)
    assert (found.stack, found.started_via, found.finished_message) == (web.uid, "api", "success")


async def test_failed_deployment_raises_action_failed(fake: FakeCloud66, web: FakeStack) -> None:
    fake.faults.action_fails(message="Out of disk")
    async with fake.client() as c66, fake.clock.running():
        await c66.stacks.redeploy(web.uid)
        with pytest.raises(ActionFailed, match="failed: failed"):
            await c66.actions.wait(Redeployment(ok=True, stack=web.uid))


async def test_response_without_an_action_and_a_deployment_is_rejected() -> None:
    async with client(Script(make_response({"response": []}))) as c66:
        with pytest.raises(ConfigError, match="holds no action to wait for, and stack a has no deployment"):
            await c66.actions.wait(started(None))
