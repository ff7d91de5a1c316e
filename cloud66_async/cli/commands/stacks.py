"""The command `stacks`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

from ...client import Cloud66
from ...resources.stacks import Stack
from ..exits import USAGE, CommandError
from ..lookup.selection import DEFAULT_SELECTION, Selection, Sort, sort_stacks
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Output
from ..running import run
from ..terminal.fields import health_style, quota_note, status_in_table, status_style
from ..terminal.output import Field, Listing, count

__all__ = ["STACKS", "stacks"]

STACKS: Listing[Stack] = Listing.of_models(
    "stack",
    Field("name", lambda stack: stack.name),
    Field("environment", lambda stack: stack.environment),
    Field(
        "status",
        lambda stack: stack.status,
        shown=lambda stack: status_in_table(stack.status),
        style=lambda stack: status_style(stack.status),
    ),
    Field("health", lambda stack: stack.health, style=lambda stack: health_style(stack.health)),
    Field("cloud", lambda stack: stack.cloud, dropped=1),
    Field("last-activity", lambda stack: stack.last_activity, title="ago", dropped=3),
    Field("uid", lambda stack: stack.uid, uid=True, dropped=2),
    Field("framework", lambda stack: stack.framework, extra=True),
    Field("git", lambda stack: stack.git, extra=True),
    Field("git-branch", lambda stack: stack.git_branch, extra=True),
    Field("account", lambda stack: stack.account_name, extra=True),
    Field("created", lambda stack: stack.created_at, extra=True),
    Field("busy", lambda stack: stack.is_busy, extra=True),
    Field("maintenance", lambda stack: stack.maintenance_mode, extra=True),
    Field("host", lambda stack: stack.fqdn, extra=True),
)


def stacks(
    *,
    selection: Selection = DEFAULT_SELECTION,
    sort: Annotated[
        Sort | None,
        Parameter(help="Order; the default is name, or with --limit that of the API."),
    ] = None,
    reverse: Annotated[bool, Parameter(negative="", show_default=False, help="Reverse the order.")] = False,
    limit: Annotated[
        int | None, Parameter(validator=validators.Number(gte=1), help="Maximum number of stacks.")
    ] = None,
    watch: Annotated[bool, Parameter(negative="", show_default=False, help="Show changes until Ctrl+C.")] = False,
    interval: Annotated[
        float,
        Parameter(
            validator=validators.Number(gte=1, lte=3600),
            help="Seconds between refreshes with --watch; longer if the hourly quota runs short.",
        ),
    ] = 10.0,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List stacks, or watch them.

    For example: cloud66-async stacks --health failed,impaired --sort last-activity
    """
    selection.test()
    output.check(STACKS)
    if watch:
        if output.csv:
            raise CommandError("--watch and --csv exclude each other", "Use --json", code=USAGE)
        from .board import watch_stacks  # imported lazily: a list needs no live display

        run(watch_stacks(access.open(), selection, sort, output, interval=interval, limit=limit, reverse=reverse))
        return
    run(_list(access.open(), output, selection, sort, reverse=reverse, limit=limit))


async def _list(
    c66: Cloud66, output: Output, selection: Selection, sort: Sort | None, *, reverse: bool, limit: int | None
) -> None:
    async with c66:
        in_order = sort is None and not reverse
        if in_order and await output.stream(STACKS, selection.stacks(c66, limit)):
            return
        if in_order and limit is not None:
            found = [stack async for stack in selection.stacks(c66, limit)]
            summary = f"First {count(len(found), 'stack')}" if len(found) == limit else None
        else:
            listed = await selection.listed(c66)
            chosen = sort_stacks(list(filter(selection.test(), listed)), sort, reverse=reverse)
            found = chosen[:limit]
            summary = f"{len(found):,} of {count(len(listed), 'stack')}" if len(found) < len(listed) else None
        left = c66.quota
    output.show(STACKS, found, note=quota_note(left), summary=summary, empty=selection.nothing)
