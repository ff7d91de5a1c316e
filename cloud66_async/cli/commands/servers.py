"""The command `servers`."""

from __future__ import annotations

from ...client import Cloud66
from ...quota import Quota
from ...resources.servers import Server
from ...resources.stacks import Stack
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Environment, Output, StackName
from ..running import run
from ..terminal.fields import health_style, quota_note
from ..terminal.output import Field, Listing

__all__ = ["SERVERS", "servers"]

SERVERS: Listing[Server] = Listing.of_models(
    "server",
    Field("name", lambda server: server.name),
    Field("roles", lambda server: ", ".join(server.server_roles or ()), dropped=3),
    Field("health", lambda server: server.health_state, style=lambda server: health_style(server.health_state)),
    Field("address", lambda server: server.ext_ipv4 or server.address),
    Field("region", lambda server: server.region, dropped=1),
    Field("uid", lambda server: server.uid, dropped=2, uid=True),
    Field("type", lambda server: server.server_type, extra=True),
    Field("user", lambda server: server.user_name, extra=True),
    Field("private-address", lambda server: server.int_ipv4, extra=True),
    Field("dns", lambda server: server.dns_record, extra=True),
    Field("distribution", lambda server: f"{server.distro or ''} {server.distro_version or ''}".strip(), extra=True),
    Field("zone", lambda server: server.availability_zone, extra=True),
    Field("created", lambda server: server.created_at, extra=True),
)


def servers(
    stack: StackName,
    *,
    environment: Environment = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the servers of a stack.

    For example: cloud66-async servers billing-web/production
    """
    output.check(SERVERS)
    found, left, where = run(_read(access.open(), stack, environment))
    empty = (f"{full_name(where)} has no servers yet.",)
    output.show(SERVERS, found, note=quota_note(left), empty=empty)


async def _read(c66: Cloud66, name: str, environment: str | None) -> tuple[list[Server], Quota, Stack]:
    async with c66:
        found = await find_stack(c66, name, environment)
        return await c66.servers.list(found.uid), c66.quota, found
