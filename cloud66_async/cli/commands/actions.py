"""The commands `actions` and `wait`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter, validators

from ...client import Cloud66
from ...errors import NotFound
from ...resources.actions import Action
from ...resources.stacks import Stack
from ..exits import CommandError
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, AsJSON, Environment, Output, StackName
from ..running import run
from ..terminal.durations import Duration, duration
from ..terminal.output import Field, Listing
from ..work.endings import Ending, print_task
from ..work.progress import DEFAULT_PROGRESS, Progress, show_progress
from ..work.tasks import Task, follow

__all__ = ["ACTIONS", "actions", "wait"]


def _state(action: Action) -> str:
    if not action.finished:
        return "running"
    return "succeeded" if action.succeeded else "failed"


def _took(action: Action) -> str | None:
    if action.started_at is None or action.finished_at is None:
        return None
    return duration((action.finished_at - action.started_at).total_seconds())


_COLORS = {"running": "cyan", "succeeded": "green", "failed": "red"}

ACTIONS: Listing[Action] = Listing(
    "action",
    (
        Field("id", lambda action: action.id),
        Field("action", lambda action: action.action),
        Field("state", _state, style=lambda action: _COLORS[_state(action)]),
        Field("started", lambda action: action.started_at, title="ago", dropped=2),
        Field("took", _took, dropped=3),
        Field("message", lambda action: action.finished_message, dropped=1),
        Field("user", lambda action: action.user, extra=True),
        Field("via", lambda action: action.started_via, extra=True),
    ),
    lambda action: {**action.to_dict(words=True), "state": _state(action)},
)


# --- actions ---------------------------------------------------------------------------------------


def actions(
    stack: StackName,
    *,
    environment: Environment = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1), help="Maximum number of actions.")] = 20,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the recent actions of a stack, the newest first."""
    run(_list(access.open(), output, stack, environment, limit))


async def _list(c66: Cloud66, output: Output, name: str, environment: str | None, limit: int) -> None:
    async with c66:
        stack = await find_stack(c66, name, environment)
        pager, found = c66.actions.list(stack.uid), list[Action]()
        number: int | None = 1
        while number is not None and len(found) < limit:
            page = await pager.page(number)
            found += page.items
            number = page.next
    output.show(ACTIONS, found[:limit])


# --- wait ------------------------------------------------------------------------------------------


def wait(
    stack: StackName,
    *,
    environment: Environment = None,
    action: Annotated[
        int | None, Parameter(help="ID of the action; the default is the one that runs, or the latest.")
    ] = None,
    timeout: Annotated[
        Duration, Parameter(show_default=False, help="Maximum time to wait, for example 90s, 15m or 1h. [default: 15m]")
    ] = 900.0,
    json: AsJSON = False,
    progress: Progress = DEFAULT_PROGRESS,
    access: Access = DEFAULT_ACCESS,
) -> int:
    """Wait until an action of a stack has ended.

    The exit code is 0 if it succeeded, 1 if it failed, and 5 if it has not ended in time.
    """
    ending = Ending(access=access, display=progress.display(beside=json or access.debug), as_json=json)
    work = _wait(
        access.open(),
        stack,
        environment=environment,
        number=action,
        timeout=timeout,
        heartbeat=progress.heartbeat,
        ending=ending,
    )
    return run(work)


async def _wait(
    c66: Cloud66,
    name: str,
    *,
    environment: str | None,
    number: int | None,
    timeout: float,  # noqa: ASYNC109  the action goes on, unlike with asyncio.timeout
    heartbeat: float,
    ending: Ending,
) -> int:
    """Wait for an action and return the exit code.

    Args:
        c66: Client.
        name: Name of the stack.
        environment: Its environment, or None.
        number: ID of the action, or None.
        timeout: Longest wait in seconds.
        heartbeat: Longest time without a line in seconds.
        ending: How the end is told.
    """
    async with c66:
        stack = await find_stack(c66, name, environment)
        found = await _find(c66, stack, number)
        task = Task.of(stack)
        try:
            async with show_progress(c66, [task], ending.display, heartbeat=heartbeat) as show:
                await follow(c66, task, found, timeout=timeout, show=show)
        except asyncio.CancelledError:
            raise ending.stop([task]) from None
    if ending.as_json:
        print_task(task)
    return ending.finish([task])


async def _find(c66: Cloud66, stack: Stack, number: int | None) -> Action:
    """Return the action with this ID, or the newest that runs, or else the newest. Raises CommandError."""
    if number is not None:
        try:
            return await c66.actions.get(stack.uid, number)
        except NotFound:
            text = f"{full_name(stack)} has no action {number}"
            raise CommandError(text, f"See: cloud66-async actions {Task.of(stack).argument}") from None
    found = (await c66.actions.list(stack.uid).page(1)).items
    if not found:
        advice = f"Start one: cloud66-async redeploy {Task.of(stack).argument}"
        raise CommandError(f"{full_name(stack)} has no action to wait for", advice)
    return max(found, key=lambda action: (not action.finished, action.id))
