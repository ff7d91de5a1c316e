"""Terminal output, shared by all commands. No command writes to a stream by any other way.

Output of a command that only reads is its result: if it cannot be written, the command fails. Output of a command
that changes something is a report: if it cannot be written, the change goes on, the report goes to standard error,
and the exit code tells how the change ended.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len

from ..._core.text import clean
from ..exits import OutputError
from .streams import Stream
from .table import Table, paint

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "check_output",
    "flush",
    "has_colors",
    "has_cursor",
    "is_pipe_closed",
    "is_terminal",
    "plain",
    "print_line",
    "print_result",
    "print_table",
    "report",
    "rich_console",
    "spinner",
    "warn",
    "width",
]

# Other programs read piped output, so its lines are not wrapped.
_PIPE_WIDTH = 4096

_stdout: Stream = sys.stdout if isinstance(sys.stdout, Stream) else Stream(sys.stdout)
_stderr: Stream = sys.stderr if isinstance(sys.stderr, Stream) else Stream(sys.stderr)


# --- the terminal --------------------------------------------------------------------------------


def is_terminal() -> bool:
    """Return whether people read standard output, not a program."""
    return _stdout.isatty()


def has_cursor() -> bool:
    """Return whether standard output is a terminal on which lines can be drawn again."""
    return is_terminal() and os.environ.get("TERM") not in ("dumb", "unknown")


def width() -> int | None:
    """Return the number of columns of the terminal, or None if there is none."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def has_colors(stream: Stream = _stdout) -> bool:
    """Return whether to use colors: as NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE and CLICOLOR say, or on terminals."""
    environment = os.environ
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return environment.get("CLICOLOR") != "0" and environment.get("TERM") != "dumb" and stream.isatty()


@functools.cache
def rich_console() -> Console:
    """Return the console for progress bars and live displays. It takes 30 ms to import: tables do not need it."""
    from rich.console import Console  # imported lazily

    # Names of stacks are printed literally, even if they look like "[bold]" or ":name:". Styles are set with Text.
    return Console(
        file=cast("Any", _stdout),
        markup=False,
        emoji=False,
        highlight=False,
        width=None if is_terminal() else _PIPE_WIDTH,
        no_color=not has_colors(),
    )


def spinner() -> str:
    """Return the name of a spinner that standard output can represent."""
    return "dots" if _stdout.encoding.lower().startswith("utf") else "line"


# --- results -------------------------------------------------------------------------------------


def print_result(*results: RenderableType, soft_wrap: bool = False) -> None:
    """Print what rich can draw as the result of a command that only reads. Raises OutputError."""
    rich_console().print(*results, soft_wrap=soft_wrap)
    check_output()


def print_line(text: str) -> None:
    """Print one line for another program, unchanged and without wrapping. Raises OutputError."""
    _stdout.write(f"{text}\n")
    _stdout.flush()
    check_output()


def print_table(table: Table, total: str = "", *, note: str = "", header: bool = True) -> None:
    """Print a table and a line below it: the number of its rows, and a note at the right end. Raises OutputError."""
    columns, colors = width(), has_colors()
    for line in table.lines(columns, colors=colors, header=header):
        _stdout.write(f"{line}\n")
    if total or note:
        space = max(2, (columns or 0) - cell_len(total) - cell_len(note)) if total and note else 0
        text = f"{total}{' ' * space}{note}"
        _stdout.write(f"{paint(text, 'dim') if colors else text}\n")
    check_output()


def plain(text: object, *, max_length: int | None = None) -> str:
    """Return text from a server as one line of characters that standard output can represent."""
    value = "" if text is None else str(text)
    cleaned = clean(value) if max_length is None else clean(value, max_length=max_length)
    return _stdout.replace_unencodable(cleaned)


def flush() -> None:
    """Write what is buffered for standard output. Never raises."""
    _stdout.flush()


def is_pipe_closed() -> bool:
    """Return whether the program that reads standard output has ended."""
    return isinstance(_stdout.error, BrokenPipeError)


def check_output(*, even_if_redirected: bool = True) -> None:
    """Raise OutputError if standard output cannot be written, unless its text goes to standard error since then."""
    error = _stdout.error
    if error is not None and (even_if_redirected or not _stdout.is_redirected):
        raise OutputError(f"cannot write to standard output: {getattr(error, 'strerror', None) or error}")


# --- reports and errors --------------------------------------------------------------------------


def report(text: str) -> None:
    """Print a line about a change, on standard error if standard output fails. Never raises."""
    if _stdout.error is None:
        _stdout.write(f"{text}\n")
        _stdout.flush()
    if _stdout.error is not None:
        _stdout.is_redirected = True
        warn(text)


def warn(text: str, *, label: str = "") -> None:
    """Print a line on standard error, with a label in red before it. Never raises."""
    shown = f"{paint(label, 'red') if has_colors(_stderr) else label} " if label else ""
    _stderr.write(f"{shown}{_stderr.replace_unencodable(text)}\n")
    _stderr.flush()
