"""Terminal output and error reporting, shared by all commands."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape

from .._core.text import clean
from ..errors import Cloud66Error

__all__ = ["errors", "exit_on_error", "out", "run", "to_markup"]

T = TypeVar("T")

# Other programs read piped output, so its lines are not wrapped.
_PIPE_WIDTH = 4096

out: Console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors: Console = Console(stderr=True, highlight=False, soft_wrap=True)

INTERRUPTED = 130


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop and return its result."""
    return asyncio.run(work)


def exit_on_error(command: Callable[[], object]) -> None:
    """Run `command`. Print an error of the SDK as one line on standard error and exit with code 1."""
    try:
        command()
    except Cloud66Error as error:
        errors.print(f"[bold red]error:[/] {to_markup(str(error)) or type(error).__name__}")
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("Interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # The reading end of the pipe was closed, for example by `| head`: not an error.
        sys.exit(0)


def to_markup(text: str | None) -> str:
    """Return text from a server as rich markup that prints it on one line and literally."""
    return escape(clean(text or ""))
