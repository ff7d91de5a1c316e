"""Server groups: servers of a stack that do the same work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from .._core.model import Model, Timestamp
from .._core.parameters import CommaSeparated
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .actions import Action

__all__ = ["RootDiskType", "ServerGroup", "ServerGroups", "ServerSubtype"]

ServerSubtype = Literal["web", "process", "docker"]
"""Kinds of servers that can be added and removed."""

RootDiskType = Literal["ssd", "magnetic"]
"""Types of a server's disk."""


@attrs.frozen(kw_only=True)
class ServerGroup(Model):
    """One group of servers. `Server.server_group_id` tells which servers belong to it."""

    id: int
    name: str | None = None
    type: str | None = None  # for example `rails`, `docker` or `postgresql`; an open set
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


_SCALE_DOWN = {"subtype": ServerSubtype, "server_count": int}
_SCALE_UP = {
    "subtype": ServerSubtype,
    "server_size": str,
    "server_count": int | None,
    "server_availability_zone": str | None,
    "server_subnet_id": str | None,
    "root_disk_type": RootDiskType | None,
    "root_disk_size": int | None,
    "server_names": CommaSeparated[list[str]] | None,
}

LIST = get("/stacks/{stack}/server_groups.json", many(ServerGroup), scope="public")
GET = get("/stacks/{stack}/server_groups/{server_group:int}.json", ServerGroup, scope="public")
SCALE = post(
    "/stacks/{stack}/server_groups/{server_group:int}.json",
    Action,
    scope="redeploy",
    body={**_SCALE_UP, "server_size": str | None},
)
SCALE_UP = SCALE.variant(body=_SCALE_UP)
SCALE_DOWN = SCALE.variant(body=_SCALE_DOWN)


class ServerGroups(Resource):
    """Server groups of a stack."""

    def list(self, stack: str) -> Pager[ServerGroup]:
        """List the server groups of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, server_group: int) -> ServerGroup:
        """Return the server group with this ID."""
        return await self._call(GET.bind(stack=stack, server_group=server_group))

    async def scale_up(
        self,
        stack: str,
        server_group: int,
        *,
        subtype: ServerSubtype,
        server_size: str,
        server_count: int | None = None,
        server_availability_zone: str | None = None,
        server_subnet_id: str | None = None,
        root_disk_type: RootDiskType | None = None,
        root_disk_size: int | None = None,
        server_names: Iterable[str] | None = None,
    ) -> Action:
        """Add servers to a group. Return the action.

        Args:
            stack: uid of the stack.
            server_group: ID of the server group.
            subtype: Kind of the servers.
            server_size: Size of the servers, as the stack's cloud provider names it.
            server_count: Number of servers to add.
            server_availability_zone: Availability zone; only for AWS.
            server_subnet_id: ID of the subnet; only for AWS.
            root_disk_type: Type of the disk; only for AWS and Google Cloud.
            root_disk_size: Size of the disk in gigabytes; only for AWS and Google Cloud.
            server_names: Names of the servers.
        """
        return await self._start(
            SCALE_UP,
            stack,
            server_group=server_group,
            subtype=subtype,
            server_size=server_size,
            server_count=server_count,
            server_availability_zone=server_availability_zone,
            server_subnet_id=server_subnet_id,
            root_disk_type=root_disk_type,
            root_disk_size=root_disk_size,
            server_names=server_names,
        )

    async def scale_down(self, stack: str, server_group: int, *, subtype: ServerSubtype, server_count: int) -> Action:
        """Remove servers from a group until `server_count` of them are left. Return the action."""
        return await self._start(
            SCALE_DOWN, stack, server_group=server_group, subtype=subtype, server_count=server_count
        )
