"""What all commands share: the terminal, and how an error is told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape

from ..errors import APIError, Cloud66Error, ResponseError

__all__ = ["errors", "guarded", "out", "run"]

T = TypeVar("T")

# In a pipe a line is as long as it is: other programs read it.
_PIPE_WIDTH = 4096

out: Console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors: Console = Console(stderr=True, highlight=False, soft_wrap=True)

INTERRUPTED = 130


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, on an event loop of its own."""
    return asyncio.run(work)


def guarded(command: Callable[[], object]) -> None:
    """Run `command`; an error of the SDK is one clear line on standard error and the exit code 1."""
    try:
        command()
    except Cloud66Error as error:
        errors.print(f"[bold red]error:[/] {escape(_line(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # `| head` has left; nothing is wrong
        sys.exit(0)


def _line(error: Cloud66Error) -> str:
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return text if isinstance(error, APIError | ResponseError) and text else text or kind
