"""Server groups: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from typing import Any

import pytest

from cloud66_async import BadRequest, Cloud66, models
from cloud66_async.models import ServerGroup
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.ServerGroup: """
        id name type created_at updated_at
    """,
}

# --- wire form -----------------------------------------------------------------------------------

ONE = "/stacks/a/server_groups/7.json"


def scale_up_with_everything(c66: Cloud66) -> Any:
    return c66.server_groups.scale_up(
        "a",
        7,
        subtype="docker",
        server_size="t3.small",
        server_count=2,
        server_availability_zone="eu-west-1a",
        server_subnet_id="subnet-1",
        root_disk_type="ssd",
        root_disk_size=80,
        server_names=("lion", "tiger"),
    )


EVERYTHING = {
    "subtype": "docker",
    "server_size": "t3.small",
    "server_count": 2,
    "server_availability_zone": "eu-west-1a",
    "server_subnet_id": "subnet-1",
    "root_disk_type": "ssd",
    "root_disk_size": 80,
    "server_names": "lion,tiger",
}


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.server_groups.list("a"), ("GET", "/stacks/a/server_groups.json?page=1", None)),
    (lambda c66: c66.server_groups.get("a", 7), ("GET", ONE, None)),
    (
        lambda c66: c66.server_groups.scale_up("a", 7, subtype="web", server_size="s"),
        ("POST", ONE, {"subtype": "web", "server_size": "s"}),
    ),
    (scale_up_with_everything, ("POST", ONE, EVERYTHING)),
    (
        lambda c66: c66.server_groups.scale_down("a", 7, subtype="process", server_count=1),
        ("POST", ONE, {"subtype": "process", "server_count": 1}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------

RUBY: dict[str, object] = {"framework": "rails", "backend": None}


def group_of(stack: FakeStack) -> str:
    """Return the path of the group with the web servers."""
    return f"/stacks/{stack.uid}/server_groups/{stack.servers[0]['server_group_id']}"


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    for group in call.get(f"/stacks/{web.uid}/server_groups"):
        assert group.keys() == field_names(ServerGroup)
        assert call.get(f"/stacks/{web.uid}/server_groups/{group['id']}.json") == group
    assert error_code(call("GET", f"/stacks/{web.uid}/server_groups/9999.json")) == "not_found"


def test_servers_and_groups_match(fake: FakeCloud66, call: Caller) -> None:
    kinds: set[str] = set()
    for stack in fake.seed(60):
        groups = {group["id"]: group["type"] for group in call.get(f"/stacks/{stack.uid}/server_groups")}
        assert groups.keys() == {server["server_group_id"] for server in stack.servers}
        kinds.update(groups.values())
        for server in stack.servers:
            kind, roles = groups[server["server_group_id"]], server["server_roles"]
            assert (kind == "postgresql") == (roles == ["postgresql"])
            assert (kind == "kubes") == ("kubes" in roles) == (roles[0] != "postgresql" and bool(stack.data["backend"]))
    assert {"rails", "kubes", "postgresql"} <= kinds


def test_docker_servers_have_their_role(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", fields={"framework": "docker", "backend": None})
    assert "docker" in stack.servers[0]["server_roles"]
    assert call.get(group_of(stack))["type"] == "docker"


@pytest.mark.parametrize(
    "body",
    [
        {"subtype": "web"},
        {"subtype": "web", "server_count": 0},
        {"subtype": "web", "server_count": 50},
        {"subtype": "docker", "server_size": "s"},
        {"subtype": "db", "server_size": "s"},
        {"server_size": "s"},
        {"subtype": "web", "server_size": "s", "server_count": 0},
        {"subtype": "web", "server_size": "s", "server_count": 101},
        {"subtype": "web", "server_size": "s", "server_count": 1, "server_names": "a,b"},
    ],
)
def test_nonsense_is_rejected(fake: FakeCloud66, call: Caller, body: object) -> None:
    stack = fake.add_stack("web", fields=RUBY)
    assert error_code(call("POST", group_of(stack), body)) == "bad_request"


def test_database_servers_cannot_be_scaled(fake: FakeCloud66, call: Caller) -> None:
    stack = next(stack for stack in fake.seed(30) if len(stack.servers) > 1)
    path = f"/stacks/{stack.uid}/server_groups/{stack.servers[1]['server_group_id']}"
    for subtype in ("web", "process", "docker"):
        assert error_code(call("POST", path, {"subtype": subtype, "server_size": "s"})) == "bad_request"


def test_busy_stack_cannot_be_scaled(fake: FakeCloud66, call: Caller) -> None:
    path = group_of(fake.add_stack("web", fields=RUBY))
    call.send("POST", path, {"subtype": "web", "server_size": "s", "server_count": 2})
    assert error_code(call("POST", path, {"subtype": "web", "server_size": "s"})) == "conflict"


def test_servers_added_after_a_removal_differ(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", servers=20, fields=RUBY)
    for server in stack.servers[2:18]:
        fake.remove("server", stack, server)
    for _ in range(4):
        body = {"subtype": "web", "server_size": "big", "server_count": 10}
        assert call.send("POST", group_of(stack), body)["action"] == "scale_up"
        fake.clock.advance(60)
        call.get(f"/stacks/{stack.uid}/servers")
    for field in ("uid", "name", "address", "int_ipv4"):
        assert len({server[field] for server in stack.servers}) == 4 + 40, field


def test_new_servers_are_there_when_the_action_finishes(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", fields=RUBY)
    before, path = list(stack.servers), group_of(stack)
    body = {"subtype": "process", "server_size": "big", "server_availability_zone": "z", "server_names": "ant,bee"}
    assert call.send("POST", path, body)["action"] == "scale_up"
    assert call.get(f"/stacks/{stack.uid}/servers") == before
    fake.clock.advance(60)
    *same, ant, bee = call.get(f"/stacks/{stack.uid}/servers")
    assert same == before
    assert (ant["name"], bee["name"], ant["server_roles"]) == ("ant", "bee", ["process"])
    assert ant["server_group_id"] == before[0]["server_group_id"]
    assert ant["uid"] != bee["uid"]
    assert (ant["params"]["size"], ant["availability_zone"], ant["region"]) == ("big", "z", before[0]["region"])
    assert ant["created_at"] == fake.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def test_new_server_is_not_a_removed_one(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", fields=RUBY)
    path, seen = group_of(stack), set[str]()
    for _ in range(3):
        call.send("POST", path, {"subtype": "web", "server_size": "s"})
        fake.clock.advance(60)
        new = call.get(f"/stacks/{stack.uid}/servers")[-1]["uid"]
        assert new not in seen
        seen.add(new)
        left = sum(server["server_group_id"] == stack.servers[0]["server_group_id"] for server in stack.servers)
        assert call.send("POST", path, {"subtype": "web", "server_count": left - 1})["action"] == "scale_down"
        fake.clock.advance(60)
        assert error_code(call("GET", f"/stacks/{stack.uid}/servers/{new}")) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_group_is_scaled(connected: Connected) -> None:
    fake, c66 = connected
    stack, groups = fake.add_stack("web", fields=RUBY).uid, c66.server_groups
    group = next(found for found in await groups.list(stack) if found.type == "rails")
    before = [server for server in await c66.servers.list(stack) if server.server_group_id == group.id]
    await c66.actions.wait(
        await groups.scale_up(stack, group.id, subtype="web", server_size="s-2vcpu-4gb", server_count=2)
    )
    after = [server for server in await c66.servers.list(stack) if server.server_group_id == group.id]
    assert after[: len(before)] == before
    assert [server.server_roles for server in after[len(before) :]] == [("web", "app")] * 2
    await c66.actions.wait(await groups.scale_down(stack, group.id, subtype="web", server_count=1))
    left = [server for server in await c66.servers.list(stack) if server.server_group_id == group.id]
    assert left == before[:1]
    with pytest.raises(BadRequest, match="server_count must be"):
        await groups.scale_down(stack, group.id, subtype="web", server_count=1)
    assert await groups.get(stack, group.id) == group
