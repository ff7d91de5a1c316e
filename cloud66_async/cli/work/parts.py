"""Services and processes: what their commands have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Final, NamedTuple, Protocol, TypeVar

from cyclopts import Parameter

from ...client import Cloud66
from ...resources.actions import Action
from ...resources.servers import Server
from ...resources.stacks import Stack
from ..exits import USAGE, CommandError
from ..lookup.members import find_server, find_servers
from ..lookup.names import find_stack, full_name
from ..terminal.console import plain
from .changes import Change

__all__ = [
    "Count",
    "Find",
    "Method",
    "Place",
    "ScaledServers",
    "ServerName",
    "Target",
    "check_count",
    "command_of",
    "scaled",
    "servers_of",
]

R_contra = TypeVar("R_contra", contravariant=True)

Count = Annotated[int, Parameter(help="How many of them run afterwards; 0 stops them all.")]
ServerName = Annotated[
    str | None, Parameter(name="--server", help="Name, address or uid of a server; the default is all of them.")
]
ScaledServers = Annotated[
    list[str] | None,
    Parameter(
        name="--server",
        negative="",
        help="Name, address or uid of a server; may be repeated. The default is the only server that runs it.",
    ),
]
_MOST: Final = 10_000  # a mistyped number must not start as many


class Place(NamedTuple):
    """What a command acts on: the uid of the stack, the name of its part, and the uid of a server, or None for all."""

    stack: str
    name: str
    server: str | None


class Target(NamedTuple):
    """What the user named: a stack, its environment or None, and one of its servers, or None for all."""

    stack: str
    environment: str | None
    server: str | None


Find = Callable[[Cloud66, Stack], Awaitable[str]]
"""Function that returns the exact name of a service or process."""


class Method(Protocol[R_contra]):
    """Method of a resource that starts something on all servers or on one, such as `Services.restart`."""

    def __call__(self, resource: R_contra, stack: str, name: str, /, *, server_uid: str | None) -> Awaitable[Action]:
        """Start it. Return the action."""
        ...


class Start(Protocol):
    """Function that starts something at a place."""

    def __call__(self, c66: Cloud66, place: Place) -> Awaitable[Action]:
        """Start it. Return the action."""
        ...


def command_of(
    verb: str,
    find: Find,
    start: Start,
    target: Target,
) -> Callable[[Cloud66], Awaitable[Change]]:
    """Return the function that prepares a change of a service or process on all servers or on one.

    Args:
        verb: What is done, for example `restart`.
        find: Function that returns the exact name.
        start: Function that starts it.
        target: The stack and the server that the user named.
    """

    async def prepare(c66: Cloud66) -> Change:
        found = await find_stack(c66, target.stack, target.environment, changing=True)
        name = await find(c66, found)
        on = None if target.server is None else await find_server(c66, found, target.server)
        place = Place(found.uid, name, None if on is None else on.uid)
        text = f"{verb} {plain(name)}" if on is None else f"{verb} {plain(name)} on {plain(on.name or on.uid)}"
        return Change(found, text, partial(start, place=place))

    return prepare


def check_count(count: int) -> None:
    """Raise CommandError if the number is impossible."""
    if not 0 <= count <= _MOST:
        raise CommandError(f"invalid count {count}: expected a number from 0 to {_MOST}", code=USAGE)


async def servers_of(
    c66: Cloud66, stack: Stack, name: str, given: Sequence[str] | None, running_on: Iterable[str]
) -> list[Server]:
    """Return the servers with these names, or else the only one that a service or process runs on.

    Args:
        c66: Client.
        stack: The stack.
        name: Name of the service or process.
        given: Names of servers that the user chose.
        running_on: Names or uids of the servers that run it now.

    Raises CommandError if the user has to choose.
    """
    if given:
        return await find_servers(c66, stack, given)
    servers = await c66.servers.list(stack.uid)
    now = set(running_on)
    using = [server for server in servers if server.uid in now or server.name in now]
    possible = using or list(servers)
    if len(possible) == 1:
        return possible
    state = "runs on" if using else "may run on"
    raise CommandError(
        f"{plain(name)} {state} {len(possible)} servers of {full_name(stack)}. Which one?",
        *(f"  --server {plain(server.name or server.uid)}" for server in possible),
        code=USAGE,
    )


def scaled(name: str, count: int, where: Iterable[str]) -> str:
    """Return what scaling does, for example `scale web to 2 on lion-1`."""
    return f"scale {plain(name)} to {count} on {', '.join(plain(text) for text in where)}"
