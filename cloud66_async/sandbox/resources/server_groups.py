"""Server groups in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...resources import server_groups as api
from ..crud import find, serve_get, serve_list
from ..handling import Context, handles
from ..parameters import bad_request
from ..samples import timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register
from .servers import DATABASE_ROLE, SERVERS, application_roles, application_type, free_number, group_id, new_server

__all__ = ["SERVER_GROUPS", "servers_of"]

_MOST_SERVERS = 100
# Kinds of servers that a type of group can have. Every other type is a framework.
_SUBTYPES = {"docker": ("docker",), "kubes": ("docker",), DATABASE_ROLE: ()}


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the groups that the servers belong to."""
    roles = {DATABASE_ROLE: [DATABASE_ROLE], application_type(stack): application_roles(stack)}
    types = {group_id(stack, found): kind for kind, found in roles.items()}
    for group in sorted({server["server_group_id"] for server in stack.servers if "server_group_id" in server}):
        yield {
            "id": group,
            "name": f"{types[group].capitalize()} servers",
            "type": types[group],
            "created_at": timestamp(stack.added_at),
            "updated_at": timestamp(stack.added_at),
        }


SERVER_GROUPS = register(Kind("server group", model=api.ServerGroup, sample=sample))

serve_list(api.LIST, SERVER_GROUPS)
serve_get(api.GET, SERVER_GROUPS)


def servers_of(stack: FakeStack, group: Record) -> list[Record]:
    """Return the servers of a group."""
    return [server for server in stack.servers if server.get("server_group_id") == group["id"]]


@handles(api.SCALE)
def scale_group(context: Context, stack: str, server_group: str) -> Record:
    """Start the action that adds servers to a group, or that removes some if no size is given."""
    group = find(context, SERVER_GROUPS, stack, server_group)
    found, given = context.stack(stack), context.parameters
    if given["subtype"] not in _SUBTYPES.get(group["type"], ("web", "process")):
        raise bad_request(f"A {group['type']} group cannot be scaled with the subtype {given['subtype']}")
    present = servers_of(found, group)
    names: Sequence[str | None] = given.get("server_names", ())
    if "server_size" in given:
        count = given.get("server_count", len(names) or 1)
        if not 1 <= count <= _MOST_SERVERS or (names and len(names) != count):
            raise bad_request(f"server_count must be the number of server_names, from 1 to {_MOST_SERVERS}")
        added = names or [None] * count
        return context.start_action(stack, "scale_up", lambda: _add(context, found, present, added), exclusive=True)
    left = given.get("server_count", 0)
    if not 1 <= left < len(present):
        raise bad_request(f"server_count must be from 1 to {len(present) - 1}, or there must be a server_size")
    return context.start_action(stack, "scale_down", lambda: _remove(found, present[left:]), exclusive=True)


def _add(context: Context, stack: FakeStack, present: Sequence[Record], names: Sequence[str | None]) -> None:
    """Add servers with these names, or with made-up ones, in the region of those that are present."""
    given, table, now = context.parameters, context.world.table(SERVERS, stack), timestamp(context.world.clock.now())
    region = present[0]["region"] if present else ""
    roles = ["process"] if given["subtype"] == "process" else application_roles(stack)
    for name in names:
        number, size = free_number(stack), given["server_size"]
        server = new_server(stack, number, roles=roles, region=region, size=size, key=table.new_id(), name=name)
        zone = given.get("server_availability_zone", server["availability_zone"])
        table.add({**server, "availability_zone": zone, "created_at": now, "updated_at": now})


def _remove(stack: FakeStack, servers: Sequence[Record]) -> None:
    removed = {server["uid"] for server in servers}
    stack.servers[:] = [server for server in stack.servers if server["uid"] not in removed]
