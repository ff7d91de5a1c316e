"""Queues: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud66_async import NotFound, ServerError, models
from cloud66_async.models import AgentRegistration, Queue
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_error, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

REPORT = {"task_uuid": "t", "state": "done", "run_result": "0", "host_name": "h", "session_id": "s"}

DOCUMENTED: Documented = {
    models.Queue: "name",
    models.AgentRegistration: "agent_uuid log_key",
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (
        lambda c66: c66.queues.register_agent(host_name="h"),
        ("POST", "/queues/register.json", {"host_name": "h"}),
    ),
    (lambda c66: c66.queues.list(), ("GET", "/queues.json?page=1", None)),
    (lambda c66: c66.queues.pop("q", host_name="a b"), ("GET", "/queues/q.json?host_name=a+b", None)),
    (
        lambda c66: c66.queues.update("q", task_uuid="t", state="done", host_name="h"),
        ("PUT", "/queues/q.json", {"task_uuid": "t", "state": "done", "host_name": "h"}),
    ),
    (lambda c66: c66.queues.update("q", **REPORT), ("PUT", "/queues/q.json", REPORT)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, {"agent_uuid": "a", "name": "q"}) == expected


@pytest.mark.parametrize("value", [None, True, 5, "text", [], [{"a": 1}], {"a": {"response": [1]}}])
async def test_any_json_is_returned(value: Any) -> None:
    async with client(Script(make_response({"response": value}))) as c66:
        assert await c66.queues.pop("q", host_name="h") == value
        assert await c66.queues.update("q", task_uuid="t", state="done", host_name="h") == value


async def test_list_without_pagination() -> None:
    async with client(Script(make_response({"response": [{"name": "a"}, {"name": "b"}]}))) as c66:
        assert await c66.queues.list() == [Queue(name="a"), Queue(name="b")]


async def test_pop_is_not_retried_but_list_is() -> None:
    transport = Script(make_error(502))
    async with client(transport) as c66:
        with pytest.raises(ServerError):
            await c66.queues.pop("q", host_name="h")
        assert len(transport.requests) == 1
        assert not transport.requests[0].repeatable
        with pytest.raises(ServerError):
            await c66.queues.list()
        assert len(transport.requests) > 2


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    assert all(queue.keys() == field_names(Queue) for queue in call.get("/queues"))
    registered = call.send("POST", "/queues/register.json", {"host_name": "h"})
    assert registered.keys() == field_names(AgentRegistration)
    assert call.send("POST", "/queues/register.json", {"host_name": "h"}) == registered
    assert call.send("POST", "/queues/register.json", {"host_name": "other"}) != registered


def test_list_has_no_pagination(call: Caller) -> None:
    assert json.loads(call("GET", "/queues.json").body).keys() == {"response", "count"}


def test_empty_queue_hands_out_null(call: Caller) -> None:
    assert [call.get("/queues/builds.json", host_name="h") is None for _ in range(4)] == [False, False, True, True]


def test_what_is_rejected(call: Caller) -> None:
    assert error_code(call("GET", "/queues/builds.json")) == "bad_request"
    assert error_code(call("GET", "/queues/none.json", host_name="h")) == "not_found"
    task = call.get("/queues/builds.json", host_name="h")["task_uuid"]
    for change in ({"task_uuid": "none"}, {"host_name": "other"}):
        body = {"task_uuid": task, "host_name": "h", "state": "done", **change}
        assert error_code(call("PUT", "/queues/builds.json", body)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_agent_works_through_a_queue(connected: Connected) -> None:
    fake, c66 = connected
    agent = await c66.queues.register_agent(host_name="builder")
    assert agent.log_key is not None
    assert agent.log_key.reveal() not in repr(agent)
    queue = (await c66.queues.list())[0].name
    done: list[str] = []
    while (task := await c66.queues.pop(queue, host_name="builder")) is not None:
        changed = await c66.queues.update(
            queue, task_uuid=task["task_uuid"], state="done", host_name="builder", run_result="0"
        )
        assert (changed["state"], changed["run_result"]) == ("done", "0")
        done.append(task["task_uuid"])
    assert len(set(done)) == 2
    with pytest.raises(NotFound):
        await c66.queues.pop("none", host_name="builder")
    assert records(fake, queue) == {"done"}


def records(fake: FakeCloud66, queue: str) -> set[str]:
    """Return the states of the tasks of a queue."""
    parent = fake.world.table("queue", 1).get(queue)
    return {task["state"] for task in fake.world.table("task", parent).list()}
