"""Ctrl+C and SIGTERM: the first one cancels the work, the next one ends the program at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from .exits import INTERRUPTED, TERMINATED, Stopped
from .terminal.console import is_terminal

__all__ = ["run_until_stopped"]

T = TypeVar("T")

_SHOW_CURSOR = b"\x1b[?25h"  # a live display hides it


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop and return its result. Raises Stopped after Ctrl+C and SIGTERM."""
    signals = _Signals()
    with signals.handled():
        return asyncio.run(signals.cancelling(work))


class _Signals:
    """Handlers of both signals, also while the event loop closes, which waits for threads that nothing can stop."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._cancel: Callable[[], object] | None = None

    @contextmanager
    def handled(self) -> Generator[None]:
        """Handle the signals during the block."""
        before = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) is not signal.SIG_IGN  # a shell's background job: Ctrl+C is for another program
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def cancelling(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, and cancel it at a signal."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._received is not None:
            task.cancel()
        try:
            return await work
        except asyncio.CancelledError:
            if self._received is None:
                raise
            raise Stopped("Interrupted" if self._code == INTERRUPTED else "Terminated", code=self._code) from None
        except Stopped as stopped:
            stopped.code = stopped.code if self._received is None else self._code
            raise
        finally:
            self._cancel = None

    @property
    def _code(self) -> int:
        return TERMINATED if self._received == signal.SIGTERM else INTERRUPTED

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature of every handler
        if self._received is not None:
            _leave(TERMINATED if number == signal.SIGTERM else INTERRUPTED)
        self._received = number
        if self._cancel is not None:
            self._cancel()


def _leave(code: int) -> None:
    """End the program at once, without waiting for threads."""
    if is_terminal():
        os.write(1, _SHOW_CURSOR)
    os._exit(code)
