"""Running a command: its event loop, signals, errors and exit code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

from ..errors import Cloud66Error, Cloud66Warning
from .exits import DONE, INTERRUPTED, CommandError, OutputError, Stopped, failure_of
from .terminal.console import check_output, flush, is_pipe_closed, warn

__all__ = ["exit_on_error", "run"]

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop and return its result.

    Ctrl+C and SIGTERM cancel it. The next one ends the program without waiting for what it does then.
    """
    from .stopping import run_until_stopped  # imported lazily: asyncio takes 40 ms, and the help does not need it

    with _printed_notices():
        return run_until_stopped(work)


@contextmanager
def _printed_notices() -> Generator[None]:
    """Print warnings of the API as lines for people, even if the environment turns Python's warnings into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Cloud66Warning)
        others = warnings.showwarning

        def show(  # noqa: PLR0917  the signature of warnings.showwarning
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, Cloud66Warning):
                warn(f"Cloud 66 says: {message}")
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def exit_on_error(command: Callable[[], object]) -> None:
    """Run `command` and exit with its code, after lines on standard error that tell what failed and what to do.

    A command that returns a number has it as its exit code.
    """
    try:
        code = _complete(command)
    except OutputError as error:
        # The reading end of the pipe was closed, for example by `| head`: not an error.
        code = DONE if is_pipe_closed() else _fail(error)
    except (Cloud66Error, CommandError) as error:
        code = _fail(error)
    except Stopped as stopped:
        for line in stopped.lines:
            warn(line)
        code = stopped.code
    except KeyboardInterrupt:
        warn("Interrupted")
        code = INTERRUPTED
    if code != DONE:
        sys.exit(code)


def _complete(command: Callable[[], object]) -> int:
    result: object = None
    try:
        result = command()
    except SystemExit as exiting:
        if exiting.code not in (None, DONE):
            raise
    flush()
    check_output(even_if_redirected=False)
    return result if isinstance(result, int) else DONE


def _fail(error: Exception) -> int:
    failure = failure_of(error)
    warn(failure.text, label="error:")
    for line in failure.advice:
        warn(line if line.startswith(" ") else f"  {line}")
    return failure.code
