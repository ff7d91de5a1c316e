"""The command `redeploy`."""

from __future__ import annotations

from ..client import Cloud66
from ..resources.actions import Action
from ..resources.stacks import Redeployment, Stack
from .console import out, to_markup
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
        out.print(f"{describe(found)}: {_message(started)}")
        if timeout is not None and started.async_action_id is not None:
            await follow(c66, started, timeout=timeout)


async def follow(
    c66: Cloud66,
    started: Redeployment,
    *,
    timeout: float,  # noqa: ASYNC109  raises ActionUnfinished, unlike asyncio.timeout
) -> Action:
    """Show the progress of an action on the terminal, and return the action when it has succeeded."""
    if not out.is_terminal:
        shown = ""

        def show(action: Action) -> None:
            nonlocal shown
            state = _state(action)
            if state != shown:
                shown = state
                out.print(f"  Action {action.id}: {state}")

        return await c66.actions.wait(started, timeout=timeout, progress=show)
    with out.status(f"Action {started.async_action_id}: waiting") as status:
        action = await c66.actions.wait(
            started,
            timeout=timeout,
            progress=lambda action: status.update(
                f"Action {action.id} ({to_markup(str(action.action))}): {_state(action)}"
            ),
        )
    out.print(f"  Action {action.id}: {_state(action)}")
    return action


def describe(stack: Stack) -> str:
    """Return the name and the environment of a stack as rich markup."""
    name = to_markup(stack.name or stack.uid)
    return f"{name} ({to_markup(stack.environment)})" if stack.environment else name


def _message(started: Redeployment) -> str:
    text = to_markup(started.message or "started")
    return f"{text} (queued)" if started.queued else text


def _state(action: Action) -> str:
    if not action.finished:
        return "running"
    duration = ""
    if action.started_at is not None and action.finished_at is not None:
        duration = f" after {(action.finished_at - action.started_at).total_seconds():.1f} s"
    return f"{'succeeded' if action.succeeded else 'failed'}{duration}"
