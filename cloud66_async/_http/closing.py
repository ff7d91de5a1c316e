"""Closing what belongs to the HTTP library: it must not be cancelled half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["finish"]

_running: set[asyncio.Task[None]] = set()


async def finish(closing: Coroutine[Any, Any, None]) -> None:
    """Await `closing` to its end, even if the caller is cancelled meanwhile.

    The library shields itself from the cancel scopes of anyio, but not from `Task.cancel` and `asyncio.timeout`. They
    would leave a socket open, or a slot of its pool taken for good.
    """
    task = asyncio.create_task(closing)
    _running.add(task)  # the event loop has only weak references to its tasks
    task.add_done_callback(_running.discard)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])  # if this is cancelled too, the task goes on alone
        raise
