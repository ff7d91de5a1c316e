"""Print the stacks that are not healthy.

The exit code is 1 if there are any, and 2 if they could not be read.

For example every hour, from crontab, which sends the output by mail:

    CLOUD66_ACCESS_TOKEN_FILE=/etc/cloud66/token
    7 * * * *  /srv/report/.venv/bin/python /srv/report/report.py
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from cloud66_async import Cloud66, Cloud66Error, Health, Ok, Stack


async def report() -> int:
    # Keep 500 requests for people; end instead of waiting for the next hour.
    async with Cloud66(
        read_token(), reserve=500, when_exhausted="refuse"
    ) as c66:
        stacks = [stack async for stack in c66.stacks.list() if is_sick(stack)]
        found = await c66.collect(
            lambda stack: c66.servers.list(stack.uid), stacks
        )
    for result in found:
        servers: int | str = "?"
        if isinstance(result, Ok):
            servers = sum(
                one.health_state != Health.HEALTHY for one in result.value
            )
        print(line(result.item, servers))
    return 1 if stacks else 0


def is_sick(stack: Stack) -> bool:
    return stack.health not in (None, Health.HEALTHY)


def line(stack: Stack, servers: int | str) -> str:
    name = f"{stack.name} ({stack.environment})"
    return f"{name}: {stack.health}, servers with problems: {servers}"


def read_token() -> str | None:
    """Return the token in a file, or None: the client then finds one."""
    path = os.environ.get("CLOUD66_ACCESS_TOKEN_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else None


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(report()))
    except Cloud66Error as error:
        print(f"no report: {error}", file=sys.stderr)
        sys.exit(2)
