"""Running a command: its event loop, signals, errors and exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from ..errors import Cloud66Error
from .console import check_output, flush, is_pipe_closed, warn
from .exits import DONE, INTERRUPTED, TERMINATED, CommandError, OutputError, Stopped, failure_of

__all__ = ["exit_on_error", "run"]

T = TypeVar("T")


class _Terminated(Exception):
    """The process received SIGTERM."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop and return its result.

    Ctrl+C and SIGTERM cancel it. A second Ctrl+C ends the program without waiting for what it does then.
    """
    return asyncio.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    with _termination() as is_terminated:
        try:
            return await work
        except asyncio.CancelledError:
            if is_terminated():
                raise _Terminated from None
            raise
        except Stopped as stopped:
            if is_terminated():
                stopped.code = TERMINATED
            raise


@contextmanager
def _termination() -> Generator[Callable[[], bool]]:
    """Cancel the current task at SIGTERM. The function that is returned tells whether that has happened."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received = False

    def stop() -> None:
        nonlocal received
        received = True
        if task is not None:
            task.cancel()

    with suppress(NotImplementedError):  # Windows has no such handlers
        loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield lambda: received
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)


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
    except _Terminated:
        warn("Terminated")
        code = TERMINATED
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
