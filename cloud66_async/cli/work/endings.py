"""The end of long work: the result, the exit code, and the commands that take up what has not ended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import attrs

from ...errors import Cloud66Error
from ...rollout import RolloutState
from ..exits import DONE, Stopped, failure_of
from ..options import Access
from ..terminal.console import report, warn
from ..terminal.durations import duration
from .github import tell_github
from .progress import Display
from .tasks import Task, code_of, counts

__all__ = ["Ending", "print_task"]

_MAX_ROWS = 10
_MAX_COMMANDS = 3
_SEVERAL = 2


@attrs.frozen(kw_only=True)
class Ending:
    """How the end of long work is told.

    Args:
        access: Login and account, which the commands that take it up need as well.
        display: How progress was shown.
        as_json: Whether the tasks are printed as JSON.
        path: File in which a rollout is written down, or None.
    """

    access: Access
    display: Display
    as_json: bool
    path: Path | None = None

    def finish(self, tasks: Sequence[Task], error: Cloud66Error | None = None) -> int:
        """Print the result and what to do next, and return the exit code. `error` has ended the work, or is None."""
        code = code_of(tasks, error)
        self._report(tasks)
        if error is not None:
            warn(failure_of(error).text, label="error:")
        for line in self._next(tasks, error):
            warn(line)
        tell_github(tasks, code)
        return code

    def stop(self, tasks: Sequence[Task]) -> Stopped:
        """Return what to raise after Ctrl+C: what still runs, what was not started, and how to take it up."""
        if any(task.is_running or task.state is RolloutState.UNKNOWN for task in tasks):
            first = "Stopped waiting. What has started continues at Cloud 66."
        elif any(task.state in (RolloutState.SUCCEEDED, RolloutState.FAILED) for task in tasks):
            first = "Stopped. Nothing that was started still runs."
        else:
            first = "Stopped. Nothing was started."
        return Stopped(first, *_rows(tasks), *self._commands(tasks))

    # --- the result --------------------------------------------------------------------------------

    def _report(self, tasks: Sequence[Task]) -> None:
        """Print what the progress has not told: the result, and errors in full, which a board cuts off."""
        if self.display == "lines" and not self.as_json:
            report(counts(tasks) if len(tasks) > 1 else _line(tasks[0]))
        if self.display != "lines" or len(tasks) == 1:
            for task in tasks:
                if code_of([task]) != DONE:
                    warn(_problem(task), label="error:")
                    for line in () if task.error is None else failure_of(task.error).advice:
                        warn(f"  {line}")

    # --- what to do next -----------------------------------------------------------------------------

    def _next(self, tasks: Sequence[Task], error: Cloud66Error | None) -> list[str]:
        waiting = sum(task.state is RolloutState.NOT_STARTED for task in tasks)
        bad = sum(code_of([task]) != DONE for task in tasks)
        why = f", because {bad} did not succeed (--stop-after)" if bad and error is None else ""
        return [*([f"Not started: {_stacks(waiting)}{why}"] if waiting else []), *self._commands(tasks)]

    def _commands(self, tasks: Sequence[Task]) -> list[str]:
        """Return lines with the commands that take up what has not ended or not started."""
        running = [task for task in tasks if task.is_running]
        missing = any(task.state in (RolloutState.NOT_STARTED, RolloutState.UNKNOWN) for task in tasks)
        failed = any(task.state is RolloutState.FAILED for task in tasks)
        lines: list[tuple[str, str]] = []
        # The file waits for all of them, but not again for those whose time is up.
        if self.path is None or missing or len(running) < _SEVERAL or any(task.timed_out for task in running):
            lines += [("Keep waiting:", self._wait(task)) for task in running[:_MAX_COMMANDS]]
        else:
            lines.append(("Keep waiting:", self._resume()))
        if self.path is not None and (failed or missing):
            name, options = ("Try again:", " --retry-failed") if failed else ("Start the rest:", "")
            lines.append((name, f"{self._resume()}{options}"))
        if self.path is None:
            unknown = [task for task in tasks if task.state is RolloutState.UNKNOWN]
            lines += [("See what has started:", self._command("actions", task.argument)) for task in unknown]
        width = max((len(name) for name, _ in lines), default=0)
        return [f"{name:<{width}}  {command}" for name, command in lines]

    def _wait(self, task: Task) -> str:
        action = [] if task.action is None else ["--action", str(task.action.id)]
        return self._command("wait", task.argument, *action)

    def _resume(self) -> str:
        return self._command("redeploy", "--resume", shlex.quote(str(self.path)))

    def _command(self, *words: str) -> str:
        """Return a command with the options that select the login and the account."""
        account = [] if self.access.account is None else ["--account", str(self.access.account)]
        profile = [] if self.access.profile is None else ["--profile", shlex.quote(self.access.profile)]
        return " ".join(["cloud66-async", *words, *account, *profile])


def print_task(task: Task) -> None:
    """Print a task as one line of JSON. If it cannot be written, the work goes on."""
    report(json.dumps(task.to_dict(), separators=(",", ":")))


def _rows(tasks: Sequence[Task]) -> list[str]:
    """Return a line for each stack whose deployment was started, and one with the number of the others."""
    rows: list[str] = []
    for task in tasks:
        if task.is_running:
            rows.append(f"  running      {task.name}{f' (action {task.action.id})' if task.action is not None else ''}")
        elif task.state is RolloutState.UNKNOWN:
            rows.append(f"  unknown      {task.name} (it may have started)")
    hidden = len(rows) - _MAX_ROWS
    rows[_MAX_ROWS:] = [f"               and {hidden} more"] if hidden > 0 else []
    waiting = sum(task.state is RolloutState.NOT_STARTED for task in tasks)
    return [*rows, *([f"  not started  {_stacks(waiting)}"] if waiting else [])]


def _line(task: Task) -> str:
    word, text = task.words
    separator = " " if text.startswith(("after ", "action ", "(took ", "timed out ")) else ": "
    return f"{task.name}: {word}{separator}{text}".rstrip(": ")


def _problem(task: Task) -> str:
    if not task.timed_out:
        return _line(task)
    action = "the action" if task.action is None else f"action {task.action.id}"
    return f"{task.name}: not finished after {duration(task.took or 0.0)}; {action} is still running"


def _stacks(number: int) -> str:
    return f"{number} {'stack' if number == 1 else 'stacks'}"
