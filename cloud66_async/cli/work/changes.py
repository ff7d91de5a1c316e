"""Changes of one stack that start an action: asking before it, and waiting until it has finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ...client import Cloud66
from ...errors import Cloud66Error, TransportError
from ...resources.actions import Action
from ...resources.stacks import Stack
from ...rollout import RolloutState
from ..exits import DONE
from ..lookup.names import full_name
from ..running import run
from ..terminal.console import report
from ..terminal.prompts import confirm
from .endings import Ending, print_task
from .following import Following
from .progress import show_progress
from .tasks import Task, follow

__all__ = ["Change", "carry_out"]


class Change(NamedTuple):
    """A change that is ready to be started.

    Args:
        stack: The stack.
        text: What is done, for example `restart web`.
        start: Function that starts it.
    """

    stack: Stack
    text: str
    start: Callable[[Cloud66], Awaitable[Action]]


def carry_out(
    how: Following, prepare: Callable[[Cloud66], Awaitable[Change]], *, yes: bool, interrupts: bool = False
) -> int:
    """Start a change, wait for it and return the exit code. Ask first, unless `yes`.

    Args:
        how: Whether and how to wait, and how that is told.
        prepare: Function that finds out what to change.
        yes: Whether not to ask.
        interrupts: Whether the change takes something out of service. In production, the name of the stack has to be
            typed then.
    """
    carrying = _Carrying(how)
    if yes:
        return run(carrying.prepare_and_start(prepare))
    change = run(carrying.prepare(prepare))
    stack = change.stack
    is_production = (stack.environment or "").casefold() == "production"
    confirm(
        f"{change.text} of {full_name(stack)}", yes=False, word=stack.name if interrupts and is_production else None
    )
    return run(carrying.start(change))


class _Carrying:
    """The steps of carrying out a change. Each opens a client: questions are asked between them, without event loop."""

    def __init__(self, how: Following) -> None:
        self._how = how
        self._ending = Ending(access=how.access, display=how.display, as_json=how.json)

    async def prepare(self, prepare: Callable[[Cloud66], Awaitable[Change]]) -> Change:
        async with self._how.access.open() as c66:
            return await prepare(c66)

    async def start(self, change: Change) -> int:
        async with self._how.access.open() as c66:
            return await self._start(c66, change)

    async def prepare_and_start(self, prepare: Callable[[Cloud66], Awaitable[Change]]) -> int:
        async with self._how.access.open() as c66:
            return await self._start(c66, await prepare(c66))

    async def _start(self, c66: Cloud66, change: Change) -> int:
        """Start the change and, if that is wanted, wait for its action. Return the exit code.

        If the connection breaks or the user stops before the response, the change may have been started.
        """
        task = Task.of(change.stack)
        try:
            action = await change.start(c66)
        except asyncio.CancelledError:
            task.change(RolloutState.UNKNOWN)
            raise self._ending.stop([task]) from None
        except TransportError as error:
            if not error.sent:
                raise
            task.change(RolloutState.UNKNOWN, None, error)
            return self._ending.finish([task])
        task.change(RolloutState.RUNNING, action)
        return await self._follow(c66, change, task, action)

    async def _follow(self, c66: Cloud66, change: Change, task: Task, action: Action) -> int:
        if not self._how.json and self._how.display != "nothing":
            report(f"{task.name}: {change.text} (action {action.id})")
        if not self._how.waiting.wait:
            if self._how.json:
                print_task(task)
            return DONE
        failure: Cloud66Error | None = None
        try:
            async with show_progress(c66, [task], self._how.display, heartbeat=self._how.progress.heartbeat) as show:
                await follow(c66, task, action, timeout=self._how.waiting.timeout, show=show)
        except asyncio.CancelledError:
            raise self._ending.stop([task]) from None
        except Cloud66Error as error:
            failure = error
        if self._how.json:
            print_task(task)
        return self._ending.finish([task], failure)
