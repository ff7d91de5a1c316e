"""The commands `processes` and below: what a stack runs without containers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated

from cyclopts import App, Parameter

from ...client import Cloud66
from ...resources.actions import Action
from ...resources.processes import Process, Processes
from ...resources.stacks import Stack
from ..lookup.members import find_server, pick
from ..lookup.names import find_stack, full_name
from ..options import (
    DEFAULT_ACCESS,
    DEFAULT_OUTPUT,
    Access,
    ChangedStackName,
    Environment,
    Output,
    StackName,
    Yes,
)
from ..running import run
from ..terminal.output import Field, Listing
from ..work.changes import Change, carry_out
from ..work.following import DEFAULT_FOLLOWING, Following
from ..work.parts import (
    Count,
    Find,
    Method,
    Place,
    ScaledServers,
    ServerName,
    Target,
    check_count,
    command_of,
    scaled,
    servers_of,
)

__all__ = ["PROCESSES", "app"]

app: App = App(
    name="processes",
    help="List the processes of a stack; scale, restart, pause and resume them.",
    help_format="plaintext",
    result_action="return_value",
)

ProcessName = Annotated[str, Parameter(help="Name of the process.")]


def _total(counts: Mapping[str, object] | None) -> int:
    return sum(count for count in (counts or {}).values() if isinstance(count, int))


def _state(process: Process) -> str:
    """Return the state of the process in a word or two."""
    running, paused = _total(process.servers), _total(process.servers_pauses)
    if not running:
        return "stopped"
    return "running" if not paused else "paused" if paused >= running else "partly paused"


def _style(process: Process) -> str:
    return {"running": "green", "stopped": ""}.get(_state(process), "yellow")


def _servers(process: Process) -> str:
    """Return the servers with how often it runs on each."""
    return ", ".join(f"{server}: {count}" for server, count in sorted((process.servers or {}).items()))


PROCESSES: Listing[Process] = Listing.of_models(
    "process",
    Field("name", lambda process: process.name),
    Field("state", _state, style=_style),
    Field("running", lambda process: _total(process.servers) - _total(process.servers_pauses)),
    Field("paused", lambda process: _total(process.servers_pauses), dropped=3),
    Field("servers", _servers, dropped=2),
    Field("command", lambda process: process.command, dropped=1),
    kinds="processes",
)


@app.default
def processes(
    stack: StackName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the processes of a stack that runs without containers."""
    output.check(PROCESSES)
    run(_list(access.open(), output, stack, environment, server))


async def _list(c66: Cloud66, output: Output, name: str, environment: str | None, server: str | None) -> None:
    async with c66:
        stack = await find_stack(c66, name, environment)
        uid = None if server is None else (await find_server(c66, stack, server)).uid
        found = await c66.processes.list(stack.uid, server_uid=uid)
    name = full_name(stack)
    advice = f"See: cloud66-async services {shlex.quote(name)}"
    output.show(PROCESSES, found, empty=(f"{name} has no processes{'' if uid is None else ' on this server'}.", advice))


@app.command
def scale(
    stack: ChangedStackName,
    process: ProcessName,
    count: Count,
    *,
    environment: Environment = None,
    server: ScaledServers = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Set how often a process runs on a server.

    For example:
      cloud66-async processes scale billing-web/production worker 3 --server lion-2
    """
    check_count(count)

    async def prepare(c66: Cloud66) -> Change:
        found = await find_stack(c66, stack, environment, changing=True)
        known = await _find(c66, found, process)
        running_on = [name for name, number in (known.servers or {}).items() if number]
        servers = await servers_of(c66, found, known.name, server, running_on)
        counts = {server.uid: count for server in servers}

        async def start(c66: Cloud66) -> Action:
            return await c66.processes.scale(found.uid, known.name, server_count=counts)

        return Change(found, scaled(known.name, count, [server.name or server.uid for server in servers]), start)

    return carry_out(how, prepare, yes=yes or count > 0, interrupts=True)


@app.command
def restart(
    stack: ChangedStackName,
    process: ProcessName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Restart a process."""
    return _change("restart", Processes.restart, Target(stack, environment, server), process, how, yes=yes)


@app.command
def pause(
    stack: ChangedStackName,
    process: ProcessName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Pause a process."""
    return _change("pause", Processes.pause, Target(stack, environment, server), process, how, yes=yes, interrupts=True)


@app.command
def resume(
    stack: ChangedStackName,
    process: ProcessName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Resume a paused process."""
    return _change("resume", Processes.resume, Target(stack, environment, server), process, how, yes=True)


def _change(
    verb: str,
    method: Method[Processes],
    target: Target,
    process: str,
    how: Following,
    *,
    yes: bool,
    interrupts: bool = False,
) -> int:
    """Call a method for a process on all servers or on one, and wait. Return the exit code."""

    async def start(c66: Cloud66, place: Place) -> Action:
        return await method(c66.processes, place.stack, place.name, server_uid=place.server)

    return carry_out(how, command_of(verb, _named(process), start, target), yes=yes, interrupts=interrupts)


def _named(process: str) -> Find:
    """Return a function that returns the exact name of this process."""

    async def find(c66: Cloud66, stack: Stack) -> str:
        return (await _find(c66, stack, process)).name

    return find


async def _find(c66: Cloud66, stack: Stack, process: str) -> Process:
    found = await c66.processes.list(stack.uid)
    return pick("process", process, found, stack=stack, name=lambda process: process.name)
