"""The caller's deadline, whether set with anyio or with asyncio."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, NamedTuple
from weakref import ref

__all__ = ["inherit_deadlines", "time_left"]


class _Caller(NamedTuple):
    """The task for which the current one works, the deadline of its scopes, and its own caller."""

    task: ref[asyncio.Task[Any]]  # weak: the context outlives the task in timers that the event loop still holds
    scope: float
    caller: _Caller | None


_caller: ContextVar[_Caller | None] = ContextVar("cloud66_async_caller", default=None)


def time_left() -> float:
    """Return the seconds until the caller's deadline, or infinity if there is none.

    A deadline that has passed, or a cancelled scope, counts as none: the next await ends the call.
    """
    import anyio  # imported lazily: takes 20 ms, and only retries need it

    deadlines = [anyio.current_effective_deadline(), *_inherited_deadlines()]
    task = asyncio.current_task()
    if task is not None:
        deadlines.extend(_deadlines(task))
    now = asyncio.get_running_loop().time()
    return min((deadline - now for deadline in deadlines if deadline > now), default=float("inf"))


def inherit_deadlines() -> Context:
    """Return a context for tasks that work for the current task: `time_left` also finds its deadlines in them."""
    scope = float("inf")
    if "anyio" in sys.modules:  # otherwise nobody can have set a deadline with it
        import anyio

        scope = anyio.current_effective_deadline()
    context = copy_context()
    task = asyncio.current_task()
    if task is not None:
        context.run(_caller.set, _Caller(ref(task), scope, _caller.get()))
    return context


def _inherited_deadlines() -> Iterator[float]:
    """Yield the deadlines of the tasks for which the current one works."""
    caller = _caller.get()
    while caller is not None:
        yield caller.scope
        task = caller.task()
        if task is not None:
            yield from _deadlines(task)
        caller = caller.caller


def _deadlines(task: asyncio.Task[Any]) -> Iterator[float]:
    """Yield the deadlines that asyncio has set for the task."""
    yield from _timeout_blocks(task)
    if sys.version_info < (3, 12):  # newer versions build `asyncio.wait_for` on `asyncio.timeout`
        yield from _wait_for_calls(task)


def _timeout_blocks(task: asyncio.Task[Any]) -> Iterator[float]:
    """Yield the deadlines of the task's `asyncio.timeout` blocks.

    asyncio does not list them, but each block refers to its task, so the garbage collector can find them. That takes
    about a millisecond in a process with 15,000 objects, which is short compared to any pause.
    """
    for holder in gc.get_referrers(task):
        # A block that was inspected keeps its attributes in a dictionary of its own.
        for block in gc.get_referrers(holder) if type(holder) is dict else (holder,):
            if isinstance(block, asyncio.Timeout) and (when := block.when()) is not None:
                with suppress(RuntimeError):  # raised if the block has ended
                    block.reschedule(when)
                    yield when


def _wait_for_calls(task: asyncio.Task[Any]) -> Iterator[float]:
    """Yield the deadlines of the `asyncio.wait_for` that runs this task, and of the task that called it.

    The end of the task and a timer both resolve a future for which the caller waits. The timer refers to that future.
    """
    release: Any = getattr(asyncio.tasks, "_release_waiter", None)
    for callback in _callbacks(task):
        if release is None or getattr(callback, "func", None) is not release:
            continue
        waiter = callback.args[0]
        for arguments in gc.get_referrers(waiter):
            for timer in gc.get_referrers(arguments) if type(arguments) is tuple else ():
                if type(timer).__name__ == "TimerHandle":  # of asyncio or of uvloop
                    yield timer.when()
        for wakeup in _callbacks(waiter):
            caller: asyncio.Task[Any] | None = getattr(wakeup, "__self__", None)
            if isinstance(caller, asyncio.Task):
                yield from _deadlines(caller)


def _callbacks(future: asyncio.Future[Any]) -> list[Any]:
    return [callback for callback, _ in getattr(future, "_callbacks", None) or ()]
