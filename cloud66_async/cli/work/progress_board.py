"""The live display of long work on a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ...rollout import RolloutState
from ..terminal.console import rich_console, spinner
from ..terminal.durations import duration
from .tasks import FINAL, Task

__all__ = ["Board"]

_REFRESHES = 5  # in a second
_WIDTH = 100  # beyond, the times are too far from the names
_TIME_WIDTH = 8
_BAD = (RolloutState.FAILED, RolloutState.UNKNOWN, RolloutState.UNFINISHED)
_ACTIVE = (RolloutState.RUNNING, RolloutState.STARTING)
_STYLES = {
    RolloutState.SUCCEEDED: ("✓", "+", "green"),
    RolloutState.FAILED: ("✗", "x", "bold red"),
    RolloutState.UNKNOWN: ("?", "?", "yellow"),
    RolloutState.UNFINISHED: ("…", ".", "yellow"),
    RolloutState.QUEUED: ("·", "-", "dim"),
    RolloutState.NOT_STARTED: ("·", "-", "dim"),
}
_SUMMARY = {
    RolloutState.SUCCEEDED: "done",
    RolloutState.UNFINISHED: "not ended",
    RolloutState.NOT_STARTED: "not started",
}


class Board:
    """One line for each task, the finished ones first, and below them a line that counts.

    If the terminal has too few lines, it shows only the tasks that run or have failed.

    Args:
        tasks: The tasks.
        left: Function that returns how many requests are left this hour, or None.
    """

    def __init__(self, tasks: Sequence[Task], left: Callable[[], int | None]) -> None:
        self._tasks = tasks
        self._left = left
        self._started = time.monotonic()
        self._finished: dict[Task, None] = {task: None for task in tasks if task.state in FINAL}
        self._console = rich_console()
        self._has_symbols = spinner() == "dots"
        self._spinner = Spinner(spinner())
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=_REFRESHES,
            redirect_stdout=False,  # log lines go to standard error, and are printed above the board
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def change(self, task: Task) -> None:
        """Note that a task has changed. The next refresh shows it."""
        if task.state in FINAL:
            self._finished[task] = None

    # --- drawing, in the thread that refreshes the display -----------------------------------------

    def _render(self) -> Group:
        width, height = min(self._console.width, _WIDTH), self._console.height
        rest = [task for task in self._tasks if task not in self._finished]
        rest.sort(key=lambda task: task.state not in _ACTIVE)
        shown = [*list(self._finished), *rest]
        several = len(self._tasks) > 1
        space = max(1, height - 1 - several)
        hidden = 0
        if len(shown) > space:
            shown = [task for task in shown if task.state in _BAD or task.state in _ACTIVE]
            shown.sort(key=lambda task: task.state not in _BAD)
            hidden, shown = max(0, len(shown) - space), shown[:space]
        names = max((cell_len(task.name) for task in self._tasks), default=0)
        lines = [self._line(task, names, width) for task in shown]
        return Group(*lines, *([self._summary(width, hidden)] if several else []))

    def _line(self, task: Task, names: int, width: int) -> Text:
        symbol, style = self._symbol(task)
        text = self._text(task)
        space = max(10, width - 2 - names - 2 - 2 - _TIME_WIDTH)
        seconds = task.took if task.state in FINAL else None if task.since is None else time.monotonic() - task.since
        line = Text(no_wrap=True, overflow="crop")
        line.append(symbol, style=style)
        line.append(f" {set_cell_size(task.name, names)}  ")
        line.append(_cut(text, space, "…" if self._has_symbols else "~"), style=style if task.state in _BAD else "")
        line.append(f"  {'' if seconds is None else duration(seconds):>{_TIME_WIDTH}}", style="dim")
        return line

    def _symbol(self, task: Task) -> tuple[str, str]:
        if task.state in _ACTIVE:
            frame = self._spinner.render(time.monotonic())
            return (frame.plain if isinstance(frame, Text) else " "), "cyan"
        symbol, plain_symbol, style = _STYLES[task.state]
        return (symbol if self._has_symbols else plain_symbol), style

    @staticmethod
    def _text(task: Task) -> str:
        match task.state:
            case RolloutState.RUNNING:
                return f"running, action {task.action.id}" if task.action else "started, no action yet"
            case RolloutState.FAILED:
                return f"failed  {task.reason}"
            case RolloutState.UNFINISHED if task.timed_out:
                return f"still running{f', action {task.action.id}' if task.action else ''}"
            case RolloutState.SUCCEEDED:
                return "succeeded"
            case _:
                return "  ".join(task.words).strip()

    def _summary(self, width: int, hidden: int) -> Text:
        found = Counter(task.state for task in self._tasks)
        parts = [f"{found[state]} {_SUMMARY.get(state, state.value)}" for state in RolloutState if found[state]]
        middle = f" {len(self._tasks)} stacks: {', '.join(parts)}{f'; {hidden} more lines' if hidden else ''} "
        left = self._left()
        dash, dot = ("─", "·") if self._has_symbols else ("-", "-")
        right = f" {duration(time.monotonic() - self._started)}{'' if left is None else f' {dot} {left:,} left'}"
        space = width - cell_len(middle) - len(right)
        first = min(12, max(0, space - 2))
        return Text(f"{dash * first}{middle}{dash * max(0, space - first)}{right}", style="dim", overflow="fold")


def _cut(text: str, width: int, mark: str) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + mark
