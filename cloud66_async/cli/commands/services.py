"""The commands `services` and below: what runs in the containers of a stack."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated

from cyclopts import App, Parameter

from ...client import Cloud66
from ...resources.actions import Action
from ...resources.containers import ContainerHealth
from ...resources.services import Service, Services
from ...resources.stacks import Stack
from ..exits import USAGE, CommandError
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

__all__ = ["SERVICES", "app"]

app: App = App(
    name="services",
    help="List the services of a stack; scale, restart, pause and resume them.",
    help_format="plaintext",
    result_action="return_value",
)

ServiceName = Annotated[str, Parameter(help="Name of the service.")]


def _running(service: Service) -> int:
    return sum(container.status in (None, "running") for container in service.containers or ())


def _state(service: Service) -> str:
    """Return the state of the containers in a word or two."""
    containers = service.containers or ()
    if not containers:
        return "stopped"
    if all(container.status == "paused" for container in containers):
        return "paused"
    down = sum(container.health_state == ContainerHealth.DOWN for container in containers)
    if down:
        return "down" if down == len(containers) else f"{down} down"
    return "running" if _running(service) == len(containers) else "partly running"


def _style(service: Service) -> str:
    return {"running": "green", "paused": "yellow", "partly running": "yellow", "stopped": ""}.get(
        _state(service), "red"
    )


def _servers(service: Service) -> str:
    names = {container.server_name or container.server_uid or "" for container in service.containers or ()}
    return ", ".join(sorted(names - {""}))


def _image(service: Service) -> str | None:
    if service.image_name is None:
        return None
    return f"{service.image_name}:{service.image_tag}" if service.image_tag else service.image_name


SERVICES: Listing[Service] = Listing.of_models(
    "service",
    Field("name", lambda service: service.name),
    Field("state", _state, style=_style),
    Field("running", _running),
    Field("wanted", lambda service: service.desired_count),
    Field("servers", _servers, dropped=4),
    Field("ref", lambda service: service.git_ref, dropped=3),
    Field("command", lambda service: service.command, dropped=2),
    Field("image", _image, dropped=1),
)


@app.default
def services(
    stack: StackName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the services of a stack that runs in containers."""
    output.check(SERVICES)
    run(_list(access.open(), output, stack, environment, server))


async def _list(c66: Cloud66, output: Output, name: str, environment: str | None, server: str | None) -> None:
    async with c66:
        stack = await find_stack(c66, name, environment)
        uid = None if server is None else (await find_server(c66, stack, server)).uid
        found = await c66.services.list(stack.uid, server_uid=uid)
    name = full_name(stack)
    advice = f"See: cloud66-async processes {shlex.quote(name)}"
    output.show(SERVICES, found, empty=(f"{name} has no services{'' if uid is None else ' on this server'}.", advice))


@app.command
def scale(
    stack: ChangedStackName,
    service: ServiceName,
    count: Count,
    *,
    environment: Environment = None,
    server: ScaledServers = None,
    group: Annotated[
        str | None, Parameter(help="Server group, whose servers share the containers, for example web.")
    ] = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Set how many containers of a service run on a server or in a server group.

    For example:
      cloud66-async services scale billing-web/production worker 3 --server lion-2
    """
    check_count(count)
    if server and group is not None:
        raise CommandError("--server and --group exclude each other", code=USAGE)

    async def prepare(c66: Cloud66) -> Change:
        found = await find_stack(c66, stack, environment, changing=True)
        known = await _find(c66, found, service)
        if group is not None:
            return _scale(found, known.name, count, groups={group: group})
        running_on = [container.server_uid or "" for container in known.containers or ()]
        servers = await servers_of(c66, found, known.name, server, running_on)
        return _scale(found, known.name, count, servers={server.uid: server.name or server.uid for server in servers})

    return carry_out(how, prepare, yes=yes or count > 0, interrupts=True)


def _scale(
    stack: Stack,
    name: str,
    count: int,
    *,
    servers: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Change:
    """Return the change to this number on servers, given as names by uid, or in groups."""
    by_server = dict.fromkeys(servers, count) if servers else None
    by_group = dict.fromkeys(groups, count) if groups else None

    async def start(c66: Cloud66) -> Action:
        return await c66.services.scale(stack.uid, name, server_count=by_server, server_group_count=by_group)

    where = [*(servers or {}).values(), *(f"the group {group}" for group in groups or ())]
    return Change(stack, scaled(name, count, where), start)


@app.command
def restart(
    stack: ChangedStackName,
    service: ServiceName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Restart the containers of a service."""
    return _change("restart", Services.restart, Target(stack, environment, server), service, how, yes=yes)


@app.command
def pause(
    stack: ChangedStackName,
    service: ServiceName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Pause the containers of a service."""
    return _change("pause", Services.pause, Target(stack, environment, server), service, how, yes=yes, interrupts=True)


@app.command
def resume(
    stack: ChangedStackName,
    service: ServiceName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Resume the paused containers of a service."""
    return _change("resume", Services.resume, Target(stack, environment, server), service, how, yes=True)


@app.command
def stop(
    stack: ChangedStackName,
    service: ServiceName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Stop the containers of a service."""
    return _change("stop", Services.stop, Target(stack, environment, server), service, how, yes=yes, interrupts=True)


def _change(
    verb: str,
    method: Method[Services],
    target: Target,
    service: str,
    how: Following,
    *,
    yes: bool,
    interrupts: bool = False,
) -> int:
    """Call a method for a service on all servers or on one, and wait. Return the exit code."""

    async def start(c66: Cloud66, place: Place) -> Action:
        return await method(c66.services, place.stack, place.name, server_uid=place.server)

    return carry_out(how, command_of(verb, _named(service), start, target), yes=yes, interrupts=interrupts)


def _named(service: str) -> Find:
    """Return a function that returns the exact name of this service."""

    async def find(c66: Cloud66, stack: Stack) -> str:
        return (await _find(c66, stack, service)).name

    return find


async def _find(c66: Cloud66, stack: Stack, service: str) -> Service:
    found = await c66.services.list(stack.uid)
    return pick("service", service, found, stack=stack, name=lambda service: service.name)
