"""Firewall rules: which connections to the servers of a stack are allowed."""

from __future__ import annotations

from typing import Literal

import attrs

from .._core.arguments import check_text
from .._core.model import Model, OpenStrEnum, Timestamp
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .actions import Action

__all__ = ["FirewallProtocol", "FirewallRule", "FirewallRules"]

_NUMBERS = {"tcp": 1, "udp": 2, "icmp": 3}
_NAMES = {str(number): name for name, number in _NUMBERS.items()}


class FirewallProtocol(OpenStrEnum):
    """Protocol that a firewall rule allows. The numbers that the API also uses are read as the names."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"

    @classmethod
    def _missing_(cls, value: object) -> FirewallProtocol | None:
        name = str(value).lower()
        name = _NAMES.get(name, name)
        return cls(name) if name in _NUMBERS else super()._missing_(value)


@attrs.frozen(kw_only=True)
class FirewallRule(Model):
    """One firewall rule. `from_*` is the source of the connections, `to_*` is their target."""

    id: int
    from_ip: str | None = None
    from_group_id: int | None = None  # ID of the server group
    from_server_id: int | None = None  # ID of the server, not its uid
    to_ip: str | None = None
    to_group_id: int | None = None  # ID of the server group
    to_server_id: int | None = None  # ID of the server, not its uid
    protocol: FirewallProtocol | None = None
    port: int | None = None
    rule_type: str | None = None  # for example `dynamic`; an open set
    comments: str | None = None
    ttl: int | None = None  # minutes that a temporary rule lasts (known from a Terraform provider)
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


LIST = get("/stacks/{stack}/firewalls.json", many(FirewallRule), scope="public")
GET = get("/stacks/{stack}/firewalls/{rule:int}.json", FirewallRule, scope="public")
CREATE = post(
    "/stacks/{stack}/firewalls.json",
    Action,
    scope="admin",
    body={
        "protocol": Literal[1, 2, 3] | None,  # the official client opens a lease without it
        "port": int,
        "from_ip": str | None,
        "from_group_id": int | None,
        "from_server_id": int | None,
        "to_ip": str | None,
        "to_group_id": int | None,
        "to_server_id": int | None,
        "ttl": int | None,
        "server_id": str | None,
    },
)
LEASE = CREATE.variant(body={"from_ip": str, "port": int, "ttl": int, "server_id": str | None})


class FirewallRules(Resource):
    """Firewall rules of a stack."""

    def list(self, stack: str) -> Pager[FirewallRule]:
        """List the firewall rules of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, rule: int) -> FirewallRule:
        """Return the firewall rule with this ID."""
        return await self._call(GET.bind(stack=stack, rule=rule))

    async def create(
        self,
        stack: str,
        *,
        protocol: FirewallProtocol | Literal["tcp", "udp", "icmp"],
        port: int,
        from_ip: str | None = None,
        from_group_id: int | None = None,
        from_server_id: int | None = None,
        to_ip: str | None = None,
        to_group_id: int | None = None,
        to_server_id: int | None = None,
        ttl: int | None = None,
    ) -> Action:
        """Create a firewall rule. Return the action. At least one source or target is required.

        Args:
            stack: uid of the stack.
            protocol: Protocol to allow.
            port: Port to open.
            from_ip: IP address of the source. With `ttl`, `AUTO` is the address that the request comes from.
            from_group_id: ID of the server group that is the source.
            from_server_id: ID of the server that is the source.
            to_ip: IP address of the target.
            to_group_id: ID of the server group that is the target.
            to_server_id: ID of the server that is the target.
            ttl: Minutes that the rule lasts, at most 240. The default is no limit.
        """
        check_text("protocol", protocol)
        if protocol not in _NUMBERS:
            raise ValueError(f"invalid protocol ({protocol!r}): expected one of 'tcp', 'udp', 'icmp'")
        return await self._start(
            CREATE,
            stack,
            protocol=_NUMBERS[protocol],
            port=port,
            from_ip=from_ip,
            from_group_id=from_group_id,
            from_server_id=from_server_id,
            to_ip=to_ip,
            to_group_id=to_group_id,
            to_server_id=to_server_id,
            ttl=ttl,
        )

    async def lease(
        self, stack: str, *, from_ip: str = "AUTO", port: int = 22, ttl: int = 20, server_id: str | None = None
    ) -> Action:
        """Open a port for `ttl` minutes, at most 240 (known from the official client). Return the action.

        `AUTO` is the address that the request comes from. `server_id` is the uid of a server; without it, the port is
        open on all servers.
        """
        return await self._start(LEASE, stack, from_ip=from_ip, port=port, ttl=ttl, server_id=server_id)
