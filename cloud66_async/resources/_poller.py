"""Poller: one request for all who wait for the actions of one stack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from .._clock import Clock
from ..errors import ActionUnfinished
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

    @property
    def idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiters

    async def wait(self, action: int, *, within: float | None, progress: Callable[[Action], None] | None) -> Action:
        """The action once it has ended. Raises ActionUnfinished."""
        until = None if within is None else self._clock.now() + timedelta(seconds=within)
        waiter = _Waiter(action, asyncio.get_running_loop().create_future(), until, progress)
        self._waiters.append(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            return await waiter.result
        finally:
            self._waiters.remove(waiter)
            if waiter.result.done() and not waiter.result.cancelled():
                waiter.result.exception()  # seen, also by one who was cancelled in the same moment
            if not self._waiters:
                self._task.cancel()

    async def _run(self) -> None:
        pause = _FIRST
        known = len(self._waiters)
        try:
            while self._waiters:
                await self._clock.sleep(self._until_next(pause))
                pause = min(pause * _GROWTH, _LONGEST)
                if len(self._waiters) > known:
                    pause = _FIRST  # a newcomer's action may be a short one
                known = len(self._waiters)
                self._tell(await self._ask())
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must learn of it
            for waiter in self._waiters:
                if not waiter.result.done():
                    waiter.result.set_exception(error)

    def _until_next(self, pause: float) -> float:
        ends = [waiter.until for waiter in self._waiters if waiter.until is not None]
        if not ends:
            return pause
        return max(0.0, min(pause, (min(ends) - self._clock.now()).total_seconds()))

    async def _ask(self) -> dict[int, Action]:
        """The state of every action that is waited for: of one by its id, of several from the list."""
        wanted = {waiter.action for waiter in self._waiters if not waiter.result.done()}
        found: dict[int, Action] = {}
        if len(wanted) > 1:
            found = {action.id: action for action in (await self._newest()).items}
        for number in wanted - found.keys():
            found[number] = await self._read(number)
        return found

    def _tell(self, found: dict[int, Action]) -> None:
        now = self._clock.now()
        for waiter in self._waiters:
            action = found.get(waiter.action)
            if action is None or waiter.result.done():
                continue
            if waiter.progress is not None:
                waiter.progress(action)
            if action.finished:
                waiter.result.set_result(action)
            elif waiter.until is not None and now >= waiter.until:
                waiter.result.set_exception(
                    ActionUnfinished(f"action {action.id} ({action.action}) has not ended in time", action=action)
                )
