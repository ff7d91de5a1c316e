"""The command `redeploy`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from ...client import Cloud66
from ...resources.actions import Action
from ...resources.stacks import Redeployment
from ..console import is_terminal, plain, report, rich_console, spinner
from ..names import find_stack, full_name
from ..options import DEFAULT_ACCESS, Access, Environment, StackName
from ..running import run

__all__ = ["follow", "redeploy"]


def redeploy(
    stack: StackName,
    *,
    environment: Environment = None,
    git_ref: Annotated[
        str | None, Parameter(help="Branch, tag or commit hash; the default is the latest code.")
    ] = None,
    wait: Annotated[
        bool, Parameter(help="Wait until the deployment finishes; the exit code reports the result.")
    ] = True,
    timeout: Annotated[float, Parameter(help="Maximum time to wait for the deployment, in seconds.")] = 900.0,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Redeploy a stack and wait until the deployment finishes."""
    run(_redeploy(access.open(), stack, environment=environment, git_ref=git_ref, timeout=timeout if wait else None))


async def _redeploy(
    c66: Cloud66,
    stack: str,
    *,
    environment: str | None,
    git_ref: str | None,
    timeout: float | None,  # noqa: ASYNC109  raises ActionUnfinished, unlike asyncio.timeout
) -> None:
    """Redeploy a stack. Wait at most `timeout` seconds until the deployment finishes, or not at all if it is None."""
    async with c66:
        found = await find_stack(c66, stack, environment, changing=True)
        started = await c66.stacks.redeploy(found.uid, git_ref=git_ref)
        report(f"{full_name(found)}: {_message(started)}")
        if timeout is not None:
            try:
                await follow(c66, started, timeout=timeout)
            except asyncio.CancelledError:  # Ctrl+C
                report("  Stopped waiting; the deployment continues")
                raise


async def follow(
    c66: Cloud66,
    started: Redeployment,
    *,
    timeout: float,  # noqa: ASYNC109  raises ActionUnfinished, unlike asyncio.timeout
) -> Action:
    """Show the progress of an action on the terminal, and return the action when it has succeeded."""
    if not is_terminal():
        shown = ""

        def show(action: Action) -> None:
            nonlocal shown
            state = _state(action)
            if state != shown:
                shown = state
                report(f"  {_name(action)}: {state}")

        return await c66.actions.wait(started, timeout=timeout, progress=show)
    with rich_console().status(Text("Waiting for the action"), spinner=spinner()) as status:
        action = await c66.actions.wait(
            started,
            timeout=timeout,
            progress=lambda action: status.update(Text(f"{_name(action)} ({plain(action.action)}): {_state(action)}")),
        )
    report(f"  {_name(action)}: {_state(action)}")
    return action


def _name(action: Action) -> str:
    """Return what an action is called: a redeployment without an action is followed through its deployment."""
    return f"{'Deployment' if action.resource_type == 'deployment' else 'Action'} {action.id}"


def _message(started: Redeployment) -> str:
    text = plain(started.message or "started")
    return f"{text} (queued)" if started.queued else text


def _state(action: Action) -> str:
    if not action.finished:
        return "running"
    duration = ""
    if action.started_at is not None and action.finished_at is not None:
        duration = f" after {(action.finished_at - action.started_at).total_seconds():.1f} s"
    return f"{'succeeded' if action.succeeded else 'failed'}{duration}"
