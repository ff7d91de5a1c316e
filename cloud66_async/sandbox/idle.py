"""Detection of an event loop in which nothing happens until a clock advances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["IdleWatcher"]

# A finished task needs an iteration or two to wake the task that awaits it. If the event loop shows its queue of ready
# callbacks, as asyncio's own does, two iterations with an empty queue are proof. uvloop does not show it.
_ITERATIONS = 2
_ITERATIONS_WITHOUT_QUEUE = 8
# Without the queue, the tasks are looked at, which takes long if there are many: after 200 iterations, only in every
# sixteenth.
_OFTEN, _SELDOM = 200, 16
# A loop that is never idle, for example because a task repeats `await asyncio.sleep(0)` until something has happened.
_ENDLESS_ITERATIONS = 10_000
_ENDLESS_SECONDS = 0.25
# The same for a task that repeats `await asyncio.sleep(0.001)`: each time, the grace period starts again.
_MAX_CHANGES = 10

# Where a task can only be resumed by another task or by the clock. It cannot be a socket, a thread or a timer.
_INTERNAL = {
    ("anyio._backends._asyncio", "TaskGroup.__aexit__"),
    ("anyio._backends._asyncio", "TestRunner._call_in_runner_task"),
    ("asyncio.locks", "Lock.acquire"),
    ("asyncio.locks", "Semaphore.acquire"),
    ("asyncio.taskgroups", "TaskGroup.__aexit__"),
    ("asyncio.taskgroups", "TaskGroup._aexit"),
    ("cloud66_async._core.limiter", "Limiter.acquire"),
    ("cloud66_async.resources._watching.watcher", "Watcher.wait"),
    ("cloud66_async.sandbox.clock", "FakeClock.sleep"),
}

_Waiting = dict["asyncio.Task[Any]", "asyncio.Future[Any] | None"]

# Callbacks of watchers in the queue of each loop: two clocks in one loop must not take each other for activity.
_queued: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


class IdleWatcher:
    """Watcher of one event loop. It calls `on_idle` once after each `start`, when every task waits.

    A task may wait for a thread, a socket or a timer, which an event loop does not tell. Unless it is certain that no
    task does, the loop must be idle for a grace period in real time.

    Args:
        loop: Event loop to watch.
        on_idle: Function that is called in the event loop.
        grace: Grace period in seconds.
        shared: Function that returns whether other event loops take part, so that the grace period always applies.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_idle: Callable[[], None], *, grace: float, shared: Callable[[], bool]
    ) -> None:
        self._loop = loop
        self._on_idle = on_idle
        self._grace = grace
        self._shared = shared
        self._checks = False  # whether a check is queued
        self._timer: asyncio.TimerHandle | None = None
        self._reset()

    def start(self) -> None:
        """Watch the loop from now on. Call it in the event loop."""
        self._reset()
        self._check_soon()

    def _reset(self) -> None:
        self._iterations = self._quiet = self._changes = 0
        self._started = self._since = self._loop.time()
        self._waiting: _Waiting | None = None

    def _check_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._checks:
            self._checks = True
            _queued[self._loop] = _queued.get(self._loop, 0) + 1
            self._loop.call_soon(self._check)

    def _check(self) -> None:
        """Check once in each iteration of the loop, until it is idle."""
        self._checks = False
        _queued[self._loop] -= 1
        self._iterations += 1
        ready = self._ready()
        needed = _ITERATIONS_WITHOUT_QUEUE if ready is None else _ITERATIONS
        idle = self._tasks_wait(needed) if ready is None else ready == 0
        self._quiet = self._quiet + 1 if idle else 0
        if self._quiet >= needed:
            self._settle(self._tasks())
        elif self._is_endless():
            self._on_idle()
        else:
            self._check_soon()

    def _tasks_wait(self, needed: int) -> bool:
        """Return whether every task waits. The first and the last of the needed iterations are checked."""
        if 0 < self._quiet < needed - 1:
            return True
        if self._quiet == 0 and self._iterations > _OFTEN and self._iterations % _SELDOM:
            return False
        return all(map(_is_pending, self._tasks().values()))

    def _settle(self, waiting: _Waiting) -> None:
        """Report that the loop is idle, or wait for the end of the grace period."""
        now = self._loop.time()
        if not self._shared() and all(_is_internal(task, future) for task, future in waiting.items()):
            self._on_idle()
            return
        if self._waiting is None or not _same(waiting, self._waiting):
            self._waiting, self._since = waiting, now
            self._changes += 1
        if now - self._since >= self._grace or self._changes > _MAX_CHANGES:
            self._on_idle()
            return
        self._quiet = 0
        self._timer = self._loop.call_at(self._since + self._grace, self._check_soon)

    def _is_endless(self) -> bool:
        return self._iterations >= _ENDLESS_ITERATIONS and self._loop.time() - self._started >= _ENDLESS_SECONDS

    def _tasks(self) -> _Waiting:
        return {task: _future(task) for task in asyncio.all_tasks(self._loop)}

    def _ready(self) -> int | None:
        """Return the number of callbacks that are ready to run, or None if the loop does not tell."""
        queue = getattr(self._loop, "_ready", None)
        return None if queue is None else len(queue) - _queued[self._loop]


def _future(task: asyncio.Task[Any]) -> asyncio.Future[Any] | None:
    """Return the future for which the task waits, or None if it is about to run."""
    found: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    return found


def _is_pending(future: asyncio.Future[Any] | None) -> bool:
    return future is not None and not future.done()


def _same(waiting: _Waiting, before: _Waiting) -> bool:
    return waiting.keys() == before.keys() and all(before[task] is future for task, future in waiting.items())


def _is_internal(task: asyncio.Task[Any], future: asyncio.Future[Any] | None) -> bool:
    """Return whether only another task or the clock can resume this task."""
    if isinstance(future, asyncio.Task):
        return True
    children = getattr(future, "_children", None)  # of `asyncio.gather`
    if children is not None:
        return all(isinstance(child, asyncio.Task) for child in children)
    return _position(task.get_coro()) in _INTERNAL


def _position(coroutine: Any) -> tuple[str, str] | None:
    """Return module and name of the innermost async function, or None if it cannot be found."""
    while True:
        inner = getattr(coroutine, "cr_await", None)
        if not hasattr(inner, "cr_frame"):
            break
        coroutine = inner
    frame = getattr(coroutine, "cr_frame", None)
    return None if frame is None else (frame.f_globals.get("__name__", ""), frame.f_code.co_qualname)
