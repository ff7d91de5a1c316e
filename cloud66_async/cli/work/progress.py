"""Progress of long work: a live board on a terminal, and elsewhere a line at each change of state and each minute."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import attrs
from cyclopts import Parameter, validators

from ...client import Cloud66
from ...rollout import RolloutState
from ..terminal.console import has_cursor, warn
from ..terminal.durations import Duration, duration
from .tasks import FINAL, Task

__all__ = ["DEFAULT_PROGRESS", "Display", "Progress", "show_progress"]

Display = Literal["board", "lines", "nothing"]
"""How progress is shown."""

_STATES = (RolloutState.RUNNING, RolloutState.STARTING, RolloutState.QUEUED)


@Parameter(name="*", group="Progress")
@attrs.frozen(kw_only=True)
class Progress:
    """Options that choose what is shown during long work."""

    heartbeat: Annotated[
        Duration,
        Parameter(
            validator=validators.Number(gte=1),
            show_default=False,
            help="Without a terminal, longest time without a line. [default: 60s]",
        ),
    ] = 60.0
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative="", show_default=False, help="Print only errors.")
    ] = False

    def display(self, *, beside: bool) -> Display:
        """Return how progress is shown. `beside` tells that something else is printed on the terminal meanwhile."""
        if self.quiet:
            return "nothing"
        return "board" if has_cursor() and not _is_ci() and not beside else "lines"


DEFAULT_PROGRESS: Final = Progress()


@asynccontextmanager
async def show_progress(
    c66: Cloud66, tasks: Sequence[Task], display: Display, *, heartbeat: float = DEFAULT_PROGRESS.heartbeat
) -> AsyncGenerator[Callable[[Task], None]]:
    """Show tasks while the block runs. Call what it returns whenever a task has changed.

    `c66` knows how many requests are left. `heartbeat` is the longest time without a line, in seconds.
    """
    match display:
        case "nothing":
            yield lambda _: None
        case "board":
            from .progress_board import Board  # imported lazily: rich takes 40 ms

            with Board(tasks, lambda: c66.quota.remaining) as board:
                yield board.change
        case "lines":
            lines = _Lines(tasks, heartbeat)
            beating = asyncio.create_task(lines.beat())
            try:
                yield lines.change
            finally:
                beating.cancel()


def _is_ci() -> bool:
    """Return whether a CI system runs the program: its output is kept, even if it is a terminal."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


class _Lines:
    """Lines on standard error, which is flushed after each: CI systems show them at once, with times in UTC."""

    def __init__(self, tasks: Sequence[Task], heartbeat: float) -> None:
        self._tasks = tasks
        self._heartbeat = heartbeat
        self._width = max(len(task.name) for task in tasks)
        self._started = self._printed = time.monotonic()

    def change(self, task: Task) -> None:
        """Print the state of a task that has changed."""
        if task.state in (RolloutState.QUEUED, RolloutState.STARTING, RolloutState.NOT_STARTED):
            return  # nothing has happened yet, or never will
        if len(self._tasks) == 1 and task.state in FINAL:
            return  # the result tells it
        word, text = task.words
        self._print(f"{task.name:<{self._width}}  {word:<9}  {text}".rstrip())

    async def beat(self) -> None:
        """Print a line whenever there was none for some time: CI systems end a task that prints nothing."""
        while True:
            left = self._printed + self._heartbeat - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
                continue
            found = Counter(task.state for task in self._tasks if task.state not in FINAL)
            parts = ", ".join(f"{found[state]} {state.value}" for state in _STATES if found[state])
            self._print(f"still waiting after {duration(time.monotonic() - self._started)}: {parts or 'none'}")

    def _print(self, text: str) -> None:
        warn(f"{datetime.now(UTC):%H:%M:%S}Z {text}")
        self._printed = time.monotonic()
