"""Terminal output and error reporting, shared by all commands. No command writes to a stream by any other way.

Output of a command that only reads is its result: if it cannot be written, the command fails. Output of a command
that changes something is a report: if it cannot be written, the change goes on, the report goes to standard error,
and the exit code tells how the change ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from rich.console import Console, RenderableType
from rich.text import Text

from .._core.text import clean
from ..errors import Cloud66Error
from .streams import INTERRUPTED, Stream
from .table import Table

__all__ = [
    "OutputError",
    "console",
    "exit_on_error",
    "is_terminal",
    "plain",
    "print_line",
    "print_result",
    "print_table",
    "report",
    "run",
    "spinner",
    "warn",
]

T = TypeVar("T")

# Other programs read piped output, so its lines are not wrapped.
_PIPE_WIDTH = 4096
# Messages end with advice, which must not be cut off.
_MAX_MESSAGE = 4000

_stdout: Stream = sys.stdout if isinstance(sys.stdout, Stream) else Stream(sys.stdout)
_stderr: Stream = sys.stderr if isinstance(sys.stderr, Stream) else Stream(sys.stderr)


def _create_console(stream: Stream, **options: Any) -> Console:
    # Names of stacks are printed literally, even if they look like "[bold]" or ":name:". Styles are set with Text.
    return Console(file=cast("Any", stream), markup=False, emoji=False, highlight=False, **options)


console: Console = _create_console(_stdout, width=None if _stdout.isatty() else _PIPE_WIDTH)
_errors: Console = _create_console(_stderr, soft_wrap=True)


class OutputError(Exception):
    """Failure to write a result to standard output."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop and return its result."""
    return asyncio.run(work)


def print_result(*results: RenderableType, soft_wrap: bool = False, style: str | None = None) -> None:
    """Print the result of a command that only reads. Raises OutputError."""
    console.print(*results, soft_wrap=soft_wrap, style=style)
    _check_output()


def print_line(text: str) -> None:
    """Print one line for another program, unchanged and without wrapping. Raises OutputError."""
    _stdout.write(f"{text}\n")
    _stdout.flush()
    _check_output()


def is_terminal() -> bool:
    """Return whether people read standard output, not a program."""
    return console.is_terminal


def print_table(table: Table, kind: str) -> None:
    """Print a table and the number of its rows. Raises OutputError."""
    colors = console.is_terminal and console.color_system is not None and not console.no_color
    for line in table.lines(console.width if console.is_terminal else None, colors=colors):
        _stdout.write(f"{line}\n")
    count = len(table.rows)
    print_result(f"{count} {kind}{'' if count == 1 else 's'}", style="dim")


def report(text: str) -> None:
    """Print a line about a change, on standard error if standard output fails. Never raises."""
    if _stdout.error is None:
        console.print(text, soft_wrap=True)
    if _stdout.error is not None:
        _stdout.is_redirected = True
        warn(text)


def warn(text: str | Text) -> None:
    """Print a line on standard error. Never raises."""
    _errors.print(text)


def spinner() -> str:
    """Return the name of a spinner that standard output can represent."""
    return "dots" if _stdout.encoding.lower().startswith("utf") else "line"


def plain(text: object, *, max_length: int | None = None) -> str:
    """Return text from a server as one line of characters that standard output can represent."""
    value = "" if text is None else str(text)
    cleaned = clean(value) if max_length is None else clean(value, max_length=max_length)
    return _stdout.replace_unencodable(cleaned)


def exit_on_error(command: Callable[[], object]) -> None:
    """Run `command` and exit with its code, after one line on standard error that tells what failed."""
    try:
        try:
            command()
        except SystemExit as exiting:
            if exiting.code not in (None, 0):
                raise
        _stdout.flush()
        if not _stdout.is_redirected:
            _check_output()
    except Cloud66Error as error:
        _fail(str(error) or type(error).__name__)
    except OutputError as error:
        if isinstance(_stdout.error, BrokenPipeError):
            sys.exit(0)  # The reading end of the pipe was closed, for example by `| head`: not an error.
        _fail(str(error))
    except KeyboardInterrupt:
        warn("Interrupted")
        sys.exit(INTERRUPTED)


def _fail(message: str) -> None:
    warn(Text.assemble(("error:", "bold red"), " ", clean(message, max_length=_MAX_MESSAGE)))
    sys.exit(1)


def _check_output() -> None:
    error = _stdout.error
    if error is not None:
        raise OutputError(f"cannot write to standard output: {getattr(error, 'strerror', None) or error}")
