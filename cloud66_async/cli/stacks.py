"""The commands `stacks` and `servers`."""

from __future__ import annotations

import json as json_module
import re
from datetime import datetime

from rich.table import Table
from rich.text import Text

from .._core.model import Model
from ..client import Cloud66
from ..resources.common import Health
from ..resources.stacks import Stack
from .console import plain, print_line, print_result

__all__ = ["find_stack", "health_text", "list_servers", "list_stacks"]

_UID_LENGTH = 32
_UID = re.compile(rf"[0-9a-f]{{{_UID_LENGTH}}}")
_COLORS = {
    Health.HEALTHY: "green",
    Health.IMPAIRED: "yellow",
    Health.FAILED: "bold red",
    Health.BUILDING: "cyan",
}


async def list_stacks(c66: Cloud66, *, name: str | None, environment: str | None, json: bool) -> None:
    """Print the stacks as a table, or as JSON lines while their pages arrive."""
    async with c66, c66.stacks.list(name=name, environment=environment).prefetch() as stacks:
        if json:
            async for stack in stacks:
                _print_json(stack)
            return
        found = [stack async for stack in stacks]
    table = _table("name", "environment", "status", "health", "cloud", "last activity")
    for stack in sorted(found, key=lambda stack: ((stack.name or "").casefold(), stack.environment or "")):
        table.add_row(
            plain(stack.name),
            plain(stack.environment),
            plain(stack.status),
            health_text(stack.health),
            plain(stack.cloud),
            _format_time(stack.last_activity),
            plain(stack.uid),
        )
    _print_table(table, "stack")


async def list_servers(c66: Cloud66, stack: str, *, environment: str | None, json: bool) -> None:
    """Print the servers of a stack as a table or as JSON lines."""
    async with c66:
        found = await c66.servers.list((await find_stack(c66, stack, environment)).uid)
    if json:
        for server in found:
            _print_json(server)
        return
    table = _table("name", "roles", "health", "address", "region")
    for server in found:
        table.add_row(
            plain(server.name),
            plain(", ".join(server.server_roles or ())),
            health_text(server.health_state),
            plain(server.ext_ipv4 or server.address),
            plain(server.region),
            plain(server.uid),
        )
    _print_table(table, "server")


async def find_stack(c66: Cloud66, name_or_uid: str, environment: str | None) -> Stack:
    """Return the stack with this uid or, if the text does not look like a uid, with this name."""
    if _UID.fullmatch(name_or_uid) is not None:
        return await c66.stacks.get(name_or_uid)
    return await c66.stacks.find(name_or_uid, environment=environment)


def health_text(health: Health | None) -> Text:
    """Return a health in its color."""
    return Text(plain(health), style=_COLORS.get(health, "") if health is not None else "")


def _table(*columns: str) -> Table:
    """Return an empty table with these columns and the uid, which is never shortened, so that it can be copied."""
    table = Table(*columns, box=None, pad_edge=False)
    table.add_column("uid", no_wrap=True, min_width=_UID_LENGTH)
    return table


def _format_time(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"


def _print_json(model: Model) -> None:
    print_line(json_module.dumps(model.to_dict(), separators=(",", ":")))


def _print_table(table: Table, kind: str) -> None:
    if table.row_count:
        print_result(table)
    print_result(f"{table.row_count} {kind}{'' if table.row_count == 1 else 's'}", style="dim")
