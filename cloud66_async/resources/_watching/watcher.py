"""Watcher: reads the states of all actions that tasks of one client wait for, with one token and account."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any

from ..._core.sender import Sender
from ..._core.shared import CLOSED
from ..._core.text import clean
from ...clock import Clock
from ...errors import Cloud66Error, ConfigError
from ...polling import Polling
from ...quota import Allowance, next_hour
from ..actions import Action, ActionUnfinished
from .page_index import Audit, PageIndex
from .round import Round, is_temporary
from .watched import Durations, Subject, Target, Waiter, WatchedStack

__all__ = ["Watcher", "watcher_of"]

_logger = logging.getLogger("cloud66_async")

_SPREAD = 60.0  # seconds after the full hour over which those who waited for it start again


def watcher_of(sender: Sender) -> Watcher:
    """Return the watcher for the token and the account of this sender."""
    shared, headers = sender.identity
    digest = hashlib.sha256(headers.token.encode()).digest()

    def sharers() -> int:
        """Return how many watchers use this quota, for different accounts or tokens."""
        running = [work for work in shared.running() if isinstance(work, Watcher) and not work.idle]
        return sum(work.allowance() is sender.allowance for work in running)

    def create() -> Watcher:
        return Watcher(
            shared.clock,
            lambda: sender.allowance,
            sharers=sharers,
            reserve=shared.reserve or 0,
        )

    found = shared.background(("watcher", digest, dict(headers.pairs).get("X-Account")), create)
    assert isinstance(found, Watcher)
    return found


class Watcher:
    """Reads states in a task of its own as long as any task waits.

    It is a separate task so that one waiter that is cancelled does not affect the others.

    Args:
        clock: Clock of the client.
        allowance: Function that returns the quota of the token.
        sharers: Function that returns how many watchers use the quota.
        reserve: Requests of the hourly quota that must not be used.
    """

    def __init__(
        self,
        clock: Clock,
        allowance: Callable[[], Allowance],
        *,
        sharers: Callable[[], int],
        reserve: int,
    ) -> None:
        self._clock = clock
        self.allowance = allowance
        self._sharers = sharers
        self._reserve = reserve
        self._stacks: dict[str, WatchedStack] = {}
        self._index = PageIndex()
        self._audit = Audit()
        self._durations = Durations()
        self._task: asyncio.Task[None] | None = None
        self._timers: set[asyncio.Task[None]] = set()
        self._asleep = False
        self._responded_at: datetime | None = None  # the hour in which the quota was last reported
        self._warned_until: datetime | None = None

    @property
    def idle(self) -> bool:
        """Whether no task waits."""
        return not self._stacks

    async def wait(
        self,
        subject: Subject,
        *,
        timeout: float | None,  # noqa: ASYNC109  raises an error of ours
        progress: Callable[[Action], None] | None,
    ) -> Action:
        """Wait until the action has finished, and return it. Raises ActionUnfinished after `timeout` seconds."""
        now = self._clock.now()
        stack = self._stacks.get(subject.key)
        if stack is None:
            stack = self._stacks[subject.key] = WatchedStack.of(subject, now)
        target = stack.add(subject, now)
        waiter = Waiter(subject.sender.polling or Polling(), progress, asyncio.get_running_loop().create_future())
        target.waiters.append(waiter)
        timer = None if timeout is None else self._start(self._expire(stack, target, waiter, timeout))
        if timer is not None:
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)
        self._wake()
        try:
            return await waiter.result
        finally:
            if timer is not None:
                timer.cancel()
            self._remove(subject, stack, target, waiter)

    def _remove(self, subject: Subject, stack: WatchedStack, target: Target, waiter: Waiter) -> None:
        """Remove a task that no longer waits. The last one ends the watcher's task."""
        if waiter.result.done() and not waiter.result.cancelled():
            waiter.result.exception()  # mark as retrieved, even if the waiter was cancelled at the same time
        target.waiters.remove(waiter)
        if not target.waiters and stack.targets.get(target.number) is target:
            del stack.targets[target.number]
        if not stack.targets and self._stacks.get(subject.key) is stack:
            del self._stacks[subject.key]
        if not self._stacks:
            self._index, self._audit = PageIndex(), Audit()  # the next wait may be much later
            task, self._task = self._task, None
            if task is not None:
                task.cancel()

    def notice(self, uid: str) -> None:
        """Read the actions of this stack soon, because something has happened to it."""
        found = [stack for stack in self._stacks.values() if stack.uid == uid]
        for stack in found:
            stack.notice(self._clock.now())
        if found:
            self._wake()

    async def aclose(self) -> None:
        """Raise ConfigError in every task that waits, and end all requests."""
        self._fail(ConfigError(CLOSED))
        task, self._task = self._task, None
        tasks = [task for task in (task, *self._timers) if task is not None and not task.done()]
        for running in tasks:
            running.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- the task --------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Start the task, or let it compute anew until when it sleeps."""
        if self._task is None or self._task.done():
            self._task = self._start(self._work())
        elif self._asleep:
            self._asleep = False
            self._task.cancel()
            self._task = self._start(self._work())

    @staticmethod
    def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # An empty context: the task belongs to none of those who wait, and must not have the deadline of one of them.
        return asyncio.get_running_loop().create_task(work, context=Context())

    async def _work(self) -> None:
        try:
            while self._stacks:
                await self._read(await self._sleep())
        except asyncio.CancelledError:
            if self._task is asyncio.current_task():  # cancelled from outside, for example at the end of a program
                for waiter in self._waiters():
                    waiter.result.cancel()
            raise
        except Exception as error:  # noqa: BLE001  raised in every task that waits
            self._asleep = False
            self._fail(error)
        except BaseException:  # ends the program, or a test of its end
            for waiter in self._waiters():
                waiter.result.cancel()
            raise

    async def _sleep(self) -> datetime:
        """Sleep until the next reading is due. Return the time."""
        due = min(stack.wakes_at for stack in self._stacks.values())
        self._asleep = True
        await self._clock.sleep(max(0.0, (due - self._clock.now()).total_seconds()))
        self._asleep = False
        return max(due, self._clock.now())

    async def _read(self, now: datetime) -> None:
        """Read everything that is due, and decide when it is read again."""
        left = self._left()
        polling = next(iter(self._stacks.values())).polling
        current = self._round(now, None if left is None else max(1, int(polling.share * left)))
        await current.run()
        if current.responded:
            self._responded_at = self._clock.now()
        self._schedule(current)

    def _round(self, now: datetime, allowed: int | None) -> Round:
        return Round(
            self._clock,
            tuple(self._stacks.values()),
            now,
            index=self._index,
            audit=self._audit,
            durations=self._durations,
            allowed=allowed,
        )

    def _left(self) -> int | None:
        """Return how many requests remain this hour without the reserve, or None if no response of this hour said."""
        remaining, reported = self.allowance().quota.remaining, self._responded_at
        if remaining is None or reported is None or next_hour(reported) <= self._clock.now():
            return None
        return max(0, remaining - self._reserve) // max(1, self._sharers())

    def _schedule(self, current: Round) -> None:
        """Decide when the stacks of a round are read again."""
        now, left = self._clock.now(), self._left()
        plan = self._index.plan(self._stacks.values())
        owed = sum(stack.owed for group in plan.pages.values() for stack in group)
        hour_left = (next_hour(now) - now).total_seconds()
        later = random.uniform(0.0, _SPREAD)  # noqa: S311  no secret
        for stack in current.touched:
            polling, age, known = stack.polling, stack.age(now), self._durations.of(stack)
            seconds = polling.pause(age, plan.cost, left, owed, hour_left, known=known)
            if seconds > hour_left and seconds > polling.pause(age, plan.cost, None, owed, hour_left, known=known):
                seconds = hour_left + later  # many programs wait for the new hour
            stack.due = now + timedelta(seconds=seconds)
            if current.retry_at is not None and current.retry_at > stack.due:
                stack.due = current.retry_at + timedelta(seconds=later if current.retry_at >= next_hour(now) else 0.0)
        self._warn(owed, left, now)

    def _warn(self, owed: int, left: int | None, now: datetime) -> None:
        """Log once an hour that the results alone need more requests than waiting may use."""
        if left is None or owed <= next(iter(self._stacks.values())).polling.share * left or self._is_warned(now):
            return
        self._warned_until = next_hour(now)
        _logger.warning(
            "waiting for %d results with %d requests left this hour: some are read in the next hour; "
            "Polling(results='list') needs fewer requests",
            owed,
            left,
        )

    def _is_warned(self, now: datetime) -> bool:
        return self._warned_until is not None and now < self._warned_until

    # --- timeouts and errors ---------------------------------------------------------------------

    async def _expire(self, stack: WatchedStack, target: Target, waiter: Waiter, seconds: float) -> None:
        """Read one action at the timeout of a task. If it has not finished, raise ActionUnfinished in the task."""
        cause: Exception | None = None
        try:
            await self._clock.sleep(max(0.0, seconds))
            read_now = target.read_at is not None and target.read_at >= self._clock.now()
            if not read_now and not self._is_exhausted():  # without quota, the request would wait for the new hour
                target.tell(await stack.read(target.number), self._clock.now())
        except Exception as error:  # noqa: BLE001  raised in the task
            if not (isinstance(error, Cloud66Error) and is_temporary(error)):
                waiter.fail(error)
                return
            cause = error
        action = target.latest or Action(id=target.number, action=target.label or None, stack=stack.uid)
        name = f"action {action.id} ({clean(action.action)})" if action.action else f"action {action.id}"
        problem = ActionUnfinished(f"{name} did not finish before the timeout", action=action)
        problem.__cause__ = cause
        waiter.fail(problem)

    def _is_exhausted(self) -> bool:
        remaining = self.allowance().quota.remaining
        return remaining is not None and remaining <= self._reserve

    def _waiters(self) -> list[Waiter]:
        return [
            waiter for stack in self._stacks.values() for target in stack.targets.values() for waiter in target.waiters
        ]

    def _fail(self, error: Exception) -> None:
        for waiter in self._waiters():
            waiter.fail(error)
