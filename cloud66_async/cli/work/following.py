"""Waiting for actions that a command has started, on one stack or on several, and the options for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Final, NamedTuple

import attrs
from cyclopts import Parameter

from ...client import Cloud66
from ...errors import Cloud66Error
from ...resources.actions import Action
from ...resources.stacks import Stack
from ...rollout import RolloutState
from ..options import DEFAULT_ACCESS, Access, AsJSON
from ..terminal.durations import Duration
from .endings import Ending
from .progress import DEFAULT_PROGRESS, Display, Progress, show_progress
from .tasks import Task, follow

__all__ = ["DEFAULT_FOLLOWING", "DEFAULT_WAITING", "Following", "Pending", "Waiting", "follow_all"]


@Parameter(name="*", group="Waiting")
@attrs.frozen(kw_only=True)
class Waiting:
    """Options that choose whether to wait for what a command starts."""

    wait: Annotated[
        bool,
        Parameter(
            name=["--wait", "--listen"],
            negative="--no-wait",
            help="Wait until it has finished; the exit code reports the result. --listen is what cx calls it.",
        ),
    ] = True
    timeout: Annotated[
        Duration, Parameter(show_default=False, help="Maximum time to wait, for example 90s, 15m or 1h. [default: 15m]")
    ] = 900.0


DEFAULT_WAITING: Final = Waiting()


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Following:
    """Options of commands that start an action: whether and how to wait for it, and how that is told."""

    json: AsJSON = False
    waiting: Waiting = DEFAULT_WAITING
    progress: Progress = DEFAULT_PROGRESS
    access: Access = DEFAULT_ACCESS

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is told in words, because the output is JSON or only errors are wanted."""
        return self.json or self.progress.quiet

    @property
    def display(self) -> Display:
        """How progress is shown."""
        return self.progress.display(beside=self.json or self.access.debug)


DEFAULT_FOLLOWING: Final = Following()


class Pending(NamedTuple):
    """An action that was started on a stack."""

    stack: Stack
    action: Action


async def follow_all(c66: Cloud66, pending: Sequence[Pending], how: Following) -> tuple[int, Sequence[Task]]:
    """Wait until actions have finished, and print how they end. Return the exit code, and a task for each.

    Raises Stopped, with what still runs, if it is cancelled.
    """
    ending = Ending(access=how.access, display=how.display, as_json=how.json)
    tasks = [Task.of(one.stack) for one in pending]
    for task, one in zip(tasks, pending, strict=True):
        task.change(RolloutState.RUNNING, one.action)
    try:
        async with show_progress(c66, tasks, how.display, heartbeat=how.progress.heartbeat) as show:
            following = [
                _follow(c66, task, one.action, how.waiting, show) for task, one in zip(tasks, pending, strict=True)
            ]
            await asyncio.gather(*following)
    except asyncio.CancelledError:
        raise ending.stop(tasks) from None
    return ending.finish(tasks), tasks


async def _follow(c66: Cloud66, task: Task, action: Action, waiting: Waiting, show: Callable[[Task], None]) -> None:
    """Wait for one action. An error of a request does not end the wait for the others."""
    try:
        await follow(c66, task, action, timeout=waiting.timeout, show=show)
    except Cloud66Error as error:
        task.change(RolloutState.UNFINISHED, action, error)
        show(task)
