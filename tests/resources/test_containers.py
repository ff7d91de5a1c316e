"""Containers: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import io
import pickle

import pytest
import rich
import rich.console

from cloud66_async import NotFound, Secret, models
from cloud66_async.models import Container, ContainerHealth, ContainerPort
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/containers"
DOCKER = {"framework": "docker", "backend": "kubernetes"}

DOCUMENTED: Documented = {
    models.Container: """
        uid name server_uid server_name service_name image command status ports port_list web_ports private_ip
        docker_ip health_state health_message health_source capture_output restart_on_deploy runtime started_at
        created_at updated_at
    """,
    models.ContainerPort: "container http https",
    models.ContainerHealth: {0: "unverified", 1: "up", 2: "down", 3: "not applicable"},
}


@pytest.fixture
def docker(fake: FakeCloud66) -> FakeStack:
    """A stack of `fake` that runs in containers."""
    return fake.add_stack("docker", fields=DOCKER)


# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.containers.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (
        lambda c66: c66.containers.list("a", server_uid="s", service_name="web"),
        ("GET", f"{PATH}.json?server_uid=s&service_name=web&page=1", None),
    ),
    (lambda c66: c66.containers.get("a", "c"), ("GET", f"{PATH}/c.json", None)),
    (lambda c66: c66.containers.stop("a", "c"), ("DELETE", f"{PATH}/c.json", None)),
    (
        lambda c66: c66.containers.restart("a", "c"),
        ("POST", "/stacks/a/actions.json", {"command": "container_restart", "container_id": "c"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_runtime_is_hidden_in_every_output() -> None:
    runtime = {"Config": {"Env": ["PASSWORD=hush-42"]}, "State": {"FinishedAt": "0001-01-01T00:00:00Z"}}
    async with client(Script(make_response({"response": {"uid": "c", "runtime": runtime}}))) as c66:
        found = await c66.containers.get("a", "c")
    assert found.reveal_runtime() == runtime
    assert pickle.loads(pickle.dumps(found)) == found
    assert found.to_dict()["runtime"] == "********"
    output = io.StringIO()
    console = rich.console.Console(file=output, width=200)
    console.print(found)
    rich.inspect(found, console=console, all=True)  # prints every attribute, also properties
    assert "reveal_runtime" in output.getvalue()
    assert "hush" not in f"{found} {found!r} {found.to_dict()} {output.getvalue()}"


@pytest.mark.parametrize("runtime", [None, Secret("[1]"), Secret("{unclosed")])
def test_runtime_that_is_not_an_object(runtime: Secret | None) -> None:
    assert Container(uid="c", runtime=runtime).reveal_runtime() is None


async def test_containers_in_both_forms() -> None:
    ports = {"ports": [{"container": 3000, "http": "80", "https": None}], "health_state": 9}
    older = {"port_list": '[{"container":3000}]', "web_ports": "80:443", "started_at": "2015-02-10T17:41:36.988310784Z"}
    async with client(Script(make_response({"response": [{"uid": "c", **ports}, {"uid": "d", **older}]}))) as c66:
        found, other = await c66.containers.list("a")
    assert found.ports == (ContainerPort(container=3000, http=80),)
    assert (found.health_state, other.web_ports) == (ContainerHealth(9), "80:443")
    assert other.started_at is not None
    assert other.started_at.year == 2015


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/containers"
    container = call.get(path)[0]
    assert container.keys() == field_names(Container) - {"runtime", "port_list", "web_ports"}
    assert container["ports"][0].keys() == field_names(ContainerPort)
    assert len(container["uid"]) == 64
    runtime = call.get(f"{path}/{container['uid']}")["runtime"]
    assert f"STACK_UID={docker.uid}" in runtime["Config"]["Env"]


def test_containers_are_filtered(call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/containers.json"
    assert [item["service_name"] for item in call.get(path)] == ["web", "web", "worker"]
    assert len(call.get(path, service_name="web")) == 2
    assert all(
        item["server_uid"] == docker.servers[0]["uid"] for item in call.get(path, server_uid=docker.servers[0]["uid"])
    )
    assert call.get(path, server_uid="none") == []


def test_only_stacks_that_use_containers_have_some(fake: FakeCloud66, call: Caller) -> None:
    for framework, backend, count in (("rails", None, 0), ("docker", None, 3), ("django", "kubernetes", 3)):
        stack = fake.add_stack(framework, fields={"framework": framework, "backend": backend})
        assert len(call.get(f"/stacks/{stack.uid}/containers.json")) == count
        assert len(call.get(f"/stacks/{stack.uid}/processes.json")) == (0 if count else 2)


def test_unknown_container_is_not_found(call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}"
    assert error_code(call("GET", f"{path}/containers/none.json")) == "not_found"
    assert error_code(call("DELETE", f"{path}/containers/none.json")) == "not_found"
    body = {"command": "container_restart", "container_id": "none"}
    assert error_code(call("POST", f"{path}/actions.json", body)) == "not_found"


def test_container_can_be_stopped_twice(fake: FakeCloud66, call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/containers"
    uid = call.get(path)[0]["uid"]
    assert call.send("DELETE", f"{path}/{uid}.json")["action"] == "container_stop"
    call.send("DELETE", f"{path}/{uid}.json")
    assert len(call.get(path)) == 3
    fake.clock.advance(60)
    assert len(call.get(path)) == 2


async def test_restart_changes_the_start_of_one_container(fake: FakeCloud66, docker: FakeStack) -> None:
    async with fake.client() as c66:
        before = {item.uid: item.started_at for item in await c66.containers.list(docker.uid)}
        uid = min(before)
        await c66.actions.wait(await c66.containers.restart(docker.uid, uid))
        after = {item.uid: item.started_at for item in await c66.containers.list(docker.uid)}
    assert [name for name in before if before[name] != after[name]] == [uid]


# --- story ---------------------------------------------------------------------------------------


async def test_container_is_restarted_and_stopped(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("docker", fields=DOCKER).uid
    container, *others = await c66.containers.list(stack)
    before = {item.uid: item.started_at for item in (container, *others)}
    await c66.actions.wait(await c66.containers.restart(stack, container.uid))
    after = {item.uid: item.started_at for item in await c66.containers.list(stack)}
    # Timestamps have whole seconds, and a server in real time restarts a container in 0.2 seconds.
    assert {uid for uid in before if before[uid] != after[uid]} <= {container.uid}
    detailed = await c66.containers.get(stack, container.uid)
    runtime = detailed.reveal_runtime()
    assert runtime is not None
    assert runtime["Id"] == container.uid
    await c66.actions.wait(await c66.containers.stop(stack, container.uid))
    assert [item.uid for item in await c66.containers.list(stack)] == [item.uid for item in others]
    with pytest.raises(NotFound):
        await c66.containers.get(stack, container.uid)
