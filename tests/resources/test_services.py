"""Services: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import BadRequest, models
from cloud66_async.models import Container, Service
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/services"
RUN = "/stacks/a/actions.json"

DOCUMENTED: Documented = {
    models.Service: """
        name containers source_type git_ref image_name image_uid image_tag command build_command deploy_command
        wrap_command desired_count
    """,
}


def add_docker(fake: FakeCloud66) -> FakeStack:
    """Return a new stack that runs in containers."""
    return fake.add_stack("docker", fields={"framework": "docker", "backend": "kubernetes"})


@pytest.fixture
def docker(fake: FakeCloud66) -> FakeStack:
    """A stack of `fake` that runs in containers."""
    return add_docker(fake)


# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.services.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.services.list("a", server_uid="s"), ("GET", f"{PATH}.json?server_uid=s&page=1", None)),
    (lambda c66: c66.services.get("a", "web"), ("GET", f"{PATH}/web.json", None)),
    (
        lambda c66: c66.services.get("a", "web", server_uid="s", wrap_command="ls -l"),
        ("GET", f"{PATH}/web.json?server_uid=s&wrap_command=ls+-l", None),
    ),
    (
        lambda c66: c66.services.scale("a", "web", server_count={"s": 4, "t": 0}),
        ("POST", f"{PATH}.json", {"service_name": "web", "server_count": {"s": 4, "t": 0}}),
    ),
    (
        lambda c66: c66.services.scale("a", "web", server_group_count={"app": 2}),
        ("POST", f"{PATH}.json", {"service_name": "web", "server_group_count": {"app": 2}}),
    ),
    (lambda c66: c66.services.stop("a", "web"), ("DELETE", f"{PATH}/web.json", None)),
    (lambda c66: c66.services.stop("a", "web", server_uid="s"), ("DELETE", f"{PATH}/web.json?server_uid=s", None)),
    (
        lambda c66: c66.services.pause("a", "web"),
        ("POST", RUN, {"command": "service_pause", "service_name": "web"}),
    ),
    (
        lambda c66: c66.services.resume("a", "web", server_uid="s"),
        ("POST", RUN, {"command": "service_resume", "service_name": "web", "server_uid": "s"}),
    ),
    (
        lambda c66: c66.services.restart("a", "web", server_uid="s"),
        ("POST", RUN, {"command": "service_restart", "service_name": "web", "server_uid": "s"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_containers_of_a_service_are_models() -> None:
    containers = [{"uid": "c", "web_ports": "80:443", "runtime": {"Config": {"Env": ["PASSWORD=hush"]}}}]
    async with client(Script(make_response({"response": {"name": "web", "containers": containers}}))) as c66:
        found = await c66.services.get("a", "web")
    assert found.containers is not None
    assert (found.containers[0].uid, found.containers[0].web_ports) == ("c", "80:443")
    assert "hush" not in f"{found!r} {found.to_dict()}"


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/services"
    web, worker = call.get(path)
    assert web.keys() == worker.keys() == field_names(Service) - {"wrap_command"}
    assert web["containers"][0].keys() == field_names(Container) - {"runtime", "port_list", "web_ports"}
    assert [len(service["containers"]) for service in (web, worker)] == [2, 1]
    wrapped = call.get(f"{path}/web", wrap_command="ls -l")["wrap_command"]
    assert wrapped == f"docker exec -it {web['containers'][0]['uid']} ls -l"


def test_services_of_one_server(fake: FakeCloud66, call: Caller, docker: FakeStack) -> None:
    path, server = f"/stacks/{docker.uid}/services", docker.servers[0]["uid"]
    call.send("DELETE", f"{path}/worker.json?server_uid={server}")
    fake.clock.advance(60)
    assert [service["name"] for service in call.get(path)] == ["web", "worker"]
    (web,) = call.get(path, server_uid=server)
    assert {container["server_uid"] for container in web["containers"]} == {server}
    assert call.get(f"{path}/worker", server_uid="none")["containers"] == []
    assert error_code(call("GET", f"{path}/worker", wrap_command="ls")) == "bad_request"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"service_name": "none", "server_count": {}}, "not_found"),
        ({"service_name": "web"}, "bad_request"),
        ({"service_name": "web", "server_count": {"none": 1}}, "not_found"),
        ({"service_name": "web", "server_count": {"none": "1"}}, "bad_request"),
        ({"service_name": "web", "server_count": {"none": -1}}, "bad_request"),
        ({"service_name": "web", "server_count": {"none": 1_000_000}}, "bad_request"),
        ({"service_name": "web", "server_count": [1]}, "bad_request"),
        ({"service_name": "web", "server_group_count": {"none": 1}}, "bad_request"),
    ],
)
def test_sandbox_rejects_wrong_counts(call: Caller, docker: FakeStack, body: object, code: str) -> None:
    assert error_code(call("POST", f"/stacks/{docker.uid}/services.json", body)) == code


def test_counts_are_also_read_as_text(fake: FakeCloud66, call: Caller, docker: FakeStack) -> None:
    path, server = f"/stacks/{docker.uid}/services", docker.servers[0]["uid"]
    for count in (f"{server}:3", f'{{"{server}": 4}}'):
        call.send("POST", f"{path}.json", {"service_name": "worker", "server_count": count})
        assert error_code(call("POST", f"{path}.json", {"service_name": "worker", "server_count": count})) == "conflict"
        fake.clock.advance(60)
        assert len(call.get(f"{path}/worker", server_uid=server)["containers"]) == int(count.rstrip("}")[-1])


def test_count_of_a_group_is_distributed(fake: FakeCloud66, call: Caller) -> None:
    docker = next(stack for stack in (add_docker(fake) for _ in range(20)) if len(stack.servers) > 2)
    path = f"/stacks/{docker.uid}"
    call.send("POST", f"{path}/services.json", {"service_name": "web", "server_group_count": {"web": 5}})
    fake.clock.advance(60)
    members = [server for server in docker.servers if "web" in server["server_roles"]]
    counts = [len(call.get(f"{path}/containers", service_name="web", server_uid=item["uid"])) for item in members]
    assert (len(counts) > 1, sum(counts), max(counts) - min(counts) <= 1) == (True, 5, True)


def test_unknown_service_or_server_is_not_found(call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}"
    assert error_code(call("GET", f"{path}/services/none.json")) == "not_found"
    assert error_code(call("DELETE", f"{path}/services/none.json")) == "not_found"
    assert error_code(call("DELETE", f"{path}/services/web.json?server_uid=none")) == "not_found"
    body = {"command": "service_pause", "service_name": "none"}
    assert error_code(call("POST", f"{path}/actions.json", body)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_service_is_scaled_when_the_action_finishes(fake: FakeCloud66, docker: FakeStack) -> None:
    uid, server = docker.uid, docker.servers[0]["uid"]
    async with fake.client() as c66:
        before = await c66.containers.list(uid, service_name="web", server_uid=server)
        action = await c66.services.scale(uid, "web", server_count={server: 5})
        assert await c66.containers.list(uid, service_name="web", server_uid=server) == before
        async with fake.clock.running():
            await c66.actions.wait(action)
        assert len(await c66.containers.list(uid, service_name="web", server_uid=server)) == 5 > len(before)


async def test_service_is_scaled_and_stopped(connected: Connected) -> None:
    fake, c66 = connected
    stack = add_docker(fake).uid
    server = (await c66.servers.list(stack))[0]
    before = {item.uid for item in await c66.containers.list(stack, service_name="web", server_uid=server.uid)}
    action = await c66.services.scale(stack, "web", server_count={server.uid: 5})
    await c66.actions.wait(action)
    assert action.action == "service_scale"
    scaled = await c66.services.get(stack, "web", server_uid=server.uid)
    assert scaled.containers is not None
    uids = {container.uid for container in scaled.containers}
    assert (len(uids), uids > before) == (5, True)
    assert scaled.desired_count == len(await c66.containers.list(stack, service_name="web"))
    await c66.actions.wait(await c66.services.scale(stack, "web", server_group_count={str(server.server_group_id): 1}))
    assert len(await c66.containers.list(stack, service_name="web", server_uid=server.uid)) == 1
    await c66.actions.wait(await c66.services.stop(stack, "web", server_uid=server.uid))
    await c66.actions.wait(await c66.services.stop(stack, "worker"))
    assert await c66.containers.list(stack, server_uid=server.uid) == []
    worker = await c66.services.get(stack, "worker")
    assert (worker.containers, worker.desired_count) == ((), 0)
    with pytest.raises(BadRequest, match="no running containers"):
        await c66.services.get(stack, "worker", wrap_command="ls")


async def test_service_is_paused_resumed_and_restarted(connected: Connected) -> None:
    fake, c66 = connected
    stack = add_docker(fake).uid

    async def states() -> set[tuple[str | None, str | None]]:
        return {(item.service_name, item.status) for item in await c66.containers.list(stack)}

    before = await c66.services.list(stack)
    await c66.actions.wait(await c66.services.pause(stack, "web"))
    assert await states() == {("web", "paused"), ("worker", "running")}
    await c66.actions.wait(await c66.services.resume(stack, "web"))
    assert await states() == {("web", "running"), ("worker", "running")}
    await c66.actions.wait(await c66.services.restart(stack, "worker"))
    started = [[item.started_at for item in service.containers or ()] for service in before]
    restarted = [[item.started_at for item in service.containers or ()] for service in await c66.services.list(stack)]
    assert started[0] == restarted[0]  # the other service


async def test_restart_changes_the_start_of_the_containers_of_one_service(fake: FakeCloud66) -> None:
    stack = add_docker(fake).uid
    async with fake.client() as c66:
        before = {item.uid: (item.service_name, item.started_at) for item in await c66.containers.list(stack)}
        await c66.actions.wait(await c66.services.restart(stack, "worker"))
        after = {item.uid: (item.service_name, item.started_at) for item in await c66.containers.list(stack)}
    assert {before[uid][0] for uid in before if before[uid] != after[uid]} == {"worker"}
