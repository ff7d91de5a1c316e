"""Rollouts as a command carries them out: with names of stacks, progress and a file."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ...bulk import Ok
from ...client import Cloud66
from ...errors import Cloud66Error
from ...resources.stacks import Stack
from ...rollout import Rollout, RolloutState
from .endings import Ending, print_task
from .progress import show_progress
from .tasks import FINAL, Task, tasks_of

__all__ = ["carry_out", "new_path", "stacks_of"]

_FEW = 30  # so many stacks are read one by one, which is one page of the list
_PENDING = (RolloutState.QUEUED, RolloutState.STARTING)


def new_path() -> Path | None:
    """Return a file that does not exist, named for the time, or None on Windows, which lacks the lock for such files.

    It is in the current directory, or in the user's directory for states if that cannot be written.
    """
    if sys.platform == "win32":
        return None
    name, number = f"redeploy-{datetime.now(UTC):%Y%m%d-%H%M}", 1
    directory = Path() if os.access(os.curdir, os.W_OK) else _state_directory()
    path = directory / f"{name}.json"
    while path.exists():
        number += 1
        path = directory / f"{name}-{number}.json"
    return path


def _state_directory() -> Path:
    from platformdirs import user_state_path  # imported lazily: seldom needed

    directory = user_state_path("cloud66-async")
    with suppress(OSError):  # the file cannot be created either then, which is reported
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


async def stacks_of(c66: Cloud66, uids: Sequence[str]) -> list[Stack]:
    """Return the stacks with these uids, in this order. Those that cannot be read have no name."""
    if len(uids) > _FEW:
        found = {stack.uid: stack async for stack in c66.stacks.list()}
    else:
        results = await c66.collect(c66.stacks.get, uids)
        found = {result.item: result.value for result in results if isinstance(result, Ok)}
    return [found.get(uid) or Stack(uid=uid) for uid in uids]


async def carry_out(
    c66: Cloud66, rollout: Rollout, stacks: Sequence[Stack], *, ending: Ending, wait: bool, heartbeat: float
) -> int:
    """Carry out a rollout, show its progress, and return the exit code.

    Args:
        c66: Client.
        rollout: The rollout, which has not started.
        stacks: Its stacks, with their names.
        ending: How the end is told.
        wait: Whether to wait for the deployments, or only until they are started.
        heartbeat: Longest time without a line, in seconds.

    Raises Stopped after Ctrl+C, and errors before anything was started.
    """
    tasks = tasks_of(stacks)
    for result in rollout.results:  # some have ended if it is taken up
        tasks[result.uid].update(result)
    told = {uid for uid, task in tasks.items() if task.state in FINAL}
    every, failure = list(tasks.values()), None
    try:
        async with show_progress(c66, every, ending.display, heartbeat=heartbeat) as show:
            await _follow(rollout, tasks, wait=wait, show=_also_print(show, told) if ending.as_json else show)
    except asyncio.CancelledError:
        _take_results(rollout, tasks)
        raise ending.stop(every) from None
    except Cloud66Error as error:
        if rollout.stopped is None:  # it has not begun: for example, the file cannot be created
            raise
        failure = error
    if wait:
        _take_results(rollout, tasks)
    for uid, task in tasks.items():
        if ending.as_json and uid not in told:
            print_task(task)
    code = ending.finish(every, failure)
    if ending.path is not None and all(task.state is RolloutState.SUCCEEDED for task in every):
        ending.path.unlink(missing_ok=True)  # nothing is left to take up
    return code


async def _follow(rollout: Rollout, tasks: dict[str, Task], *, wait: bool, show: Callable[[Task], None]) -> None:
    """Carry out the rollout, or only start its deployments unless `wait`."""
    async with rollout as progress:
        async for result in progress:
            task = tasks[result.uid]
            task.update(result)
            show(task)
            if not wait and all(task.state not in _PENDING for task in tasks.values()):
                return


def _take_results(rollout: Rollout, tasks: dict[str, Task]) -> None:
    """Take the results that a rollout has when it has ended."""
    for result in rollout.results:
        if result.state is not tasks[result.uid].state:
            tasks[result.uid].update(result)


def _also_print(show: Callable[[Task], None], told: set[str]) -> Callable[[Task], None]:
    """Return a function that shows a task and prints it as JSON when it has ended."""

    def change(task: Task) -> None:
        show(task)
        if task.state in FINAL and task.uid not in told:
            told.add(task.uid)
            print_task(task)

    return change
