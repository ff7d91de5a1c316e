"""Firewall rules: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloud66_async import BadRequest, Cloud66, models
from cloud66_async.models import FirewallProtocol, FirewallRule
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.FirewallRule: """
        id from_ip from_group_id from_server_id to_ip to_group_id to_server_id protocol port rule_type comments ttl
        created_at updated_at
    """,
    models.FirewallProtocol: {"tcp": "tcp", "udp": "udp", "icmp": "icmp"},
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/firewalls.json"


def create_with_everything(c66: Cloud66) -> Any:
    return c66.firewall_rules.create(
        "a",
        protocol="icmp",
        port=0,
        from_ip="192.0.2.1",
        from_group_id=1,
        from_server_id=2,
        to_ip="192.0.2.2",
        to_group_id=3,
        to_server_id=4,
        ttl=5,
    )


EVERYTHING = {
    "protocol": 3,
    "port": 0,
    "from_ip": "192.0.2.1",
    "from_group_id": 1,
    "from_server_id": 2,
    "to_ip": "192.0.2.2",
    "to_group_id": 3,
    "to_server_id": 4,
    "ttl": 5,
}


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.firewall_rules.list("a"), ("GET", f"{PATH}?page=1", None)),
    (lambda c66: c66.firewall_rules.get("a", 7), ("GET", "/stacks/a/firewalls/7.json", None)),
    (
        lambda c66: c66.firewall_rules.create("a", protocol="tcp", port=22, from_group_id=1),
        ("POST", PATH, {"protocol": 1, "port": 22, "from_group_id": 1}),
    ),
    (
        lambda c66: c66.firewall_rules.create("a", protocol=FirewallProtocol.UDP, port=53, to_ip="192.0.2.1"),
        ("POST", PATH, {"protocol": 2, "port": 53, "to_ip": "192.0.2.1"}),
    ),
    (create_with_everything, ("POST", PATH, EVERYTHING)),
    (lambda c66: c66.firewall_rules.lease("a"), ("POST", PATH, {"from_ip": "AUTO", "port": 22, "ttl": 20})),
    (
        lambda c66: c66.firewall_rules.lease("a", from_ip="192.0.2.1", port=5432, ttl=240, server_id="s"),
        ("POST", PATH, {"from_ip": "192.0.2.1", "port": 5432, "ttl": 240, "server_id": "s"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize("protocol", ["gre", "", FirewallProtocol("gre")])
async def test_unknown_protocol_is_rejected_before_anything_is_sent(protocol: Any) -> None:
    async with client(Script()) as c66:
        with pytest.raises(ValueError, match=r"invalid protocol \(.*\): expected one of 'tcp', 'udp', 'icmp'"):
            await c66.firewall_rules.create("a", protocol=protocol, port=22, from_ip="192.0.2.1")


@pytest.mark.parametrize(
    ("value", "protocol"),
    [
        *[(value, FirewallProtocol.TCP) for value in ("tcp", "TCP", 1, "1")],
        *[(value, FirewallProtocol.UDP) for value in ("udp", 2, "2")],
        *[(value, FirewallProtocol.ICMP) for value in ("icmp", "Icmp", 3, "3")],
        (None, None),
    ],
)
async def test_protocol_is_read_from_a_name_or_a_number(value: object, protocol: FirewallProtocol | None) -> None:
    async with client(Script(make_response({"response": {"id": 1, "protocol": value}}))) as c66:
        rule = await c66.firewall_rules.get("a", 1)
    assert rule.protocol is protocol
    assert rule.to_dict()["protocol"] == protocol


@pytest.mark.parametrize("value", ["gre", 47])
async def test_unknown_protocol_is_read(value: object) -> None:
    async with client(Script(make_response({"response": {"id": 1, "protocol": value}}))) as c66:
        rule = await c66.firewall_rules.get("a", 1)
    assert rule.protocol is not None
    assert (rule.protocol.value, rule.protocol.known) == (str(value), False)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/firewalls"
    for rule in call.get(path):
        assert rule.keys() == field_names(FirewallRule)
        assert call.get(f"{path}/{rule['id']}.json") == rule
    assert error_code(call("GET", f"{path}/99999.json")) == "not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"port": 22, "from_ip": "192.0.2.1"}, "bad_request"),
        ({"protocol": 1, "from_ip": "192.0.2.1"}, "bad_request"),
        ({"protocol": 4, "port": 22, "from_ip": "192.0.2.1"}, "bad_request"),
        ({"protocol": "tcp", "port": 22, "from_ip": "192.0.2.1"}, "bad_request"),
        ({"protocol": 1, "port": 22}, "bad_request"),
        ({"protocol": 1, "port": 65_536, "from_ip": "192.0.2.1"}, "bad_request"),
        ({"protocol": 1, "port": 22, "from_ip": "AUTO"}, "bad_request"),
        ({"protocol": 1, "port": 22, "to_ip": "here"}, "bad_request"),
        ({"protocol": 1, "port": 22, "from_group_id": 99_999}, "not_found"),
        ({"port": 22, "from_ip": "AUTO", "ttl": 0}, "bad_request"),
        ({"port": 22, "from_ip": "AUTO", "ttl": 241}, "bad_request"),
        ({"port": 22, "from_ip": "AUTO", "ttl": 20, "server_id": "none"}, "not_found"),
    ],
)
def test_rules_that_cannot_be_created(call: Caller, web: FakeStack, body: object, code: str) -> None:
    assert error_code(call("POST", f"/stacks/{web.uid}/firewalls.json", body)) == code


def test_lease_ends_after_its_lifetime(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/firewalls"
    before = call.get(path)
    body = {"from_ip": "AUTO", "port": 22, "ttl": 20, "server_id": web.servers[0]["uid"]}
    assert call.send("POST", path, body)["action"] == "open_lease"
    assert call.get(path) == before
    fake.clock.advance(60)
    *same, lease = call.get(path)
    assert same == before
    assert (lease["from_ip"], lease["to_ip"]) == ("198.51.100.1", web.servers[0]["address"])
    assert (lease["protocol"], lease["port"], lease["ttl"]) == ("tcp", 22, 20)
    fake.clock.advance(20 * 60 - 1)
    assert call.get(f"{path}/{lease['id']}") == lease
    fake.clock.advance(1)
    assert error_code(call("GET", f"{path}/{lease['id']}")) == "not_found"
    assert call.get(path) == before


def test_lifetime_starts_when_the_action_ends(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/firewalls"
    before = call.get(path)
    call.send("POST", path, {"from_ip": "192.0.2.1", "port": 22, "ttl": 20})
    fake.clock.advance(60 + 20 * 60)  # nobody has looked at the stack in the meantime
    assert call.get(path) == before


def test_server_of_a_lease_may_be_empty(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    call.send("POST", f"/stacks/{web.uid}/firewalls", {"from_ip": "192.0.2.1", "port": 22, "ttl": 1, "server_id": ""})
    fake.clock.advance(60)
    assert call.get(f"/stacks/{web.uid}/firewalls")[-1]["to_ip"] is None


# --- story ---------------------------------------------------------------------------------------


async def test_rules_are_created(connected: Connected) -> None:
    fake, c66 = connected
    stack, rules = fake.add_stack("web").uid, c66.firewall_rules
    before = await rules.list(stack)
    group = (await c66.server_groups.list(stack))[0].id
    with pytest.raises(BadRequest, match="One of from_ip, "):
        await rules.create(stack, protocol="udp", port=53)
    started = await rules.create(stack, protocol="udp", port=53, from_ip="192.0.2.0/24", to_group_id=group)
    opened = await rules.lease(stack, ttl=240)
    assert opened.action == "open_lease"
    await asyncio.gather(c66.actions.wait(started), c66.actions.wait(opened))
    *same, rule, lease = await rules.list(stack)
    assert same == list(before)
    assert (rule.protocol, rule.port, rule.from_ip, rule.to_group_id, rule.ttl) == (
        FirewallProtocol.UDP, 53, "192.0.2.0/24", group, None,
    )  # fmt: skip
    assert (lease.protocol, lease.port, lease.ttl) == (FirewallProtocol.TCP, 22, 240)
    assert await rules.get(stack, lease.id) == lease
