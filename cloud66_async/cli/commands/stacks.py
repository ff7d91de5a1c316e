"""The command `stacks`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ...client import Cloud66
from ...resources.stacks import Stack
from ..fields import health_style, quota_note
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Environment, Output
from ..output import Field, Listing
from ..running import run

__all__ = ["STACKS", "stacks"]

STACKS: Listing[Stack] = Listing.of_models(
    "stack",
    Field("name", lambda stack: stack.name),
    Field("environment", lambda stack: stack.environment),
    Field("status", lambda stack: stack.status),
    Field("health", lambda stack: stack.health, style=lambda stack: health_style(stack.health)),
    Field("cloud", lambda stack: stack.cloud, dropped=1),
    Field("last-activity", lambda stack: stack.last_activity, title="ago", dropped=2),
    Field("uid", lambda stack: stack.uid, uid=True),
)


def stacks(
    *,
    name: Annotated[str | None, Parameter(help="Name of the stack.")] = None,
    environment: Environment = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the stacks that the access token can read."""
    run(_list(access.open(), output, name=name, environment=environment))


async def _list(c66: Cloud66, output: Output, *, name: str | None, environment: str | None) -> None:
    async with c66:
        stacks = c66.stacks.list(name=name, environment=environment)
        if await output.stream(STACKS, stacks):
            return
        found = await stacks
        left = c66.quota
    rows = sorted(found, key=lambda stack: ((stack.name or "").casefold(), stack.environment or ""))
    output.show(STACKS, rows, note=quota_note(left))
