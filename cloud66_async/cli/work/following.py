"""Waiting for actions that a command has started, on one stack or on several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import attrs

from ...client import Cloud66
from ...errors import Cloud66Error
from ...resources.actions import Action
from ...resources.stacks import Stack
from ...rollout import RolloutState
from ..options import Access
from .changes import Telling, Waiting
from .endings import Ending
from .progress import show_progress
from .tasks import Task, follow

__all__ = ["Following", "Pending", "follow_all"]


@attrs.frozen
class Following:
    """Whether and how to wait, and how that is told.

    Args:
        access: Login and account.
        waiting: Whether and how long to wait.
        telling: How it is told.
    """

    access: Access
    waiting: Waiting
    telling: Telling

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is told in words, because the output is JSON or only errors are wanted."""
        return self.telling.as_json or self.telling.progress.quiet


class Pending(NamedTuple):
    """An action that was started on a stack."""

    stack: Stack
    action: Action


async def follow_all(c66: Cloud66, pending: Sequence[Pending], how: Following) -> tuple[int, Sequence[Task]]:
    """Wait until actions have finished, and print how they end. Return the exit code, and a task for each.

    Raises Stopped, with what still runs, if it is cancelled.
    """
    telling = how.telling
    display = telling.progress.display(beside=telling.as_json or how.access.debug)
    ending = Ending(access=how.access, display=display, as_json=telling.as_json)
    tasks = [Task.of(one.stack) for one in pending]
    for task, one in zip(tasks, pending, strict=True):
        task.change(RolloutState.RUNNING, one.action)
    try:
        async with show_progress(c66, tasks, display, heartbeat=telling.progress.heartbeat) as show:
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
