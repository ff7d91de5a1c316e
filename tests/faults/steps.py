"""Cancellation at a chosen suspension: a coroutine is counted through its awaits and ended at one of them.

Nothing sleeps and nothing depends on the speed of the machine: the number of the suspension decides.
"""

# ruff: noqa: PT017  a run ends with an error or without one

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

import anyio

__all__ = ["WAYS", "Ended", "SiblingFailed", "Stepped", "Way"]

T = TypeVar("T")
Act = Callable[[], object]


class Stepped(Generic[T]):
    """Awaits a coroutine, counts how often it is suspended, and calls `act` at the suspension with the number `at`.

    With `woken`, `act` is called when what the coroutine waits for has arrived, just before it continues: the result
    is there and must not be lost, nor be taken for one that nobody holds.
    """

    def __init__(self, use: Coroutine[Any, Any, T], at: int, act: Act, *, woken: bool = False) -> None:
        self.count = 0
        self.acted = False
        self._use = use
        self._at = at
        self._act = act
        self._woken = woken

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self._use.__await__()
        advance: Callable[[Any], Any] = inner.send
        argument: Any = None
        while True:
            try:
                waited_for = advance(argument)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            self.count += 1
            if self.count == self._at:
                self._arrange(waited_for)
            try:
                argument = yield waited_for
            except BaseException as error:
                advance, argument = inner.throw, error
            else:
                advance = inner.send

    def _arrange(self, waited_for: Any) -> None:
        self.acted = True
        if self._woken and waited_for is not None:
            waited_for.add_done_callback(self._on_result)  # runs before the task's own callback
        else:
            self._act()

    def _on_result(self, _: object) -> None:
        self._act()


class SiblingFailed(Exception):
    """The other task of a group failed."""


class Ended(NamedTuple):
    """How a run ended: at this suspension or not, and with this error or None."""

    acted: bool
    error: BaseException | None


Way = Callable[[Coroutine[Any, Any, object], int], Awaitable[Ended]]


async def _run(steps: Callable[[], Coroutine[Any, Any, Stepped[object]]]) -> Ended:
    """Run in a task of its own, because a way ends tasks."""
    task = asyncio.create_task(steps())
    await asyncio.wait([task])
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    return Ended(False, error) if error is not None else Ended(task.result().acted, None)


def _check_uncancelled() -> None:
    """Fail if the deadline has left a cancellation behind, which would end something else later."""
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def by_cancel(use: Coroutine[Any, Any, object], at: int, *, woken: bool = False) -> Ended:
    """Call `cancel` of the task."""
    stepped = Stepped(use, at, lambda: task.cancel(), woken=woken)  # noqa: PLW0108  the task does not exist yet

    async def steps() -> object:
        return await stepped

    task = asyncio.create_task(steps())
    await asyncio.wait([task])
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if stepped.acted:
        assert isinstance(error, asyncio.CancelledError), f"the cancellation was swallowed: {error!r}"
        return Ended(True, None)
    return Ended(False, error)


async def by_late_cancel(use: Coroutine[Any, Any, object], at: int) -> Ended:
    """Call `cancel` of the task when it has something to continue with."""
    return await by_cancel(use, at, woken=True)


async def by_timeout(use: Coroutine[Any, Any, object], at: int) -> Ended:
    """Let a deadline of asyncio pass."""

    async def steps() -> Stepped[object]:
        now = asyncio.get_running_loop().time
        scope = asyncio.timeout(None)
        stepped = Stepped(use, at, lambda: scope.reschedule(now()))
        try:
            async with scope:
                await stepped
        except TimeoutError as error:
            assert type(error) is TimeoutError
            assert scope.expired(), f"another timeout: {error!r}"
        _check_uncancelled()
        return stepped

    return await _run(steps)


async def by_fail_after(use: Coroutine[Any, Any, object], at: int) -> Ended:
    """Let a deadline of anyio pass."""

    async def steps() -> Stepped[object]:
        stepped: Stepped[object] | None = None
        try:
            with anyio.fail_after(None) as scope:

                def expire() -> None:
                    scope.deadline = anyio.current_time()

                stepped = Stepped(use, at, expire)
                await stepped
        except TimeoutError as error:
            assert type(error) is TimeoutError
        _check_uncancelled()
        assert stepped is not None
        return stepped

    return await _run(steps)


async def by_sibling(use: Coroutine[Any, Any, object], at: int) -> Ended:
    """Let another task of the same task group fail."""

    async def steps() -> Stepped[object]:
        started = asyncio.get_running_loop().create_future()
        stepped = Stepped(use, at, lambda: started.set_result(True))

        async def fail() -> None:
            if await started:
                raise SiblingFailed

        async def use_it() -> None:
            await stepped
            if not started.done():
                started.set_result(False)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(use_it())
        except* SiblingFailed:
            pass
        return stepped

    return await _run(steps)


WAYS: dict[str, Way] = {
    "cancel": by_cancel,
    "late cancel": by_late_cancel,
    "asyncio.timeout": by_timeout,
    "anyio.fail_after": by_fail_after,
    "sibling": by_sibling,
}
