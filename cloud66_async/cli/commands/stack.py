"""The command `stack`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ...client import Cloud66
from ...quota import Quota
from ...resources.deployments import Deployment
from ...resources.servers import Server
from ...resources.stacks import Stack
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, Access, AsJSON, Environment, StackName
from ..running import run
from ..terminal.console import is_terminal, plain, print_line
from ..terminal.fields import deployment_result, elapsed, quota_note, seconds_between, short_status
from ..terminal.output import Output, count, print_details, time_of
from .servers import SERVERS

__all__ = ["stack"]


def stack(
    stack: StackName, *, environment: Environment = None, access: Access = DEFAULT_ACCESS, json: AsJSON = False
) -> None:
    """Show one stack with its servers and its latest deployment.

    For example: cloud66-async stack billing-web/production
    """
    run(_show(access.open(), stack, environment, json=json))


async def _show(c66: Cloud66, name: str, environment: str | None, *, json: bool) -> None:
    async with c66:
        found = await find_stack(c66, name, environment)
        servers, latest = await asyncio.gather(_servers(c66, found.uid), c66.deployments.list(found.uid).first())
        left = c66.quota
    print_details(_details(found, latest), _to_dict(found, servers, latest), json_output=json)
    if not json:
        _print_servers(servers, left)


async def _servers(c66: Cloud66, stack: str) -> list[Server]:
    return await c66.servers.list(stack)


def _to_dict(stack: Stack, servers: list[Server], latest: Deployment | None) -> Mapping[str, Any]:
    return {
        **stack.to_dict(words=True),
        "servers": [server.to_dict(words=True) for server in servers],
        "latest_deployment": None if latest is None else latest.to_dict(words=True),
    }


def _print_servers(servers: list[Server], left: Quota) -> None:
    if is_terminal():
        print_line("")
    Output().show(SERVERS, servers, summary=count(len(servers), "server"), note=quota_note(left))


def _details(stack: Stack, latest: Deployment | None) -> Iterator[tuple[str, str]]:
    """Yield what people want to know about a stack. Empty texts are left out."""
    yield "Stack", full_name(stack)
    yield "uid", stack.uid
    yield "Account", plain(stack.account_name)
    yield "Status", short_status(stack.status)
    yield "Health", plain(stack.health)
    yield "Busy", "yes" if stack.is_busy else ""
    yield "Maintenance", "on" if stack.maintenance_mode else ""
    yield "Cloud", plain(stack.cloud)
    yield "Framework", " on ".join(plain(text) for text in (stack.framework, stack.backend) if text)
    yield "Code", " at ".join(plain(text) for text in (stack.git, stack.git_branch) if text)
    yield "Address", plain(stack.application_address or stack.fqdn)
    yield "Created", _time(stack.created_at)
    yield "Active", _time(stack.last_activity)
    yield "Deployed", _deployment(latest) if latest is not None else "no deployment is listed"


def _time(value: datetime | None) -> str:
    text = time_of(value)
    return f"{text} ago" if text and is_terminal() and text[-1] in "smhd" and text[0].isdigit() else text


def _deployment(latest: Deployment) -> str:
    """Return the latest deployment in one line, for example `failed, 7d ago, after 4m02s, by ops@example.com`."""
    result = deployment_result(latest)
    parts = [plain(result), _time(latest.started_at)]
    if latest.finished_at is not None:
        parts.append(f"after {elapsed(seconds_between(latest.started_at, latest.finished_at))}")
    if latest.triggered_by:
        parts.append(f"by {plain(latest.triggered_by)}")
    if latest.git_ref:
        parts.append(plain(latest.git_ref))
    return f"{', '.join(filter(None, parts))} (id {latest.id})"
