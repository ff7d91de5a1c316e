"""Progress of a download: a bar on a terminal, and elsewhere a line each minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ..terminal.console import report, rich_console, warn
from ..terminal.durations import duration
from .progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["Meter", "show_transfer", "size_of"]

_INTERVAL: Final = 0.25  # seconds between two pictures on a terminal
_WINDOW: Final = 10.0  # seconds over which the speed is measured
_UNITS: Final = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def size_of(number: float) -> str:
    """Return a number of bytes for people, for example `48.2 MB`."""
    for unit, factor in _UNITS:
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number:.0f} B"


class Meter:
    """How much of several files there is.

    Args:
        files: IDs of the files.
        now: Function that returns the time in seconds.
    """

    def __init__(self, files: Iterable[str], now: Callable[[], float] = time.monotonic) -> None:
        self._done = dict.fromkeys(files, 0)
        self._totals: dict[str, int | None] = dict.fromkeys(self._done)
        self._now = now
        self._started = now()
        self._found: dict[str, int] = {}
        self._readings: deque[tuple[float, int]] = deque()

    def note(self, file: str, done: int, total: int | None) -> None:
        """Note how many bytes of a file there are, and how many it has, if that is known."""
        self._found.setdefault(file, done)  # what is from an earlier attempt says nothing about the speed
        self._done[file] = done
        self._totals[file] = total

    @property
    def done(self) -> int:
        """The bytes that there are."""
        return sum(self._done.values())

    @property
    def total(self) -> int | None:
        """The bytes of all files, or None if one of them is not known yet."""
        known = [total for total in self._totals.values() if total is not None]
        return sum(known) if len(known) == len(self._totals) else None

    @property
    def took(self) -> float:
        """The seconds since the start."""
        return self._now() - self._started

    def text(self) -> str:
        """Return the state in a line: the share, the sizes, the speed and the time left."""
        done, total, speed = self.done, self.total, self._speed()
        parts = [size_of(done)]
        if total:
            parts = [f"{done * 100 // total}%", f"{size_of(done)} of {size_of(total)}"]
        if speed:
            parts.append(f"{size_of(speed)}/s")
            if total is not None and total > done:
                parts.append(f"{duration((total - done) / speed)} left")
        return "  ".join(parts)

    def _speed(self) -> float:
        """Return the bytes per second of the last seconds."""
        now, received = self._now(), self.done - sum(self._found.values())
        self._readings.append((now, received))
        while len(self._readings) > 2 and self._readings[1][0] <= now - _WINDOW:
            self._readings.popleft()
        since, before = self._readings[0] if len(self._readings) > 1 else (self._started, 0)
        return max(0.0, (received - before) / (now - since)) if now > since else 0.0


@asynccontextmanager
async def show_transfer(meter: Meter, options: Progress, *, title: str, beside: bool) -> AsyncGenerator[None]:
    """Show the state of a meter while the block runs.

    Args:
        meter: What is shown.
        options: How it is shown.
        title: Line before it.
        beside: Whether something else is printed on the terminal meanwhile.
    """
    display = options.display(beside=beside)
    if display == "nothing":
        yield
    elif display == "board":
        report(title)
        with _bar() as bar:
            drawing = asyncio.create_task(_draw(bar, meter))
            try:
                yield
            finally:
                drawing.cancel()
                _update(bar, meter)
    else:
        _tell_line(title)
        telling = asyncio.create_task(_tell(meter, options.heartbeat))
        try:
            yield
        finally:
            telling.cancel()


def _bar() -> Bar:
    from rich.progress import BarColumn, Progress as Bar, TextColumn  # imported lazily: takes 40 ms

    # markup=False: the text has no markup
    bar = Bar(BarColumn(bar_width=None), TextColumn("{task.description}", markup=False), console=rich_console())
    bar.expand = True
    bar.add_task("", total=None)
    return bar


async def _draw(bar: Bar, meter: Meter) -> None:
    while True:
        _update(bar, meter)
        await asyncio.sleep(_INTERVAL)


def _update(bar: Bar, meter: Meter) -> None:
    bar.update(bar.task_ids[0], completed=meter.done, total=meter.total, description=meter.text())


async def _tell(meter: Meter, heartbeat: float) -> None:
    """Print the state each minute: CI systems end a job that prints nothing."""
    while True:
        await asyncio.sleep(heartbeat)
        _tell_line(meter.text())


def _tell_line(text: str) -> None:
    """Print a line with the time, on standard error."""
    warn(f"{datetime.now(UTC):%H:%M:%S}Z {text}")
