"""The commands `stacks` and `servers`."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from .._core.model import Model
from ..client import Cloud66
from ..errors import AmbiguousName, NotFound
from ..resources.common import Health
from ..resources.stacks import Stack
from .console import is_terminal, plain, print_line, print_table
from .table import Cell, Column, Table

__all__ = ["ago", "find_stack", "health_cell", "list_servers", "list_stacks"]

_UID_LENGTH = 32
_SHORT_UID = 8
_UID = re.compile(rf"[0-9a-f]{{{_UID_LENGTH}}}")
_START_OF_UID = re.compile(rf"[0-9a-f]{{6,{_UID_LENGTH - 1}}}")
_COLORS = {
    Health.HEALTHY: "green",
    Health.IMPAIRED: "yellow",
    Health.FAILED: "red",
    Health.BUILDING: "cyan",
}
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_DAYS = 30  # beyond, a date says more than a number of days


async def list_stacks(c66: Cloud66, *, name: str | None, environment: str | None, json: bool) -> None:
    """Print the stacks as a table, or as JSON lines while their pages arrive."""
    async with c66:
        stacks = c66.stacks.list(name=name, environment=environment)
        if json:
            async for stack in stacks:
                _print_json(stack)
            return
        found = await stacks
    table = Table(
        Column("name"),
        Column("environment"),
        Column("status"),
        Column("health"),
        Column("cloud", dropped=1),
        Column("ago" if is_terminal() else "last activity", dropped=2),  # the last activity
        Column("uid"),
    )
    length = _short_length(stack.uid for stack in found)
    for stack in sorted(found, key=lambda stack: ((stack.name or "").casefold(), stack.environment or "")):
        table.add(
            plain(stack.name),
            plain(stack.environment),
            plain(stack.status),
            health_cell(stack.health),
            plain(stack.cloud),
            _time(stack.last_activity),
            plain(stack.uid)[:length],
        )
    print_table(table, "stack")


async def list_servers(c66: Cloud66, stack: str, *, environment: str | None, json: bool) -> None:
    """Print the servers of a stack as a table or as JSON lines."""
    async with c66:
        found = await c66.servers.list((await find_stack(c66, stack, environment)).uid)
    if json:
        for server in found:
            _print_json(server)
        return
    table = Table(
        Column("name"),
        Column("roles"),
        Column("health"),
        Column("address"),
        Column("region", dropped=1),
        Column("uid", dropped=2),
    )
    length = _short_length(server.uid for server in found)
    for server in found:
        table.add(
            plain(server.name),
            plain(", ".join(server.server_roles or ())),
            health_cell(server.health_state),
            plain(server.ext_ipv4 or server.address),
            plain(server.region),
            plain(server.uid)[:length],
        )
    print_table(table, "server")


async def find_stack(c66: Cloud66, name_or_uid: str, environment: str | None) -> Stack:
    """Return the stack with this uid, with a uid that starts like this, or with this name.

    Raises NotFound if there is none, and AmbiguousName if there is more than one.
    """
    if _UID.fullmatch(name_or_uid) is not None:
        return await c66.stacks.get(name_or_uid)
    if _START_OF_UID.fullmatch(name_or_uid) is None:
        return await c66.stacks.find(name_or_uid, environment=environment)
    found = [stack for stack in await c66.stacks.list() if stack.uid.startswith(name_or_uid)]
    if len(found) == 1:
        return found[0]
    if found:
        uids = ", ".join(f"{stack.uid} ({stack.name})" for stack in found)
        raise AmbiguousName(f"{len(found)} uids start with {name_or_uid}: {plain(uids)}", matches=tuple(found))
    try:
        return await c66.stacks.find(name_or_uid, environment=environment)
    except NotFound as error:
        error.args = (f"no stack has a name or a uid that starts with {name_or_uid}",)
        raise


def health_cell(health: Health | None) -> Cell:
    """Return a health in its color."""
    return Cell(plain(health), _COLORS.get(health, "") if health is not None else "")


def _short_length(uids: Iterable[str]) -> int:
    """Return how many characters of the uids to show: all for programs, for people as many as distinguish them."""
    if not is_terminal():
        return _UID_LENGTH
    all_uids = set(uids)
    for length in range(_SHORT_UID, _UID_LENGTH):
        if len({uid[:length] for uid in all_uids}) == len(all_uids):
            return length
    return _UID_LENGTH


def _time(value: datetime | None) -> str:
    """Return a time: its distance from now for people, and in full for programs."""
    if value is None:
        return ""
    return ago(value, datetime.now(UTC)) if is_terminal() else f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(value: datetime, now: datetime) -> str:
    """Return the time that has passed as a number with its largest unit, or the date if that is a month or more."""
    seconds = int((now - value).total_seconds())
    if seconds >= _DAYS * 86_400 or seconds < -60:
        return f"{value:%b %d}" if value.year == now.year else f"{value:%Y-%m-%d}"
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("s", 1))
    return f"{max(0, seconds) // size}{unit}"


def _print_json(model: Model) -> None:
    print_line(json_module.dumps(model.to_dict(), separators=(",", ":")))
