"""Tasks: what is known of an action that a command waits for, of one stack or of many."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from ...client import Cloud66
from ...errors import Cloud66Error
from ...resources.actions import Action, ActionFailed, ActionUnfinished
from ...resources.stacks import Stack
from ...rollout import RolloutResult, RolloutState
from ..exits import DONE, FAILED, UNFINISHED, failure_of, worst
from ..lookup.names import full_name
from ..terminal.console import plain
from ..terminal.durations import duration

__all__ = ["FINAL", "Task", "code_of", "counts", "follow", "tasks_of"]

FINAL: Final = frozenset(
    {
        RolloutState.SUCCEEDED,
        RolloutState.FAILED,
        RolloutState.UNFINISHED,
        RolloutState.UNKNOWN,
        RolloutState.NOT_STARTED,
    }
)
_WORDS = {RolloutState.UNFINISHED: "still running", RolloutState.NOT_STARTED: "not started"}
_ACCEPTED = (RolloutState.RUNNING, RolloutState.SUCCEEDED, RolloutState.UNFINISHED)
_NO_REASON = "no reason given"


@attrs.define(eq=False)
class Task:
    """An action of a stack, or one that is to be started.

    Args:
        uid: uid of the stack.
        name: Name of the stack with its environment.
        argument: Name of the stack for a shell.
        state: State of the action.
        action: Latest known state of the action, or None.
        error: Why it failed or why its end is not known, or None.
        since: `time.monotonic()` at its start, or None if it has not started.
        took: Seconds that it has taken, or None if it has not ended.
    """

    uid: str
    name: str
    argument: str
    state: RolloutState = RolloutState.QUEUED
    action: Action | None = None
    error: Cloud66Error | None = None
    since: float | None = None
    took: float | None = None

    @classmethod
    def of(cls, stack: Stack) -> Task:
        """Return a task of a stack that has not started."""
        name, given = full_name(stack), f"{stack.name}/{stack.environment}" if stack.environment else stack.name
        return cls(stack.uid, name, shlex.quote(name) if name == given else stack.uid)

    def update(self, result: RolloutResult) -> None:
        """Take what a rollout says about the stack."""
        self.change(result.state, result.action, result.error)

    def change(self, state: RolloutState, action: Action | None = None, error: Cloud66Error | None = None) -> None:
        """Note a state, and when it was reached."""
        self.state, self.error, self.action = state, error, action or self.action
        started_at = None if self.action is None else self.action.started_at
        if self.since is None and (state in _ACCEPTED or self.action is not None):
            age = 0.0 if started_at is None else (datetime.now(UTC) - started_at).total_seconds()
            self.since = time.monotonic() - max(0.0, age)
        if state in FINAL:
            self.took = self._took()

    def _took(self) -> float | None:
        """Return the duration according to the API, which no pause between two readings makes longer."""
        action = self.action
        if action is not None and action.started_at is not None and action.finished_at is not None:
            return (action.finished_at - action.started_at).total_seconds()
        return None if self.since is None else time.monotonic() - self.since

    @property
    def timed_out(self) -> bool:
        """Whether it is only known that it did not end in time."""
        return self.state is RolloutState.UNFINISHED and isinstance(self.error, ActionUnfinished)

    @property
    def is_running(self) -> bool:
        """Whether it was started, and its end is not known."""
        return self.state in (RolloutState.RUNNING, RolloutState.UNFINISHED)

    @property
    def reason(self) -> str:
        """Why it failed, or why its end is not known."""
        if self.action is not None and self.action.finished and not self.action.succeeded:
            return plain(self.action.finished_message) or _NO_REASON
        return "" if self.error is None else plain(failure_of(self.error).text)

    @property
    def words(self) -> tuple[str, str]:  # noqa: PLR0911  a table of states
        """The state in one word, and what else there is to say about it."""
        after = "" if self.took is None else f"after {duration(self.took)}"
        match self.state:
            case RolloutState.RUNNING:
                was_read = self.action is not None and self.action.started_at is not None
                text = f"action {self.action.id}" if self.action else "no action yet"
                return "running" if was_read else "started", text
            case RolloutState.FAILED:
                return "failed", f"{after}: {self.reason}" if self.action is not None and after else self.reason
            case RolloutState.UNFINISHED if self.timed_out:
                return "running", f"timed out {after}"
            case RolloutState.UNFINISHED:
                return "running", f"its end is not known: {self.reason}" if self.error else ""
            case RolloutState.UNKNOWN:
                return "unknown", f"it may have been started{self.reason and f': {self.reason}'}"
            case RolloutState.SUCCEEDED:
                return "succeeded", "" if self.took is None else f"(took {duration(self.took)})"
            case _:
                return self.state.replace("_", " "), ""

    def to_dict(self) -> dict[str, Any]:
        """Return the task as JSON-ready values."""
        action = self.action
        return {
            "uid": self.uid,
            "name": self.name,
            "state": self.state.value,
            "action": None if action is None else action.id,
            "seconds": None if self.took is None else round(self.took, 1),
            "message": self.reason or (plain(action.finished_message) if action and action.finished else "") or None,
        }


def tasks_of(stacks: Iterable[Stack]) -> dict[str, Task]:
    """Return a task for each stack, by uid."""
    return {stack.uid: Task.of(stack) for stack in stacks}


def counts(tasks: Sequence[Task]) -> str:
    """Return how many tasks have which state, for example `3 stacks: 2 succeeded, 1 failed`."""
    found = Counter(task.state for task in tasks)
    parts = [f"{found[state]} {_WORDS.get(state, state.value)}" for state in _ORDER if found[state]]
    return f"{len(tasks)} {'stack' if len(tasks) == 1 else 'stacks'}: {', '.join(parts)}"


_ORDER = (
    RolloutState.SUCCEEDED,
    RolloutState.FAILED,
    RolloutState.UNKNOWN,
    RolloutState.RUNNING,
    RolloutState.UNFINISHED,
    RolloutState.STARTING,
    RolloutState.QUEUED,
    RolloutState.NOT_STARTED,
)


def code_of(tasks: Iterable[Task], error: Cloud66Error | None = None) -> int:
    """Return the exit code for tasks that have ended. `error` is the one that ended all of them, or None."""
    codes = [DONE if error is None else failure_of(error).code]
    for task in tasks:
        if task.state in (RolloutState.FAILED, RolloutState.UNKNOWN):
            codes.append(FAILED)
        elif task.timed_out or (task.state is RolloutState.UNFINISHED and (error is None or task.error is not None)):
            codes.append(UNFINISHED)
    return worst(codes)


async def follow(
    c66: Cloud66,
    task: Task,
    action: Action,
    *,
    timeout: float,  # noqa: ASYNC109  the action goes on, unlike with asyncio.timeout
    show: Callable[[Task], None],
) -> None:
    """Wait for an action of a task, and show how it ends."""
    if action.finished:
        task.change(RolloutState.SUCCEEDED if action.succeeded else RolloutState.FAILED, action)
        show(task)
        return
    task.change(RolloutState.RUNNING, action)
    show(task)
    try:
        ended = await c66.actions.wait(action, stack=task.uid, timeout=timeout)
    except ActionFailed as error:
        task.change(RolloutState.FAILED, error.action, error)
    except ActionUnfinished as error:
        task.change(RolloutState.UNFINISHED, error.action, error)
        task.took = timeout  # so long was waited: the action may be older
    else:
        task.change(RolloutState.SUCCEEDED, ended)
    show(task)
