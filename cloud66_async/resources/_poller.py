"""Poller: shared polling for all tasks that wait for actions of one stack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import attrs

from .._core.text import clean
from ..clock import Clock
from ..errors import ResponseError
from ..operation import Page
from .actions import Action, ActionUnfinished

__all__ = ["Poller"]

_FIRST_PAUSE = 1.0
_GROWTH = 1.5
_MAX_PAUSE = 15.0  # the official client's interval


@attrs.define(eq=False)
class _Waiter:
    action: int
    result: asyncio.Future[Action]
    deadline: datetime | None
    progress: Callable[[Action], None] | None


class Poller:
    """Polls actions in a task of its own as long as any task is waiting.

    It is a separate task so that one waiter that is cancelled does not affect the others.
    """

    def __init__(
        self,
        clock: Clock,
        read: Callable[[int], Awaitable[Action]],
        read_latest: Callable[[], Awaitable[Page[Action]]],
    ) -> None:
        self._clock = clock
        self._read = read
        self._read_latest = read_latest
        self._waiters: list[_Waiter] = []
        self._task: asyncio.Task[None] | None = None
        self._pause = _FIRST_PAUSE
        self._asleep = False
        self._due: datetime | None = None

    @property
    def idle(self) -> bool:
        """Whether no task is waiting."""
        return not self._waiters

    async def wait(
        self,
        action: int,
        *,
        timeout: float | None,  # noqa: ASYNC109  raises an error of ours
        progress: Callable[[Action], None] | None,
    ) -> Action:
        """Wait until the action has finished, and return it. Raises ActionUnfinished after `timeout` seconds."""
        deadline = None if timeout is None else self._clock.now() + timedelta(seconds=timeout)
        waiter = _Waiter(action, asyncio.get_running_loop().create_future(), deadline, progress)
        self._waiters.append(waiter)
        self._pause = _FIRST_PAUSE  # the new action may be short, while the others' pause has grown
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        elif self._asleep:
            self._task.cancel()
            self._task = asyncio.create_task(self._run())
        try:
            return await waiter.result
        finally:
            self._waiters.remove(waiter)
            if waiter.result.done() and not waiter.result.cancelled():
                waiter.result.exception()  # mark as retrieved, even if the waiter was cancelled at the same time
            if not self._waiters:
                self._task.cancel()
                self._task = self._due = None

    async def _run(self) -> None:
        while self._waiters:
            try:
                await self._sleep()
            except Exception as error:  # noqa: BLE001  raised in every waiter: the clock may be the caller's own
                self._asleep, self._due = False, None
                self._fail({waiter.action for waiter in self._waiters}, error)
                return
            self._pause = min(self._pause * _GROWTH, _MAX_PAUSE)
            await self._poll()

    async def _sleep(self) -> None:
        """Sleep until the next request is due: after the pause, or earlier if a waiter's deadline passes."""
        now = self._clock.now()
        deadlines = [waiter.deadline for waiter in self._waiters if waiter.deadline is not None]
        planned = [] if self._due is None else [self._due]
        self._due = due = min([now + timedelta(seconds=self._pause), *deadlines, *planned])
        self._asleep = True
        await self._clock.sleep(max(0.0, (due - now).total_seconds()))
        self._asleep, self._due = False, None

    async def _poll(self) -> None:
        """Read one action by its ID, or several from the list of the latest, and notify the waiters."""
        wanted = {waiter.action for waiter in self._waiters}
        found: dict[int, Action] = {}
        try:
            if len(wanted) > 1:
                found = {action.id: action for action in (await self._read_latest()).items}
        except ResponseError:
            pass  # one action in the list cannot be decoded: read each one separately
        except Exception as error:  # noqa: BLE001  raised in every waiter
            self._fail(wanted, error)
            return
        for number in wanted - found.keys():
            try:
                found[number] = await self._read(number)
            except Exception as error:  # noqa: BLE001  raised in the waiters of this action only
                self._fail({number}, error)
        for waiter in self._waiters:
            if waiter.action in found and not waiter.result.done():
                self._notify(waiter, found[waiter.action])

    def _fail(self, actions: set[int], error: Exception) -> None:
        for waiter in self._waiters:
            if waiter.action in actions and not waiter.result.done():
                waiter.result.set_exception(error)

    def _notify(self, waiter: _Waiter, action: Action) -> None:
        if waiter.progress is not None:
            try:
                waiter.progress(action)
            except Exception as error:  # noqa: BLE001  raised in the waiter that passed the function
                waiter.result.set_exception(error)
            if waiter.result.done():  # the function may have cancelled its own task
                return
        if action.finished:
            waiter.result.set_result(action)
        elif waiter.deadline is not None and self._clock.now() >= waiter.deadline:
            waiter.result.set_exception(
                ActionUnfinished(
                    f"action {action.id} ({clean(str(action.action))}) did not finish before the timeout",
                    action=action,
                )
            )
