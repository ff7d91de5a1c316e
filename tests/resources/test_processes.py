"""Processes: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import Action, Process
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response, pages
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/processes"
RUN = "/stacks/a/actions.json"

DOCUMENTED: Documented = {models.Process: "name md5 command servers servers_pauses"}


def add_rails(fake: FakeCloud66) -> FakeStack:
    """Return a new stack that runs without containers."""
    return fake.add_stack("rails", fields={"framework": "rails", "backend": None})


@pytest.fixture
def rails(fake: FakeCloud66) -> FakeStack:
    """A stack of `fake` that runs without containers."""
    return add_rails(fake)


# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.processes.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.processes.list("a", server_uid="s"), ("GET", f"{PATH}.json?server_uid=s&page=1", None)),
    (lambda c66: c66.processes.get("a", "n"), ("GET", f"{PATH}/n.json?page=1", None)),
    (
        lambda c66: c66.processes.get("a", "n", server_uid="s"),
        ("GET", f"{PATH}/n.json?server_uid=s&page=1", None),
    ),
    (
        lambda c66: c66.processes.scale("a", "worker", server_count={"s": 2}),
        ("POST", f"{PATH}.json", {"process_name": "worker", "server_count": {"s": 2}}),
    ),
    (
        lambda c66: c66.processes.pause("a", "worker"),
        ("POST", RUN, {"command": "process_pause", "process_name": "worker"}),
    ),
    (
        lambda c66: c66.processes.resume("a", "worker", server_uid="s"),
        ("POST", RUN, {"command": "process_resume", "process_name": "worker", "server_uid": "s"}),
    ),
    (
        lambda c66: c66.processes.restart("a", "worker", server_uid="s"),
        ("POST", RUN, {"command": "process_restart", "process_name": "worker", "server_uid": "s"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize(
    "response",
    [{"name": "b", "servers": {"Lion": 2}}, [{"name": "a"}, {"name": "b", "servers": {"Lion": "2"}}]],
    ids=["object", "list"],
)
async def test_one_process_is_read_from_both_forms(response: object) -> None:
    async with client(Script(make_response({"response": response}))) as c66:
        assert await c66.processes.get("a", "b") == Process(name="b", servers={"Lion": 2})


async def test_process_is_on_a_later_page_or_absent() -> None:
    async with client(Script(pages([{"name": "a"}], [{"name": "b"}]))) as c66:
        assert await c66.processes.get("x", "b") == Process(name="b")
        with pytest.raises(NotFound, match="no process of stack x has the name 'c'") as caught:
            await c66.processes.get("x", "c")
    assert caught.value.operation == "GET /stacks/{stack}/processes/{process}.json"


@pytest.mark.parametrize("response", [{"id": 7}, [{"id": 7}]], ids=["object", "list"])
async def test_action_alone_or_in_a_list(response: object) -> None:
    async with client(Script(make_response({"response": response}))) as c66:
        assert await c66.processes.scale("a", "b", server_count={"s": 1}) == Action(id=7, stack="a")


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, rails: FakeStack) -> None:
    path = f"/stacks/{rails.uid}/processes"
    worker, scheduler = call.get(path)
    assert worker.keys() == scheduler.keys() == field_names(Process)
    assert call.get(f"{path}/worker") == worker
    assert worker["servers"] == {rails.servers[0]["name"]: 1}


def test_processes_of_one_server(call: Caller, rails: FakeStack) -> None:
    path = f"/stacks/{rails.uid}/processes"
    assert call.get(path, server_uid=rails.servers[0]["uid"]) == call.get(path)
    assert call.get(path, server_uid="none") == []
    assert call.get(f"{path}/worker", server_uid="none")["servers"] == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"process_name": "none", "server_count": {}}, "not_found"),
        ({"process_name": "worker"}, "bad_request"),
        ({"process_name": "worker", "server_count": {"none": 1}}, "not_found"),
        ({"process_name": "worker", "server_count": {"none": -1}}, "bad_request"),
    ],
)
def test_sandbox_rejects_wrong_counts(call: Caller, rails: FakeStack, body: object, code: str) -> None:
    assert error_code(call("POST", f"/stacks/{rails.uid}/processes.json", body)) == code


def test_unknown_process_is_not_found(call: Caller, rails: FakeStack) -> None:
    assert error_code(call("GET", f"/stacks/{rails.uid}/processes/none.json")) == "not_found"
    body = {"command": "process_pause", "process_name": "none"}
    assert error_code(call("POST", f"/stacks/{rails.uid}/actions.json", body)) == "not_found"


def test_scaling_down_also_reduces_what_is_paused(fake: FakeCloud66, call: Caller, rails: FakeStack) -> None:
    path, server = f"/stacks/{rails.uid}", rails.servers[0]
    for count, running, paused in ((3, {server["name"]: 3}, {server["name"]: 1}), (0, {}, {})):
        call.send("POST", f"{path}/actions.json", {"command": "process_pause", "process_name": "worker"})
        fake.clock.advance(60)
        body = {"process_name": "worker", "server_count": {server["uid"]: count}}
        assert call.send("POST", f"{path}/processes.json", body)["action"] == "Process_scale"
        assert error_code(call("POST", f"{path}/processes.json", body)) == "conflict"
        fake.clock.advance(60)
        worker = call.get(f"{path}/processes/worker")
        assert (worker["servers"], worker["servers_pauses"]) == (running, paused)


def test_one_server_is_paused_or_resumed(fake: FakeCloud66, call: Caller) -> None:
    rails = next(stack for stack in (add_rails(fake) for _ in range(20)) if len(stack.servers) > 1)
    path, (first, second, *_) = f"/stacks/{rails.uid}", rails.servers
    body = {"process_name": "worker", "server_count": {first["uid"]: 2, second["uid"]: 3}}
    call.send("POST", f"{path}/processes.json", body)
    fake.clock.advance(60)
    for command, server, paused in (
        ("pause", second, {second["name"]: 3}),
        ("resume", first, {second["name"]: 3}),
        ("pause", first, {first["name"]: 2, second["name"]: 3}),
        ("resume", second, {first["name"]: 2}),
    ):
        body = {"command": f"process_{command}", "process_name": "worker", "server_uid": server["uid"]}
        assert call.send("POST", f"{path}/actions.json", body)["resource_id"] == server["uid"]
        fake.clock.advance(60)
        assert call.get(f"{path}/processes/worker")["servers_pauses"] == paused
    assert call.get(f"{path}/processes/worker", server_uid=first["uid"])["servers"] == {first["name"]: 2}


# --- story ---------------------------------------------------------------------------------------


async def test_process_is_scaled_when_the_action_finishes(fake: FakeCloud66, rails: FakeStack) -> None:
    server = rails.servers[0]
    async with fake.client() as c66:
        action = await c66.processes.scale(rails.uid, "worker", server_count={server["uid"]: 3})
        assert (await c66.processes.get(rails.uid, "worker")).servers == {server["name"]: 1}
        async with fake.clock.running():
            await c66.actions.wait(action)
        assert (await c66.processes.get(rails.uid, "worker")).servers == {server["name"]: 3}


async def test_process_is_scaled_paused_and_resumed(connected: Connected) -> None:
    fake, c66 = connected
    stack = add_rails(fake).uid
    server = (await c66.servers.list(stack))[0]
    await c66.actions.wait(await c66.processes.scale(stack, "worker", server_count={server.uid: 3}))
    assert (await c66.processes.get(stack, "worker")).servers == {server.name: 3}
    await c66.actions.wait(await c66.processes.pause(stack, "worker", server_uid=server.uid))
    paused = {process.name: process.servers_pauses for process in await c66.processes.list(stack)}
    assert paused == {"worker": {server.name: 3}, "scheduler": {}}
    await c66.actions.wait(await c66.processes.resume(stack, "worker"))
    assert (await c66.processes.get(stack, "worker")).servers_pauses == {}
    await c66.actions.wait(await c66.processes.pause(stack, "worker"))
    await c66.actions.wait(await c66.processes.restart(stack, "worker"))
    assert (await c66.processes.get(stack, "worker")).servers_pauses == {}
    with pytest.raises(NotFound):
        await c66.processes.get(stack, "none")
