"""Poller: one request for all who wait for the actions of one stack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from .._clock import Clock
from .._wire import clean
from ..errors import ActionUnfinished, AnswerError
from ..operation import Page

if TYPE_CHECKING:
    from .actions import Action

__all__ = ["Poller"]

_FIRST = 1.0
_GROWTH = 1.5
_LONGEST = 15.0  # what the official client uses from the start


@attrs.define(eq=False)
class _Waiter:
    action: int
    result: asyncio.Future[Action]
    until: datetime | None
    progress: Callable[[Action], None] | None


class Poller:
    """Asks for the state of actions in a task of its own, as long as somebody waits.

    In its own task, so that one who stops waiting does not take the answer from the others.
    """

    def __init__(
        self,
        clock: Clock,
        read: Callable[[int], Awaitable[Action]],
        newest: Callable[[], Awaitable[Page[Action]]],
    ) -> None:
        self._clock = clock
        self._read = read
        self._newest = newest
        self._waiters: list[_Waiter] = []
        self._task: asyncio.Task[None] | None = None
        self._pause = _FIRST
        self._asleep = False
        self._due: datetime | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiters

    async def wait(self, action: int, *, within: float | None, progress: Callable[[Action], None] | None) -> Action:
        """The action once it has ended. Raises ActionUnfinished."""
        until = None if within is None else self._clock.now() + timedelta(seconds=within)
        waiter = _Waiter(action, asyncio.get_running_loop().create_future(), until, progress)
        self._waiters.append(waiter)
        self._pause = _FIRST  # a newcomer's action may be a short one, and the others at their longest pause
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
                waiter.result.exception()  # seen, also by one who was cancelled in the same moment
            if not self._waiters:
                self._task.cancel()
                self._task = self._due = None

    async def _run(self) -> None:
        while self._waiters:
            await self._sleep()
            self._pause = min(self._pause * _GROWTH, _LONGEST)
            await self._ask()

    async def _sleep(self) -> None:
        """Return when it is time for the next request: after the pause, or sooner where somebody has to know."""
        now = self._clock.now()
        ends = [waiter.until for waiter in self._waiters if waiter.until is not None]
        planned = [] if self._due is None else [self._due]
        self._due = due = min([now + timedelta(seconds=self._pause), *ends, *planned])
        self._asleep = True
        await self._clock.sleep(max(0.0, (due - now).total_seconds()))
        self._asleep, self._due = False, None

    async def _ask(self) -> None:
        """Tell everybody of their action: of one by its id, of several from the list of the newest."""
        wanted = {waiter.action for waiter in self._waiters}
        found: dict[int, Action] = {}
        try:
            if len(wanted) > 1:
                found = {action.id: action for action in (await self._newest()).items}
        except AnswerError:
            pass  # one odd action in the list: each is read by itself
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must learn of it
            self._fail(wanted, error)
            return
        for number in wanted - found.keys():
            try:
                found[number] = await self._read(number)
            except Exception as error:  # noqa: BLE001  and those who wait for another action need not
                self._fail({number}, error)
        for waiter in self._waiters:
            if waiter.action in found and not waiter.result.done():
                self._tell(waiter, found[waiter.action])

    def _fail(self, actions: set[int], error: Exception) -> None:
        for waiter in self._waiters:
            if waiter.action in actions and not waiter.result.done():
                waiter.result.set_exception(error)

    def _tell(self, waiter: _Waiter, action: Action) -> None:
        if waiter.progress is not None:
            try:
                waiter.progress(action)
            except Exception as error:  # noqa: BLE001  it is the affair of the one who gave it
                waiter.result.set_exception(error)
            if waiter.result.done():  # it may have cancelled itself
                return
        if action.finished:
            waiter.result.set_result(action)
        elif waiter.until is not None and self._clock.now() >= waiter.until:
            waiter.result.set_exception(
                ActionUnfinished(
                    f"action {action.id} ({clean(str(action.action))}) has not ended in time", action=action
                )
            )
