"""The commands `stacks` and `servers`."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Iterable
from datetime import datetime

from rich.markup import escape
from rich.table import Table

from .._core.model import Model
from ..client import Cloud66
from ..resources.common import Health
from ..resources.stacks import Stack
from .console import out

__all__ = ["health_text", "list_servers", "list_stacks", "the_stack"]

_UID_LENGTH = 32
_UID = re.compile(rf"[0-9a-f]{{{_UID_LENGTH}}}")
_COLOURS = {
    Health.HEALTHY: "green",
    Health.IMPAIRED: "yellow",
    Health.FAILED: "bold red",
    Health.BUILDING: "cyan",
}


async def list_stacks(c66: Cloud66, *, name: str | None, environment: str | None, json: bool) -> None:
    """Print the stacks, each as soon as its page is there where they are JSON lines."""
    async with c66, c66.stacks.list(name=name, environment=environment).prefetch() as stacks:
        if json:
            async for stack in stacks:
                _print_line(stack)
            return
        found = [stack async for stack in stacks]
    table = _table("name", "environment", "status", "health", "cloud", "last activity")
    for stack in sorted(found, key=lambda stack: ((stack.name or "").casefold(), stack.environment or "")):
        table.add_row(
            escape(stack.name or ""),
            escape(stack.environment or ""),
            str(stack.status) if stack.status is not None else "",
            health_text(stack.health),
            escape(stack.cloud or ""),
            _moment(stack.last_activity),
            stack.uid,
        )
    _print_table(table, found, "stack")


async def list_servers(c66: Cloud66, stack: str, *, environment: str | None, json: bool) -> None:
    """Print the servers of one stack."""
    async with c66:
        found = await c66.servers.list((await the_stack(c66, stack, environment)).uid)
    if json:
        for server in found:
            _print_line(server)
        return
    table = _table("name", "roles", "health", "address", "region")
    for server in found:
        table.add_row(
            escape(server.name or ""),
            escape(", ".join(server.server_roles or ())),
            health_text(server.health_state),
            escape(server.ext_ipv4 or server.address or ""),
            escape(server.region or ""),
            server.uid,
        )
    _print_table(table, found, "server")


async def the_stack(c66: Cloud66, named: str, environment: str | None) -> Stack:
    """The stack with this uid or, for what does not look like one, with this name."""
    if _UID.fullmatch(named) is not None:
        return await c66.stacks.get(named)
    return await c66.stacks.find(named, environment=environment)


def health_text(health: Health | None) -> str:
    """A health in its colour."""
    if health is None:
        return ""
    colour = _COLOURS.get(health)
    return str(health) if colour is None else f"[{colour}]{health}[/]"


def _table(*columns: str) -> Table:
    """A table with these columns and the uid, which is never cut: it is there to be copied."""
    table = Table(*columns, box=None, pad_edge=False)
    table.add_column("uid", no_wrap=True, min_width=_UID_LENGTH)
    return table


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _print_line(model: Model) -> None:
    # Past the console: it would wrap the line at the width of the terminal.
    print(json_module.dumps(model.to_dict(), separators=(",", ":")), flush=True)


def _print_table(table: Table, found: Iterable[object], kind: str) -> None:
    number = len(list(found))
    if number:
        out.print(table)
    out.print(f"{number} {kind}{'' if number == 1 else 's'}", style="dim")
