"""Servers: the machines that a stack runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from .._core.model import Model, Timestamp, free_form
from ..operation import get, many, post
from ..pager import Pager
from ..secret import Secret
from . import actions
from ._resource import Resource
from .actions import Action
from .common import DatabaseSelection, Health

__all__ = ["Server", "Servers"]


@attrs.frozen(kw_only=True)
class Server(Model):
    """One server of a stack.

    `ssh_private_key` is set only if it was requested. The documentation calls it `private_key`, the official client
    `ssh_private_key`; the SDK fills the latter from either.
    """

    uid: str
    vendor_uid: str | None = None  # ID of the server at the cloud provider
    name: str | None = None
    address: str | None = None
    distro: str | None = None  # Linux distribution
    distro_version: str | None = None
    dns_record: str | None = None  # DNS name
    user_name: str | None = None  # user to log in as
    server_type: str | None = None
    server_roles: tuple[str, ...] | None = None
    server_group_id: int | None = None  # ID of the server group
    stack_uid: str | None = None
    has_agent: bool | None = None  # whether Cloud 66's agent is installed
    params: Mapping[str, Any] | None = free_form()  # more details, without a fixed structure
    region: str | None = None  # region of the cloud provider; a number, as a string, for some
    availability_zone: str | None = None
    ext_ipv4: str | None = None  # public IPv4 address
    ext_ipv6: str | None = None  # public IPv6 address
    int_ipv4: str | None = None  # private IPv4 address
    int_ipv6: str | None = None  # private IPv6 address
    health_state: Health | None = None
    personal_key: bool | None = None  # whether a personal SSH key is used
    ssh_private_key: Secret | None = None
    private_key: Secret | None = None
    notifications: Mapping[str, Any] | None = free_form()  # value, reason and time of each notification, by name
    has_deploy_gateway: bool | None = None  # whether the server is reached through a deploy gateway
    deploy_gateway_address: str | None = None  # address of the deploy gateway
    deploy_gateway_user_name: str | None = None  # user to log in to the deploy gateway as
    is_kubernetes_master: bool | None = None  # whether the server is a control plane node
    created_at: Timestamp | None = None  # time of creation
    updated_at: Timestamp | None = None  # time of the last change

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.ssh_private_key is None and self.private_key is not None:
            object.__setattr__(self, "ssh_private_key", self.private_key)


LIST = get("/stacks/{stack}/servers.json", many(Server), scope="public")
GET = get(
    "/stacks/{stack}/servers/{server}.json", Server, scope="public", query={"include_private_key": Literal[0, 1] | None}
)
REBOOT = post("/stacks/{stack}/servers/{server}/reboot_server.json", Action)
_REPLICA = {"server_uid": str, "db_type": DatabaseSelection | None}
PROMOTE_SLAVE_DB = actions.RUN.variant(fixed={"command": "promote_slave_db"}, body=_REPLICA)
RESYNC_SLAVE_DB = actions.RUN.variant(fixed={"command": "resync_slave_db"}, body=_REPLICA)
DISABLE_REPLICATION_SLAVE_DB = actions.RUN.variant(fixed={"command": "disable_replication_slave_db"}, body=_REPLICA)


class Servers(Resource):
    """Servers of a stack."""

    def list(self, stack: str) -> Pager[Server]:
        """List the servers of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, server: str, *, include_private_key: bool = False) -> Server:
        """Return the server with this uid, with its private SSH key if `include_private_key` is set."""
        return await self._call(
            GET.bind(stack=stack, server=server, include_private_key=1 if include_private_key else None)
        )

    async def reboot(self, stack: str, server: str) -> Action:
        """Reboot one server. Return the action."""
        return await self._start(REBOOT, stack, server=server)

    async def promote_slave_db(self, stack: str, server: str, *, db_type: DatabaseSelection | None = None) -> Action:
        """Make the replica on this server a primary database of its own. Return the action."""
        return await self._start(PROMOTE_SLAVE_DB, stack, server_uid=server, db_type=db_type)

    async def resync_slave_db(self, stack: str, server: str, *, db_type: DatabaseSelection | None = None) -> Action:
        """Synchronize the replica on this server with its primary again. Return the action."""
        return await self._start(RESYNC_SLAVE_DB, stack, server_uid=server, db_type=db_type)

    async def disable_replication_slave_db(
        self, stack: str, server: str, *, db_type: DatabaseSelection | None = None
    ) -> Action:
        """Stop replication to the replica on this server. Return the action."""
        return await self._start(DISABLE_REPLICATION_SLAVE_DB, stack, server_uid=server, db_type=db_type)
