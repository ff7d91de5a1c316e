"""Progress of many requests: a bar on a terminal, a line each minute without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ..terminal.console import rich_console, warn
from ..terminal.durations import duration

__all__ = ["Progress", "show_progress"]

_HEARTBEAT = 60.0  # some CI systems end a step that prints nothing for 10 minutes


class Progress:
    """How many of the requests have ended.

    Args:
        total: Number of requests.
        show: Function that shows it, called with the number after each.
    """

    def __init__(self, total: int, show: Callable[[int], object]) -> None:
        self.total = total
        self.done: int = 0
        self._show = show

    def advance(self) -> None:
        """Count one more request."""
        self.done += 1
        self._show(self.done)


@contextmanager
def show_progress(total: int, *, bar: bool) -> Generator[Progress]:
    """Show the progress of `total` requests while the block runs."""
    if bar:
        with _bar(total) as show:
            yield Progress(total, show)
    else:
        yield Progress(total, _lines(total))


@contextmanager
def _bar(total: int) -> Generator[Callable[[int], object]]:
    from rich import progress  # imported lazily: takes 40 ms

    columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn())
    with progress.Progress(*columns, console=rich_console(), transient=True) as bars:
        task = bars.add_task("", total=total)
        yield lambda done: bars.update(task, completed=done)


def _lines(total: int) -> Callable[[int], object]:
    started = printed = time.monotonic()

    def show(done: int) -> None:
        nonlocal printed
        now = time.monotonic()
        if now - printed >= _HEARTBEAT:
            printed = now
            warn(f"{done:,} of {total:,} requests after {duration(now - started)}")

    return show
