"""The board on a terminal, drawn anew after each reading and as time passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from rich.live import Live
from rich.text import Text

from ...resources.actions import Action
from ...resources.stacks import Stack
from ..lookup.names import full_name
from ..options import Output
from ..terminal.console import has_colors, plain, rich_console
from ..terminal.durations import duration
from ..terminal.fields import elapsed, quota_note, seconds_between
from ..terminal.output import count
from ..terminal.table import Cell, Column, Table, fit, paint
from .board import Reading, Watch
from .stacks import STACKS

__all__ = ["draw"]

_MAX_ACTIONS = 5  # of the screen's lines
_STEP = 1.0  # seconds between two drawings

Order = Callable[[Sequence[Stack]], Sequence[Stack]]


async def draw(watch: Watch, output: Output, order: Order) -> None:
    """Show the board until the task is cancelled. Its last state stays on the screen."""
    console = rich_console()
    with Live(Text("Reading the stacks"), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        async for reading in watch.readings():
            end = reading.time.timestamp() + reading.pause
            while (left := end - watch.now().timestamp()) > 0:
                lines = board_lines(
                    reading, output, order, now=watch.now(), width=console.width, height=console.height, left=left
                )
                # Rows with long names are wider than the terminal: they are cut here, so that each stays on its line.
                live.update(Text.from_ansi("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)
                await watch.sleep(min(left, _STEP))


def board_lines(
    reading: Reading, output: Output, order: Order, *, now: datetime, width: int, height: int, left: float
) -> Sequence[str]:
    """Return the lines of the board.

    Args:
        reading: What was read.
        output: Columns to show.
        order: Function that sorts the stacks, those to show first at the beginning.
        now: Current time.
        width: Number of columns of the terminal.
        height: Number of its lines.
        left: Seconds until the next reading.
    """
    stacks = order(reading.stacks)
    below = list(_actions(reading, now, width))
    space = max(1, height - len(below) - 4)  # the titles, how many are hidden, the last line and the cursor
    table = output.table(STACKS, stacks[: max(1, space)])
    above = list(table.lines(width, colors=has_colors(), header=not output.no_header)) or [
        "No stacks match these filters."
    ]
    hidden = len(reading.stacks) - min(len(stacks), space)
    if hidden > 0:
        above.append(_dim(f"… and {hidden:,} more"))
    return [*above, *below, _last_line(reading, width, left)]


def _actions(reading: Reading, now: datetime, width: int) -> Iterator[str]:
    """Yield lines with the actions that are running."""
    names = {stack.uid: full_name(stack) for stack in reading.stacks}
    running = [(names[uid], action) for uid, action in reading.actions.items() if uid in names]
    if not running:
        return
    table = Table(Column("running"), Column("action"), Column("since"), Column("by", 1), Column("id", 2))
    for name, action in running[:_MAX_ACTIONS]:
        table.add(name, Cell(_kind(action), "cyan"), _since(action, now), plain(action.user), str(action.id))
    yield ""
    yield from table.lines(width, colors=has_colors())
    if len(running) > _MAX_ACTIONS:
        yield _dim(f"… and {len(running) - _MAX_ACTIONS} more")


def _kind(action: Action) -> str:
    return plain(action.action).replace("_", " ")


def _since(action: Action, now: datetime) -> str:
    return elapsed(seconds_between(action.started_at, now)) or "queued"


def _last_line(reading: Reading, width: int, left: float) -> str:
    shown, total = len(reading.stacks), count(reading.total, "stack")
    stacks = total if shown == reading.total else f"{shown:,} of {total}"
    if reading.problem:
        problem = fit(f"Cannot read; again in {duration(left)}: {plain(reading.problem)}", width)
        return paint(problem, "red") if has_colors() else problem
    slowed = ", slower to spare the quota" if reading.slowed else ""
    text = f"{stacks} · next in {duration(left)}{slowed} · Ctrl+C ends"
    note = quota_note(reading.quota)
    space = max(2, width - len(text) - len(note))
    return _dim(fit(f"{text}{' ' * space}{note}", width))


def _dim(text: str) -> str:
    return paint(text, "dim") if has_colors() else text
