"""The command `fleet`."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from ...client import Cloud66
from ...errors import QuotaError
from ...quota import Quota
from ...resources.common import Health
from ..exits import failure_of, worst
from ..lookup.names import full_name
from ..lookup.selection import DEFAULT_SELECTION, Selection, Sort, sort_stacks
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Output, Yes
from ..running import run
from ..terminal.console import plain, warn
from ..terminal.fields import elapsed, health_style, result_style
from ..terminal.output import Field, Listing, count
from ..terminal.prompts import confirm, is_interactive
from .fleet_details import Budget, Details, Row, Unread, read_details
from .fleet_progress import show_progress

__all__ = ["FLEET", "fleet"]

_ASKED = 0.25  # part of the requests that are left, above which a person is asked
_RESERVED = 0.1  # part of the hourly limit that is left to others, by default
_COUNTED = (Health.HEALTHY, Health.IMPAIRED, Health.FAILED)
_OWNER = re.compile(r"\s*<[^<>]*>$")


def _health_of_servers(row: Row) -> str:
    healths = {server.health_state for server in row.servers or ()}
    return "red" if Health.FAILED in healths else "yellow" if Health.IMPAIRED in healths else ""


FLEET: Listing[Row] = Listing(
    "stack",
    (
        Field(
            "account",
            lambda row: row.stack.account_name,
            shown=lambda row: _OWNER.sub("", row.stack.account_name or ""),
            dropped=5,
        ),
        Field("name", lambda row: row.stack.name),
        Field("environment", lambda row: row.stack.environment),
        Field("health", lambda row: row.stack.health, style=lambda row: health_style(row.stack.health)),
        Field("servers", lambda row: row.servers_text, style=_health_of_servers),
        Field("deployment", lambda row: row.result, style=lambda row: result_style(row.result or "")),
        Field("deployed", lambda row: row.deployed_at, title="ago", dropped=4),
        Field("took", lambda row: row.took, shown=lambda row: elapsed(row.took), dropped=2),
        Field("status", lambda row: row.stack.status, extra=True),
        Field("cloud", lambda row: row.stack.cloud, extra=True),
        Field("uid", lambda row: row.stack.uid, uid=True, dropped=1),
    ),
    lambda row: row.to_dict(),
)


def fleet(
    *,
    selection: Selection = DEFAULT_SELECTION,
    sort: Annotated[Sort | None, Parameter(help="Order; the default is by account and name.")] = None,
    servers: Annotated[
        bool, Parameter(negative="--no-servers", help="Read the servers: one request for each stack.")
    ] = True,
    deployments: Annotated[
        bool, Parameter(negative="--no-deployments", help="Read the latest deployment: one request for each stack.")
    ] = True,
    reserve: Annotated[
        int | None,
        Parameter(
            validator=validators.Number(gte=0),
            help="Requests to leave unused this hour; the default is a tenth of the limit.",
        ),
    ] = None,
    errors: Annotated[bool, Parameter(negative="", show_default=False, help="List what could not be read.")] = False,
    plot: Annotated[
        Path | None, Parameter(help="File for diagrams of the health and the deployments: .svg or .png.")
    ] = None,
    yes: Yes = False,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> int:
    """Show the stacks of all accounts with health, servers and latest deployment.

    Two requests for each stack; with 600 stacks, a third of the hourly quota. On a terminal, the command asks before it
    uses more than a quarter of what is left, unless --yes.

    For example: cloud66-async fleet -e production --health failed,impaired
    """
    selection.test()
    output.check(FLEET)
    if plot is not None:
        from .plot import check_plot  # imported lazily, as below: few users need diagrams

        check_plot(plot)
    details = Details(servers=servers, deployments=deployments)
    started = time.monotonic()
    rows, quota = run(_list(access.open(), selection))
    took = time.monotonic() - started
    unread: list[Unread] = []
    cost = len(rows) * len(details.kinds)
    if cost:
        kept = int(_RESERVED * (quota.limit or 0)) if reserve is None else reserve
        for line in _announcement(details, rows, cost, quota, kept):
            warn(line)
        _ask(_fitting(cost, quota, kept), quota, yes=yes)
        started = time.monotonic()
        unread = run(_read(access.open(), rows, details, quota, kept, bar=output.for_people))
        took += time.monotonic() - started
    ordered = _in_order(rows, sort)
    output.show(
        _listing(output, details, ordered),
        ordered,
        summary=_summary(ordered),
        note=f"{took:.1f} s",
        empty=selection.nothing,
    )
    _report(unread, errors=errors)
    if plot is not None and ordered:
        from .plot import draw

        draw(plot, ordered)
        warn(f"Diagrams written to {plot}")
    return worst([failure_of(problem.error).code for problem in unread])


async def _list(c66: Cloud66, selection: Selection) -> tuple[list[Row], Quota]:
    """Return the selected stacks, the worst first: they are read even if the quota does not suffice for all."""
    async with c66:
        listed = await selection.listed(c66)
        return [Row(stack) for stack in sort_stacks(list(filter(selection.test(), listed)), "health")], c66.quota


def _fitting(cost: int, quota: Quota, kept: int) -> int:
    """Return how many of the requests can be sent."""
    return cost if quota.remaining is None else min(cost, max(0, quota.remaining - kept))


def _ask(cost: int, quota: Quota, *, yes: bool) -> None:
    """Ask a person before much of the quota is used. Scripts go on: they have been told. Raises CommandError."""
    if quota.remaining is not None and cost > _ASKED * quota.remaining and is_interactive():
        confirm(f"send {cost:,} requests", yes=yes)


async def _read(
    c66: Cloud66, rows: Sequence[Row], details: Details, quota: Quota, kept: int, *, bar: bool
) -> list[Unread]:
    """Read the details into the rows, and return what could not be read.

    Args:
        c66: Client.
        rows: The stacks.
        details: What is read of each.
        quota: Quota after the list.
        kept: Requests that are left unused.
        bar: Whether progress is shown as a bar.
    """
    async with c66:
        with show_progress(len(rows) * len(details.kinds), bar=bar) as progress:
            return await read_details(c66, rows, details.kinds, Budget(c66, kept, quota), progress.advance)


def _announcement(details: Details, rows: Sequence[Row], cost: int, quota: Quota, kept: int) -> Iterator[str]:
    """Yield what will be read and what it costs, before it starts."""
    names = {"servers": "servers", "deployment": "latest deployments"}
    what = " and ".join(names[kind] for kind in details.kinds)
    left = "" if quota.remaining is None else f" of {quota.remaining:,} left"
    yield f"Reading {what} of {count(len(rows), 'stack')}: {count(cost, 'request')}{left}"
    fitting = _fitting(cost, quota, kept)
    if fitting < cost:
        yield f"  Only {fitting:,} of them are sent, to keep {kept:,} for others; the worst stacks come first"


def _in_order(rows: Sequence[Row], sort: Sort | None) -> list[Row]:
    by_uid = {row.stack.uid: row for row in rows}
    stacks = sort_stacks([row.stack for row in rows], sort)
    if sort is None:
        stacks.sort(key=lambda stack: (stack.account_name or "").casefold())
    return [by_uid[stack.uid] for stack in stacks]


def _listing(output: Output, details: Details, rows: Sequence[Row]) -> Listing[Row]:
    """Return the columns that say something: those of details that were read, and the account if there are several."""
    hidden: set[str] = set()
    if not details.servers:
        hidden.add("servers")
    if not details.deployments:
        hidden |= {"deployment", "deployed", "took"}
    if output.for_people and not output.wide and len(_accounts(rows)) < 2:
        hidden.add("account")
    if output.columns is not None or not hidden:
        return FLEET
    fields = [field for field in FLEET.fields if field.name not in hidden]
    return Listing(FLEET.kind, fields, FLEET.to_dict)


def _accounts(rows: Sequence[Row]) -> set[str | None]:
    return {row.stack.account_name for row in rows}


def _summary(rows: Sequence[Row]) -> str:
    healths = Counter(row.stack.health or Health.UNKNOWN for row in rows)
    counts = [f"{healths[health]:,} {plain(health)}" for health in _COUNTED if healths[health]]
    others = len(rows) - sum(healths[health] for health in _COUNTED)
    if others:
        counts.append(f"{others:,} other")
    accounts = len(_accounts(rows))
    where = f" in {accounts} accounts" if accounts > 1 else ""
    return f"{count(len(rows), 'stack')}{where}: {', '.join(counts)}"


def _report(unread: Sequence[Unread], *, errors: bool) -> None:
    """Say on standard error what was not read."""
    if not unread:
        return
    stacks = len({problem.stack.uid for problem in unread})
    reasons = Counter(map(_reason, unread))
    common = next(iter(reasons.most_common(1)))[0]
    more = f" and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    warn(f"Not read: {count(len(unread), 'request')} for {count(stacks, 'stack')} ({common}{more})")
    if not errors:
        warn("  List them: --errors")
        return
    for problem in unread:
        warn(f"  {full_name(problem.stack)}  {problem.kind}  {_reason(problem)}")


def _reason(problem: Unread) -> str:
    return str(problem.error) if isinstance(problem.error, QuotaError) else failure_of(problem.error).text
