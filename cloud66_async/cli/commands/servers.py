"""The command `servers`."""

from __future__ import annotations

from ...client import Cloud66
from ...resources.servers import Server
from ..fields import health_style
from ..names import find_stack
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Environment, Output, StackName
from ..output import Field, Listing
from ..running import run

__all__ = ["SERVERS", "servers"]

SERVERS: Listing[Server] = Listing.of_models(
    "server",
    Field("name", lambda server: server.name),
    Field("roles", lambda server: ", ".join(server.server_roles or ())),
    Field("health", lambda server: server.health_state, style=lambda server: health_style(server.health_state)),
    Field("address", lambda server: server.ext_ipv4 or server.address),
    Field("region", lambda server: server.region, dropped=1),
    Field("uid", lambda server: server.uid, dropped=2, uid=True),
)


def servers(
    stack: StackName,
    *,
    environment: Environment = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the servers of a stack."""
    run(_list(access.open(), output, stack, environment))


async def _list(c66: Cloud66, output: Output, stack: str, environment: str | None) -> None:
    async with c66:
        found = await c66.servers.list((await find_stack(c66, stack, environment)).uid)
    output.show(SERVERS, found)
