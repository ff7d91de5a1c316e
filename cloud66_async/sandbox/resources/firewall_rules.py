"""Firewall rules in the sandbox."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta

from ...resources import firewall_rules as api
from ...resources.firewall_rules import FirewallProtocol
from ..crud import find
from ..handling import Context, Listing, handles
from ..parameters import bad_request
from ..samples import timestamp
from ..stack import FakeStack
from ..table import Kind, Record, Table, register
from .server_groups import SERVER_GROUPS
from .servers import SERVERS

__all__ = ["FIREWALL_RULES"]

_LONGEST_LEASE = 240
_SIDES = ("from_ip", "from_group_id", "from_server_id", "to_ip", "to_group_id", "to_server_id")
_DEFAULTS = dict.fromkeys(_SIDES) | {"protocol": "tcp", "rule_type": "dynamic", "comments": None, "ttl": None}
_CALLER = "198.51.100.1"  # the sandbox does not know the address that a request comes from


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield rules that let everybody use HTTP and HTTPS, and one address SSH."""
    rules = (("198.51.100.7", 22, "Office"), ("0.0.0.0/0", 80, None), ("0.0.0.0/0", 443, None))
    times = dict.fromkeys(("created_at", "updated_at"), timestamp(stack.added_at))
    for number, (source, port, comments) in enumerate(rules, start=stack.number * 10 + 1):
        yield {"id": number, **_DEFAULTS, "from_ip": source, "port": port, "comments": comments, **times}


FIREWALL_RULES = register(Kind("firewall rule", model=api.FirewallRule, sample=sample, defaults=_DEFAULTS))


def _rules(context: Context, stack: str) -> Table[Record]:
    """Return the rules, after those whose time is over were deleted."""
    table = context.world.table(FIREWALL_RULES, context.stack(stack))
    for record in table.list():
        lifetime = record.get("ttl")
        if lifetime and context.now >= datetime.fromisoformat(record["created_at"]) + timedelta(minutes=lifetime):
            table.delete(record["id"])
    return table


@handles(api.LIST)
def list_rules(context: Context, stack: str) -> Listing[Record]:
    """List the rules."""
    return Listing(_rules(context, stack).list())


@handles(api.GET)
def get_rule(context: Context, stack: str, rule: str) -> Record:
    """Return one rule."""
    _rules(context, stack)
    return find(context, FIREWALL_RULES, stack, rule)


@handles(api.CREATE)
def create_rule(context: Context, stack: str) -> Record:
    """Start the action that creates a rule. With a lifetime, which starts when the action ends, it is a lease."""
    given, table = context.parameters, _rules(context, stack)
    lifetime = given.get("ttl") or None  # the Terraform provider sends 0 for a rule without a lifetime
    if lifetime is None and "protocol" not in given:
        raise bad_request("Missing parameters: protocol")
    if lifetime is not None and not 1 <= lifetime <= _LONGEST_LEASE:
        raise bad_request(f"ttl must be from 1 to {_LONGEST_LEASE} minutes")
    if not 0 <= given["port"] <= 65_535:
        raise bad_request("port must be from 0 to 65535")
    protocol = FirewallProtocol(str(given.get("protocol", 1))).value
    rule = {**_sides(context, stack), "protocol": protocol, "port": given["port"], "ttl": lifetime}
    found, name = context.stack(stack), "firewall_rule_create" if lifetime is None else "open_lease"
    action = context.world.act(found, name, user=context.user)

    def create() -> None:
        created = timestamp(action.ends_at)  # may be long ago: the effect of an action waits for the next request
        table.create({**rule, "created_at": created, "updated_at": created})

    action.effect = create
    return action.to_json(context.now)


def _sides(context: Context, stack: str) -> Record:
    """Return the source and the target of the connections."""
    given = context.parameters
    sides = {side: given.get(side) or None for side in _SIDES}
    if not any(sides.values()):
        raise bad_request(f"One of {', '.join(_SIDES)} is required")
    if sides["from_ip"] == "AUTO" and given.get("ttl"):
        sides["from_ip"] = _CALLER
    if given.get("server_id"):
        sides["to_ip"] = find(context, SERVERS, stack, given["server_id"])["address"]
    for side in ("from_ip", "to_ip"):
        try:
            ipaddress.ip_network(sides[side] or _CALLER, strict=False)
        except ValueError:
            raise bad_request(f"{side} must be an IP address or a network") from None
    for side in ("from_group_id", "to_group_id"):
        if sides[side] is not None:
            find(context, SERVER_GROUPS, stack, str(sides[side]))
    return sides
