"""Processes in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import processes as api
from ..commands import affects
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..samples import sample_uid
from ..stack import FakeStack
from ..table import Kind, Record, register
from .containers import uses_containers
from .services import find_server, read_counts

__all__ = ["PROCESSES"]

_PROCESSES = {"worker": "bundle exec sidekiq", "scheduler": "bundle exec clockwork config/clock.rb"}


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield two processes that run on the first server."""
    if not uses_containers(stack):
        for name, command in _PROCESSES.items():
            yield {
                "name": name,
                "md5": sample_uid("process", name, command),
                "command": command,
                "servers": {stack.servers[0]["name"]: 1},
                "servers_pauses": {},
            }


PROCESSES = register(Kind("process", model=api.Process, key="name", sample=sample))


@handles(api.LIST)
def list_processes(context: Context, stack: str) -> Listing[Record]:
    """List the processes, or those that run on one server."""
    (table,) = tables_of(context, PROCESSES, stack)
    processes = [_on_server(context, stack, process) for process in table.list()]
    return Listing([process for process in processes if process["servers"] or "server_uid" not in context.parameters])


@handles(api.GET)
def get_process(context: Context, stack: str, process: str) -> Record:
    """Return one process, as the official client expects it."""
    return _on_server(context, stack, find(context, PROCESSES, stack, process))


@handles(api.SCALE)
def scale_process(context: Context, stack: str) -> Record:
    """Start the action that sets how often a process runs."""
    process = find(context, PROCESSES, stack, context.parameters["process_name"])
    counts = {
        find_server(context, stack, server)["name"]: count
        for server, count in read_counts(context, "server_count").items()
    }

    def scale() -> None:
        servers = {name: count for name, count in {**process["servers"], **counts}.items() if count}
        pauses = {name: min(count, servers.get(name, 0)) for name, count in process["servers_pauses"].items()}
        process.update(servers=servers, servers_pauses={name: count for name, count in pauses.items() if count})

    return context.start_action(stack, "Process_scale", scale, exclusive=True)


@affects("process_pause", "process_resume", "process_restart", "restart")
def change_processes(context: Context, stack: FakeStack) -> None:
    """Pause or resume a process. A restart also resumes it."""
    name, uid = context.parameters.get("process_name"), context.parameters.get("server_uid")
    servers = {server["name"] for server in stack.servers if uid in (None, server["uid"])}
    for process in context.world.table(PROCESSES, stack).list():
        if name in (None, process["name"]):
            others = {server: count for server, count in process["servers_pauses"].items() if server not in servers}
            paused = {server: count for server, count in process["servers"].items() if server in servers}
            process["servers_pauses"] = others | (paused if context.parameters["command"] == "process_pause" else {})


def _on_server(context: Context, stack: str, process: Record) -> Record:
    """Return a process with its numbers on all servers or on the requested one."""
    uid = context.parameters.get("server_uid")
    if uid is None:
        return process
    names = {server["name"] for server in context.stack(stack).servers if server["uid"] == uid}
    numbers = ("servers", "servers_pauses")
    return process | {field: {name: n for name, n in process[field].items() if name in names} for field in numbers}
