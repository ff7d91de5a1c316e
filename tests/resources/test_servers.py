"""Servers: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import Secret, Server, models
from cloud66_async.resources.actions import Action
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names

DOCUMENTED: Documented = {
    models.Server: """
        uid vendor_uid name address distro distro_version dns_record user_name server_type server_roles
        server_group_id stack_uid has_agent params region availability_zone ext_ipv4 ext_ipv6 int_ipv4 int_ipv6
        health_state personal_key ssh_private_key notifications has_deploy_gateway deploy_gateway_address
        deploy_gateway_user_name is_kubernetes_master created_at updated_at
    """,
    models.Health: {0: "unknown", 1: "building", 2: "impaired", 3: "healthy", 4: "failed"},
}

# --- wire form -----------------------------------------------------------------------------------


async def test_private_key_is_requested_only_if_wanted() -> None:
    transport = Script(make_response({"response": {"uid": "s", "private_key": "hush"}}))
    async with client(transport) as c66:
        await c66.servers.get("a", "s")
        server = await c66.servers.get("a", "s", include_private_key=True)
    assert transport.targets == ["/stacks/a/servers/s.json", "/stacks/a/servers/s.json?include_private_key=1"]
    assert server.ssh_private_key is not None
    assert server.ssh_private_key.reveal() == "hush"
    assert "hush" not in repr(server)


def test_either_name_of_the_private_key_is_accepted() -> None:
    assert Server(uid="s", private_key=Secret("k")).ssh_private_key == Secret("k")
    assert Server(uid="s", ssh_private_key=Secret("a"), private_key=Secret("b")).ssh_private_key == Secret("a")


async def test_reboot_sends_a_post_without_fields() -> None:
    transport = Script(make_response({"response": {"id": 5, "action": "server_reboot"}}))
    async with client(transport) as c66:
        action = await c66.servers.reboot("a", "s")
    assert action == Action(id=5, action="server_reboot", stack="a")
    assert (transport.requests[0].method, transport.targets) == ("POST", ["/stacks/a/servers/s/reboot_server.json"])
    assert transport.requests[0].body in (None, b"{}")


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/servers"
    server = call.get(path)[0]
    assert server.keys() == field_names(Server) - {"private_key", "ssh_private_key"}
    with_key = call.get(f"{path}/{server['uid']}", include_private_key=1)
    assert with_key.keys() == field_names(Server) - {"private_key"}
    assert with_key["ssh_private_key"].startswith("-----BEGIN")


def test_servers_belong_to_their_stack(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    servers = call.get(f"/stacks/{web.uid}/servers.json")
    assert {server["stack_uid"] for server in servers} == {web.uid}
    other = fake.add_stack("other")
    assert error_code(call("GET", f"/stacks/{other.uid}/servers/{servers[0]['uid']}.json")) == "not_found"


def test_sandbox_sends_the_private_key_only_if_requested(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/servers/{web.servers[0]['uid']}.json"
    assert "ssh_private_key" not in call.get(path)
    assert "ssh_private_key" not in call.get(path, include_private_key=0)
    assert "ssh_private_key" in call.get(path, include_private_key=1)


def test_reboot_is_an_action_of_the_server(call: Caller, web: FakeStack) -> None:
    server = web.servers[0]["uid"]
    action = call.send("POST", f"/stacks/{web.uid}/servers/{server}/reboot_server.json")
    assert (action["action"], action["resource_type"], action["resource_id"]) == ("server_reboot", "server", server)
    assert error_code(call("POST", f"/stacks/{web.uid}/servers/none/reboot_server.json")) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_servers_are_read(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web")
    servers = await c66.servers.list(stack.uid)
    assert [server.uid for server in servers] == [server["uid"] for server in stack.servers]
    server = await c66.servers.get(stack.uid, servers[0].uid, include_private_key=True)
    assert server.ssh_private_key is not None


async def test_server_is_rebooted(fake: FakeCloud66, web: FakeStack) -> None:
    async with fake.client() as c66, fake.clock.running():
        server = web.servers[0]["uid"]
        action = await c66.actions.wait(await c66.servers.reboot(web.uid, server))
    assert (action.succeeded, action.resource_type, action.resource_id) == (True, "server", server)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_sample_servers_have_a_web_server(fake: FakeCloud66, environment: str) -> None:
    for number in range(20):
        servers = fake.add_stack(f"web-{number}", environment=environment).servers
        assert "web" in servers[0]["server_roles"]
        assert len({server["uid"] for server in servers}) == len(servers)


def test_reboot_has_a_second_path(call: Caller, web: FakeStack) -> None:
    server = web.servers[0]["uid"]
    assert call.send("POST", f"/stacks/{web.uid}/servers/{server}/reboot")["action"] == "server_reboot"
