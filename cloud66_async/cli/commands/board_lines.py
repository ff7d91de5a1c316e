"""The board in a pipe: a line for each change, and one for each minute without changes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime

from ..lookup.names import full_name
from ..terminal.console import plain, print_line, warn
from ..terminal.durations import duration
from ..terminal.fields import quota_note
from ..terminal.output import count
from .board import Change, Reading, Watch

__all__ = ["print_changes"]

_HEARTBEAT = 60.0  # some CI systems end a step that prints nothing for 10 minutes


async def print_changes(watch: Watch, *, as_json: bool) -> None:
    """Print changes until the task is cancelled. Signs of life go to standard error."""
    started = printed = watch.now()
    is_first, problem = True, ""
    async for reading in watch.readings():
        for change in reading.changes:
            print_line(_to_json(reading.time, change) if as_json else _to_line(reading.time, change))
        if is_first:
            warn(f"{_clock(reading.time)} watching {_summary(reading)}")
        if reading.problem != problem:
            problem = reading.problem
            text = f"cannot read the stacks: {plain(problem)}" if problem else "the stacks can be read again"
            warn(f"{_clock(reading.time)} {text}")
            printed = reading.time
        if reading.changes or is_first:
            printed = reading.time
        is_first = False
        printed = await _pause(watch, reading, started, printed)


async def _pause(watch: Watch, reading: Reading, started: datetime, printed: datetime) -> datetime:
    """Wait for the next reading. Return when a line was printed last."""
    left = reading.pause
    while left > 0:
        silent = (watch.now() - printed).total_seconds()
        part = min(left, max(1.0, _HEARTBEAT - silent))
        await watch.sleep(part)
        left -= part
        now = watch.now()
        if (now - printed).total_seconds() >= _HEARTBEAT:
            passed = duration((now - started).total_seconds())
            warn(f"{_clock(now)} still watching after {passed}: {_summary(reading)}")
            printed = now
    return printed


def _summary(reading: Reading) -> str:
    healths = Counter(plain(stack.health) or "unknown" for stack in reading.stacks)
    parts = [count(len(reading.stacks), "stack"), *(f"{number:,} {health}" for health, number in healths.most_common())]
    note = quota_note(reading.quota)
    return f"{', '.join(parts)}{f'; {note}' if note else ''}"


def _clock(time: datetime) -> str:
    return f"{time:%H:%M:%SZ}"


def _to_line(time: datetime, change: Change) -> str:
    words = f"{change.before} -> {change.after}" if change.before else change.after
    return f"{_clock(time)} {full_name(change.stack)}  {change.what}  {plain(words)}"


def _to_json(time: datetime, change: Change) -> str:
    values = {
        "at": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "uid": change.stack.uid,
        "name": change.stack.name,
        "environment": change.stack.environment,
        "change": change.what,
        "before": change.before or None,
        "after": change.after,
    }
    return json.dumps(values, separators=(",", ":"))
