"""Tasks that a block starts: their end, and the error that they leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

__all__ = ["Failure", "end_tasks"]


class Failure:
    """The error of a task until it is raised, or None.

    What raises it holds this object and not the error: a frame in the traceback of an error that also has the error as
    a variable is a reference cycle, which keeps alive every variable of the frame.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def raise_once(self) -> None:
        """Raise the error, if there is one, and forget it."""
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # the same cycle in this frame


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for them, also in a cancelled scope, and even if the current task is cancelled meanwhile.

    In that case, raise the cancellation when they have ended.
    """
    if all(task.done() for task in tasks):
        return
    import anyio  # imported lazily: takes 20 ms

    again = Failure()
    for task in tasks:
        task.cancel()
    with anyio.CancelScope(shield=True):
        while not all(task.done() for task in tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as cancelled:
                again.error = cancelled
    again.raise_once()
