"""Functions that may block, called while the event loop runs and abandoned if they do not return."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar, cast

__all__ = ["call", "restored_terminal", "start"]

T = TypeVar("T")

# Seconds. Ctrl+C does not wake an event loop if the signal arrives in another thread, or just before the loop starts to
# wait: it is noticed when the loop runs the next time.
_WAKE = 0.25


async def call(function: Callable[[str], T | Awaitable[T]], argument: str) -> T:
    """Return the result of the function. Neither the event loop nor the exit of the process waits for it.

    A coroutine function is awaited. Any other function is called in a thread, as `start` does it.
    """
    started = start(function, argument)
    del argument  # a traceback may show local variables
    result: Any = await started
    return cast("T", await result if inspect.isawaitable(result) else result)


def start(function: Callable[[str], object], argument: str) -> asyncio.Future[Any]:
    """Call the function in a thread, and return a future of its result, which may be an awaitable.

    If the future is cancelled, the thread is abandoned: it remains until the function returns, whose result is lost.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()
    if inspect.iscoroutinefunction(function):
        outcome.set_result(function(argument))
        return outcome

    def settle(result: object, error: Exception | None) -> None:
        if outcome.cancelled():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def run() -> None:
        # Python aborts at its exit if it deletes this object while a thread reads from it. A reference prevents that.
        _kept = sys.stdin
        result, failure = None, None
        try:
            result = function(argument)
        except Exception as error:  # noqa: BLE001 (raised again in the task that awaits the outcome)
            failure = error
        with contextlib.suppress(RuntimeError):  # the event loop is closed, so no task awaits the outcome
            loop.call_soon_threadsafe(settle, result, failure)

    _wake_until_done(loop, outcome)
    # Not a thread of an executor: Python waits for those at its exit.
    threading.Thread(target=run, name="cloud66-async login", daemon=True).start()
    return outcome


def _wake_until_done(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Any]) -> None:
    timer: asyncio.TimerHandle | None = None

    def wake() -> None:
        nonlocal timer
        timer = None if outcome.done() else loop.call_later(_WAKE, wake)

    wake()
    outcome.add_done_callback(lambda _: None if timer is None else timer.cancel())


@contextlib.contextmanager
def restored_terminal() -> Generator[None]:
    """Restore the settings of the terminal if the block is cancelled or fails, or if the process exits meanwhile.

    A prompt in another thread, which turned off the echo, cannot do it then, because it still waits for input.
    """
    try:
        import termios  # not on Windows, where no setting of the terminal outlives a prompt

        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except (ImportError, OSError):  # no terminal
        yield
        return
    settings = termios.tcgetattr(terminal)

    def restore() -> None:
        if termios.tcgetattr(terminal) != settings:
            # As `getpass` does it: what was typed, perhaps half of a code, must not become the next command.
            termios.tcsetattr(terminal, termios.TCSAFLUSH, settings)

    atexit.register(restore)  # Ctrl+C does not reach this block if nothing but `run_until_complete` runs the event loop
    try:
        yield
    except BaseException:
        restore()
        raise
    finally:
        atexit.unregister(restore)
        os.close(terminal)
