"""Servers in the sandbox."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from random import Random

from ...resources import servers as api
from ..crud import find, serve_list
from ..handling import Context, also_at, handles
from ..samples import CLOUDS, sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = [
    "DATABASE_ROLE",
    "SERVERS",
    "application_roles",
    "application_type",
    "free_number",
    "group_id",
    "new_server",
    "sample_servers",
]

DATABASE_ROLE = "postgresql"
"""Role of the servers with the database."""

_ANIMALS = ("badger", "cheetah", "dolphin", "falcon", "gibbon", "lion", "otter", "panda", "tiger")
_SUBNETS = 512  # of the network 198.18.0.0/15
_HOSTS = 254  # in each subnet


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield one to four servers. From two servers on, the database has its own."""
    chance = _chance(stack)
    weights = (3, 4, 2, 1) if stack.data["environment"] == "production" else (7, 2, 1, 0)
    yield from sample_servers(stack, 1 + chance.choices((0, 1, 2, 3), weights)[0])


def sample_servers(stack: FakeStack, count: int) -> Iterator[Record]:
    """Yield this number of servers."""
    region, size = _location(stack)
    application = application_roles(stack)
    for number in range(count):
        roles = [DATABASE_ROLE] if number == 1 else application if count > 1 else [*application, DATABASE_ROLE]
        yield new_server(stack, number, roles=roles, region=region, size=size)


def another(stack: FakeStack, key: int, _given: Mapping[str, object]) -> Record:
    """Return one more server that runs the code of the stack."""
    region, size = _location(stack)
    return new_server(stack, free_number(stack), roles=application_roles(stack), region=region, size=size, key=key)


def _chance(stack: FakeStack) -> Random:
    return Random(f"servers:{stack.uid}")  # noqa: S311  sample data, not a secret


def _location(stack: FakeStack) -> tuple[str, str]:
    """Return the region and the size of the servers of the stack."""
    chance = _chance(stack)
    chance.random()  # the number of servers was chosen with the first number
    return chance.choice(CLOUDS.get(stack.data["cloud"], (("", ""),)))


SERVERS = register(Kind("server", model=api.Server, key="uid", uid=True, sample=sample, another=another))

serve_list(api.LIST, SERVERS)
also_at("POST", "/stacks/{stack}/servers/{server}/reboot", api.REBOOT)


@handles(api.GET)
def get_server(context: Context, stack: str, server: str) -> Record:
    """Return one server, with its private key if it was requested."""
    found = find(context, SERVERS, stack, server)
    if context.parameters.get("include_private_key"):
        return {**found, "ssh_private_key": _private_key(server)}
    return found


@handles(api.REBOOT)
def reboot_server(context: Context, stack: str, server: str) -> Record:
    """Start the action that reboots one server."""
    find(context, SERVERS, stack, server)
    return context.start_action(stack, "server_reboot", server=server, exclusive=True)


def application_type(stack: FakeStack) -> str:
    """Return the type of the servers that run the code of the stack: `kubes`, `docker`, or the framework."""
    return "kubes" if stack.data["backend"] == "kubernetes" else str(stack.data["framework"])


def application_roles(stack: FakeStack) -> list[str]:
    """Return the roles of the servers that run the code of the stack."""
    kind = application_type(stack)
    return [kind, "web", "app"] if kind in ("docker", "kubes") else ["web", "app"]


def group_id(stack: FakeStack, roles: Sequence[str]) -> int:
    """Return the ID of the group of servers with these roles. The servers of the database have their own group."""
    return stack.number * 10 + (2 if list(roles) == [DATABASE_ROLE] else 1)


def new_server(
    stack: FakeStack,
    number: int,
    *,
    roles: Sequence[str],
    region: str,
    size: str,
    key: int | None = None,
    name: str | None = None,
) -> Record:
    """Return every field of one server except its private key.

    Args:
        stack: Stack that it belongs to.
        number: Number that the name and the addresses are made from; see `free_number`.
        roles: Roles of the server.
        region: Region of the cloud provider.
        size: Server size.
        key: Number that the uid is made from. The default is `number`.
        name: Name. The default is made from `number`.
    """
    data = stack.data
    uid = sample_uid("server", stack.uid, number if key is None else key)
    chance = Random(f"server:{uid}")  # noqa: S311  sample data, not a secret
    created = stack.added_at - timedelta(seconds=chance.randrange(15 * 86_400, 900 * 86_400))
    updated = stack.added_at - timedelta(seconds=chance.randrange(60, 14 * 86_400))
    name = name or f"{chance.choice(_ANIMALS)}-{number + 1}"
    address, private = _addresses(stack, number)
    return {
        "uid": uid,
        "vendor_uid": str(chance.randrange(10**8, 10**9)),
        "name": name,
        "address": address,
        "distro": "ubuntu",
        "distro_version": chance.choice(("20.04", "22.04", "24.04")),
        "dns_record": f"{name}.{data['name']}.{data['environment']}.c66.example.com",
        "user_name": "root" if data["cloud"] == "DigitalOcean" else "ubuntu",
        "server_type": f"{roles[0]} ",
        "server_roles": list(roles),
        "server_group_id": group_id(stack, roles),
        "stack_uid": data["uid"],
        "has_agent": True,
        "params": {"agent_version": "1.7.4", "cores": chance.choice((1, 2, 4)), "size": size},
        "region": region,
        "availability_zone": f"{region}a" if data["cloud"] == "aws" else "",
        "ext_ipv4": address,
        "ext_ipv6": None,
        "int_ipv4": private,
        "int_ipv6": None,
        "health_state": data["health"],
        "personal_key": False,
        "notifications": {},
        "has_deploy_gateway": False,
        "deploy_gateway_address": None,
        "deploy_gateway_user_name": None,
        "is_kubernetes_master": data["backend"] == "kubernetes" and number == 0,
        "created_at": timestamp(created),
        "updated_at": timestamp(updated),
    }


def free_number(stack: FakeStack) -> int:
    """Return a number that gives a new server another name and other addresses than those of the stack's servers."""
    addresses = {server["address"] for server in stack.servers}
    return next(number for number in itertools.count(len(addresses)) if _addresses(stack, number)[0] not in addresses)


def _addresses(stack: FakeStack, number: int) -> tuple[str, str]:
    """Return a public and a private address, different for each number. The public one is never routed (RFC 2544)."""
    start = int(sample_uid("network", stack.uid), 16)  # servers of different stacks rarely share an address
    subnet, host = divmod((start + number) % (_SUBNETS * _HOSTS), _HOSTS)
    middle = subnet % 256
    return f"198.{18 + subnet // 256}.{middle}.{host + 1}", f"10.{subnet // 256}.{middle}.{host + 1}"


def _private_key(server: str) -> str:
    lines = "\n".join(sample_uid("key", server, number) * 2 for number in range(6))
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"
