"""The command `redeploy`."""

from __future__ import annotations

import asyncio

from rich.text import Text

from ..client import Cloud66
from ..resources.actions import Action
from ..resources.stacks import Redeployment, Stack
from .console import console, plain, report, spinner
from .stacks import find_stack

__all__ = ["describe", "follow", "redeploy"]


async def redeploy(
    c66: Cloud66,
    stack: str,
    *,
    environment: str | None,
    git_ref: str | None,
    timeout: float | None,  # noqa: ASYNC109  raises ActionUnfinished, unlike asyncio.timeout
) -> None:
    """Redeploy a stack. Wait at most `timeout` seconds until the deployment finishes, or not at all if it is None."""
    async with c66:
        found = await find_stack(c66, stack, environment)
        started = await c66.stacks.redeploy(found.uid, git_ref=git_ref)
        report(f"{describe(found)}: {_message(started)}")
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
    if not console.is_terminal:
        shown = ""

        def show(action: Action) -> None:
            nonlocal shown
            state = _state(action)
            if state != shown:
                shown = state
                report(f"  {_name(action)}: {state}")

        return await c66.actions.wait(started, timeout=timeout, progress=show)
    with console.status(Text("Waiting for the action"), spinner=spinner()) as status:
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


def describe(stack: Stack) -> str:
    """Return the name and the environment of a stack, for output."""
    name = plain(stack.name or stack.uid)
    return f"{name} ({plain(stack.environment)})" if stack.environment else name


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
