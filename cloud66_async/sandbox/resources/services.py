"""Services in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...resources import services as api
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..parameters import bad_request
from ..samples import sample_uid
from ..stack import FakeStack
from ..table import Kind, Record, register
from .containers import CONTAINERS, SAMPLE_SERVICES, new_container, selected, uses_containers
from .servers import SERVERS

__all__ = ["SERVICES", "find_server", "read_counts"]

_MAX_COUNT = 100  # a mistyped number must not fill the memory


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield a service that serves the web and one that works in the background."""
    if uses_containers(stack):
        for name, (command, count) in SAMPLE_SERVICES.items():
            yield {
                "name": name,
                "source_type": "git",
                "git_ref": stack.data["git_branch"],
                "image_name": f"registry.example.com/acme/{stack.name}",
                "image_uid": sample_uid("image", stack.uid, name),
                "image_tag": "latest",
                "command": command,
                "build_command": "rake assets:precompile" if name == "web" else None,
                "deploy_command": "rake db:migrate" if name == "web" else None,
                "desired_count": count,
            }


SERVICES = register(Kind("service", model=api.Service, key="name", sample=sample))


@handles(api.LIST)
def list_services(context: Context, stack: str) -> Listing[Record]:
    """List the services, or those with containers on one server."""
    (table,) = tables_of(context, SERVICES, stack)
    services = [_with_containers(context, stack, service) for service in table.list()]
    return Listing([service for service in services if service["containers"] or "server_uid" not in context.parameters])


@handles(api.GET)
def get_service(context: Context, stack: str, service: str) -> Record:
    """Return one service, and the command that runs another one in its first container if it was requested."""
    found = _with_containers(context, stack, find(context, SERVICES, stack, service))
    command = context.parameters.get("wrap_command")
    if command is None:
        return found
    if not found["containers"]:
        raise bad_request("The service has no running containers")
    return {**found, "wrap_command": f"docker exec -it {found['containers'][0]['uid']} {command}"}


@handles(api.SCALE)
def scale_service(context: Context, stack: str) -> Record:
    """Start the action that starts or stops containers of a service."""
    found, counts = context.stack(stack), dict[str, int]()
    service = find(context, SERVICES, stack, context.parameters["service_name"])
    for group, count in read_counts(context, "server_group_count").items():
        servers = [server for server in found.servers if _belongs(server, group)]
        if not servers:
            raise bad_request(f"There is no server group {group}")
        for number, server in enumerate(servers):
            counts[server["uid"]] = count // len(servers) + (number < count % len(servers))
    for uid, count in read_counts(context, "server_count").items():
        counts[find_server(context, stack, uid)["uid"]] = count
    if not counts:
        raise bad_request("Missing parameters: server_count or server_group_count")
    return context.start_action(stack, "service_scale", lambda: _scale(context, found, service, counts), exclusive=True)


@handles(api.STOP)
def stop_service(context: Context, stack: str, service: str) -> Record:
    """Start the action that stops the containers of a service, on all servers or on one."""
    record, server = find(context, SERVICES, stack, service), context.parameters.get("server_uid")
    if server is not None:
        find_server(context, stack, server)
    table = context.world.table(CONTAINERS, context.stack(stack))

    def stop() -> None:
        for container in selected(table, service=service, server=server):
            table.delete(container["uid"])
        record["desired_count"] = len(selected(table, service=service))

    return context.start_action(stack, "service_stop", stop, server=server)


def find_server(context: Context, stack: str, server: str) -> Record:
    """Return the server of the stack with this uid. Raises Rejected with 404 if there is none."""
    return find(context, SERVERS, stack, server)


def read_counts(context: Context, parameter: str) -> Mapping[str, int]:
    """Return the numbers by name that a parameter has. Raises Rejected with 400 if there are others than numbers."""
    counts: Mapping[str, object] = context.parameters.get(parameter, {})
    found = {name: count for name, count in counts.items() if type(count) is int and 0 <= count <= _MAX_COUNT}
    if len(found) < len(counts):
        raise bad_request(f"{parameter} must have numbers between 0 and {_MAX_COUNT}")
    return found


def _belongs(server: Record, group: str) -> bool:
    """Return whether a server belongs to a group, which may be named by its ID or by a role of its servers."""
    return group in (str(server.get("server_group_id")), *server["server_roles"])


def _with_containers(context: Context, stack: str, service: Record) -> Record:
    """Return every field of a service, with its containers on all servers or on the requested one."""
    table = context.world.table(CONTAINERS, context.stack(stack))
    server = context.parameters.get("server_uid")
    return {**service, "containers": list(selected(table, service=service["name"], server=server))}


def _scale(context: Context, stack: FakeStack, service: Record, counts: Mapping[str, int]) -> None:
    """Start or stop containers until each server has as many as it should."""
    table, servers = context.world.table(CONTAINERS, stack), {server["uid"]: server for server in stack.servers}
    for uid, count in counts.items():
        present = selected(table, service=service["name"], server=uid)
        for container in present[count:]:
            table.delete(container["uid"])
        for _ in range(count - len(present) if uid in servers else 0):
            number, now = table.new_id(), context.world.clock.now()
            table.add(new_container(stack, service["name"], service["command"], servers[uid], number=number, now=now))
    service["desired_count"] = len(selected(table, service=service["name"]))
