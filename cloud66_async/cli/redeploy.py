"""The command `redeploy`."""

from __future__ import annotations

from rich.markup import escape

from ..client import Cloud66
from ..resources.actions import Action
from ..resources.stacks import Redeployment
from .console import out
from .stacks import the_stack

__all__ = ["follow", "redeploy"]


async def redeploy(
    c66: Cloud66, stack: str, *, environment: str | None, git_ref: str | None, timeout: float | None
) -> None:
    """Start a deployment; wait `timeout` so many seconds for its end, or not at all where that is None."""
    async with c66:
        found = await the_stack(c66, stack, environment)
        started = await c66.stacks.redeploy(found.uid, git_ref=git_ref)
        out.print(f"{escape(found.name or found.uid)} ({escape(found.environment or '')}): {_said(started)}")
        if timeout is not None and started.async_action_id is not None:
            await follow(c66, started, timeout=timeout)


async def follow(c66: Cloud66, started: Redeployment, *, timeout: float) -> Action:
    """The action once it has ended well, with its progress on the terminal meanwhile."""
    if not out.is_terminal:
        seen: list[str] = []

        def tell(action: Action) -> None:
            state = _state(action)
            if seen[-1:] != [state]:
                seen.append(state)
                out.print(f"  action {action.id}: {state}")

        return await c66.actions.wait(started, timeout=timeout, progress=tell)
    with out.status(f"action {started.async_action_id}: waiting") as status:
        action = await c66.actions.wait(
            started,
            timeout=timeout,
            progress=lambda action: status.update(f"action {action.id} ({action.action}): {_state(action)}"),
        )
    out.print(f"  action {action.id}: {_state(action)}")
    return action


def _said(started: Redeployment) -> str:
    text = escape(started.message or "started")
    return f"{text} (queued)" if started.queued else text


def _state(action: Action) -> str:
    if not action.finished:
        return "running"
    took = ""
    if action.started_at is not None and action.finished_at is not None:
        took = f" after {(action.finished_at - action.started_at).total_seconds():.1f} s"
    return f"{'succeeded' if action.succeeded else 'failed'}{took}"
