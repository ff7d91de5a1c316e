"""Redeployments whose response is lost, and new stacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud66_async import (
    Cloud66,
    Redeployment,
    ResponseError,
    TransportError,
)
from cloud66_async.resources.actions import Action
from cloud66_async.sandbox import SandboxServer
from cloud66_async.transport import BufferedResponse

from ..sandbox.conftest import Connected
from ..support import ONCE, RecordingClock, Reply, Script, client, make_error, make_response


def stacks(*names: str, environment: str = "production") -> list[dict[str, Any]]:
    return [{"uid": f"uid-{name}", "name": name, "environment": environment} for name in names]


def body(transport: Script) -> Any:
    found = transport.requests[-1].body
    assert found is not None
    return json.loads(found)


LOST = TransportError("connection lost", sent=True)
STARTED = {"response": {"ok": True, "async_action_id": 7}}
UNREADABLE = BufferedResponse(200, b"<html>")


def action_with(reference: str | None, number: int = 5) -> BufferedResponse:
    return make_response({"response": [{"id": number, "metadata": {"user_reference": reference}}]})


async def redeploy(*replies: Reply, recorder: RecordingClock, **options: Any) -> tuple[Redeployment, list[str]]:
    """Redeploy with this reference, and return the result and the method of each request."""
    transport = Script(*replies)
    async with client(transport, clock=recorder, **options) as c66:
        found = await c66.stacks.redeploy("a", user_reference="r")
    return found, [request.method for request in transport.requests]


@pytest.mark.parametrize(
    "lost",
    [LOST, make_error(500), make_error(502), make_error(408), UNREADABLE],
    ids=["connection", "500", "502", "408", "unreadable"],
)
async def test_action_of_a_lost_response_is_found(recorder: RecordingClock, lost: Reply) -> None:
    found, methods = await redeploy(lost, action_with("r"), recorder=recorder)
    assert (found.async_action_id, found.stack, found.user_reference) == (5, "a", "r")
    assert methods == ["POST", "GET"]
    assert recorder.slept == [1.0]


async def test_action_of_a_lost_response_may_appear_late(recorder: RecordingClock) -> None:
    found, methods = await redeploy(LOST, action_with("other"), action_with("r"), recorder=recorder)
    assert (found.async_action_id, methods, recorder.slept) == (5, ["POST", "GET", "GET"], [1.0, 4.0])


async def test_redeployment_is_sent_again_if_there_is_no_action(recorder: RecordingClock) -> None:
    none = make_response({"response": []})
    found, methods = await redeploy(LOST, none, none, make_response(STARTED), recorder=recorder)
    assert (found.async_action_id, methods) == (7, ["POST", "GET", "GET", "POST"])


async def test_redeployment_is_sent_at_most_twice(recorder: RecordingClock) -> None:
    none = make_response({"response": []})
    with pytest.raises(TransportError, match="connection lost"):
        await redeploy(LOST, none, none, LOST, none, none, recorder=recorder)


async def test_redeployment_is_not_sent_again_after_an_unreadable_response(recorder: RecordingClock) -> None:
    none = make_response({"response": []})
    with pytest.raises(ResponseError, match="web page"):
        await redeploy(UNREADABLE, none, none, recorder=recorder)


@pytest.mark.parametrize("unknown", [make_error(403), make_error(404)], ids=["403", "404"])
async def test_error_is_raised_if_the_outcome_remains_unknown(recorder: RecordingClock, unknown: Reply) -> None:
    with pytest.raises(TransportError, match="connection lost"):
        await redeploy(LOST, unknown, recorder=recorder)


async def test_nothing_is_looked_up_if_the_client_does_not_retry(recorder: RecordingClock) -> None:
    with pytest.raises(TransportError, match="connection lost"):
        await redeploy(LOST, recorder=recorder, retry=ONCE)
    assert recorder.slept == []


async def test_lost_response_is_found_at_a_real_server(server: SandboxServer) -> None:
    stack = server.fake.add_stack("web")
    server.fake.faults.drop(operation="stacks.redeploy")  # after it was processed
    async with Cloud66(server.fake.add_token(), url=server.url) as c66:
        started = await c66.stacks.redeploy(stack.uid)
        await c66.actions.wait(started)
    (action,) = [action for action in stack.actions if action.metadata]
    assert action.metadata == {"user_reference": started.user_reference}


# --- new stacks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [make_error(500), make_response({"response": []})], ids=["error", "none"])
async def test_new_stack_that_cannot_be_found_is_no_error(found: BufferedResponse) -> None:
    transport = Script(make_response({"response": {"id": 5}}), found)
    async with client(transport, retry=ONCE) as c66:
        action = await c66.stacks.create("web", environment="production", service_yaml="services:")
    assert action == Action(id=5)


async def test_new_stack_is_waited_for(connected: Connected) -> None:
    _, c66 = connected
    creating = await c66.stacks.create("fresh", environment="qa", service_yaml="services:", manifest_yaml="x")
    action = await c66.actions.wait(creating)
    assert (action.action, (await c66.stacks.find("fresh")).uid) == ("stack_create", creating.stack)
