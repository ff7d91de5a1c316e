"""GitHub Actions: messages, a summary and outputs of a step, if the command runs in one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...rollout import RolloutState
from ..exits import DONE, FAILED, THROTTLED, UNFINISHED
from ..terminal.console import plain, warn
from ..terminal.durations import duration
from .tasks import Task

__all__ = ["tell_github"]

_RESULTS = {DONE: "succeeded", FAILED: "failed", UNFINISHED: "unfinished", THROTTLED: "throttled"}
_BAD = (RolloutState.FAILED, RolloutState.UNKNOWN, RolloutState.UNFINISHED)


def tell_github(tasks: Sequence[Task], code: int) -> None:
    """Print an error for each stack that failed, and write the summary and the outputs. Never raises."""
    if not os.environ.get("GITHUB_ACTIONS"):
        return
    for task in tasks:
        if task.state in _BAD:
            word, text = task.words
            warn(f"::error title={_escape(task.name, in_title=True)}::{_escape(f'{word} {text}'.strip())}")
    ids = ",".join(str(task.action.id) for task in tasks if task.action is not None)
    _append("GITHUB_STEP_SUMMARY", _table(tasks))
    _append("GITHUB_OUTPUT", f"result={_RESULTS.get(code, 'failed')}\naction-ids={ids}\n")


def _table(tasks: Sequence[Task]) -> str:
    lines = ["| stack | result | action | took | message |", "| --- | --- | --- | --- | --- |"]
    for task in tasks:
        action = "" if task.action is None else str(task.action.id)
        took = "" if task.took is None else duration(task.took)
        cells = (task.name, task.state.replace("_", " "), action, took, task.reason)
        lines.append(f"| {' | '.join(_escape_markdown(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n\n"


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        warn(f"cannot write {plain(path)}: {error.strerror}", label="warning:")


def _escape(text: str, *, in_title: bool = False) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace(":", "%3A").replace(",", "%2C") if in_title else escaped


def _escape_markdown(text: str) -> str:
    """Return text that Markdown shows literally in a table: no cell ends, no link and no HTML in it."""
    return "".join(f"\\{character}" if character in "\\`*_{}[]()<>#|!~@" else character for character in text)
