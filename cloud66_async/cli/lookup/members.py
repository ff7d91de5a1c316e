"""What belongs to a stack, by what users call it: servers, services, processes, jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ...client import Cloud66
from ...resources.servers import Server
from ...resources.stacks import Stack
from ..exits import USAGE, CommandError
from ..terminal.console import plain
from .names import full_name

__all__ = ["find_server", "find_servers", "pick"]

T = TypeVar("T")

_SUGGESTIONS = 3
_SHORTEST_UID = 6


def pick(
    kind: str,
    wanted: str,
    items: Iterable[T],
    *,
    stack: Stack,
    name: Callable[[T], str | None],
    uid: Callable[[T], str | None] | None = None,
    addresses: Callable[[T], tuple[str | None, ...]] | None = None,
) -> T:
    """Return the item of a stack with this address, name or uid. Case is ignored.

    Args:
        kind: What the items are, for messages, for example `server`.
        wanted: Address, name, uid, or beginning of a uid (at least 6 characters).
        items: The items of the stack.
        stack: The stack, for messages.
        name: Function that returns the name of an item.
        uid: Function that returns the uid of an item, if items have one.
        addresses: Function that returns the addresses of an item, if items have any.

    Raises CommandError if there is none, or more than one.
    """
    every = list(items)
    found = [item for item in every if addresses is not None and wanted in addresses(item)]
    found = found or [item for item in every if _is_equal(name(item), wanted)]
    if not found and uid is not None and len(wanted) >= _SHORTEST_UID:
        found = [item for item in every if (uid(item) or "").startswith(wanted.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        lines = [f"  {plain(name(item))}  {plain(uid(item)) if uid is not None else ''}".rstrip() for item in found]
        text = f'"{plain(wanted)}" may mean {len(found)} {_plural(kind)} of {full_name(stack)}. Which one?'
        raise CommandError(text, *lines, code=USAGE)
    raise CommandError(
        f'no {kind} of {full_name(stack)} is called "{plain(wanted)}"',
        _suggest(kind, wanted, [plain(name(item)) for item in every]),
    )


async def find_server(c66: Cloud66, stack: Stack, wanted: str) -> Server:
    """Return the server of the stack with this name, address or uid. Raises CommandError."""
    return (await find_servers(c66, stack, [wanted]))[0]


async def find_servers(c66: Cloud66, stack: Stack, wanted: Iterable[str]) -> list[Server]:
    """Return the servers of the stack with these names, addresses or uids, each once. Raises CommandError."""
    servers = await c66.servers.list(stack.uid)
    found = [_find(text, servers, stack) for text in wanted]
    return list({server.uid: server for server in found}.values())


def _find(text: str, servers: Iterable[Server], stack: Stack) -> Server:
    return pick(
        "server",
        text,
        servers,
        stack=stack,
        name=lambda server: server.name,
        uid=lambda server: server.uid,
        addresses=lambda server: (server.address, server.ext_ipv4),
    )


def _is_equal(value: str | None, wanted: str) -> bool:
    return (value or "").casefold() == wanted.casefold()


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _suggest(kind: str, wanted: str, names: Sequence[str]) -> str:
    """Return a line with the most similar names, or with all of them if they are few."""
    import difflib  # imported lazily: takes 4 ms, and only a wrong name needs it

    by_name = {name.casefold(): name for name in names}
    close = [by_name[key] for key in difflib.get_close_matches(wanted.casefold(), by_name, _SUGGESTIONS)]
    if close:
        return f"Did you mean {', '.join(close)}?"
    if not names:
        return f"It has no {_plural(kind)}."
    shown = ", ".join(sorted(names)[:_SUGGESTIONS])
    return f"It has {shown}{' and others' if len(names) > _SUGGESTIONS else ''}."
