"""Stacks and actions that tasks wait for, and what is known of them. Nothing here sends a request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import attrs

from ..._core.sender import Sender
from ...operation import Page
from ...polling import Polling
from ..actions import Action
from ..stacks import Stack, StackStatus

__all__ = ["Durations", "Subject", "Target", "Waiter", "WatchedStack"]

_FIRST_PAUSE = timedelta(seconds=2)
_FIRST_CHECK = timedelta(seconds=900)  # age at which an action is first read although its stack has not changed
_MAX_FALSE_CHANGES = 3  # a deployment that is queued and then started changes its stack as often
_NOTICE_PAUSE = timedelta(seconds=5)
_MAX_DURATIONS = 30
_MAX_LABELS = 64
_DEFAULT = Polling()
_RUNNING = (StackStatus.QUEUED_FOR_DEPLOYMENT, StackStatus.DEPLOYING)


@attrs.frozen(eq=False)
class Subject:
    """What to wait for, and how its state is read.

    Args:
        key: What distinguishes it from other ways to read the same stack.
        stack: uid of the stack.
        number: ID of the action or of the deployment.
        label: Name of the action if it is known.
        deploys: Whether it is a deployment.
        sender: Sender with the options of the task that waits.
        read: Function that returns the state of one action.
        read_latest: Function that returns the states of the latest actions of the stack.
    """

    key: str
    stack: str
    number: int
    label: str
    deploys: bool
    sender: Sender
    read: Callable[[int], Awaitable[Action]]
    read_latest: Callable[[], Awaitable[Page[Action]]]


@attrs.define(eq=False)
class Waiter:
    """A task that waits."""

    polling: Polling
    progress: Callable[[Action], None] | None
    result: asyncio.Future[Action]
    told: bool = False

    def tell(self, action: Action) -> None:
        """Pass a state of the action to the task."""
        if self.result.done():
            return
        self.told = True
        if self.progress is not None:
            try:
                self.progress(action)
            except Exception as error:  # noqa: BLE001  raised in the task that passed the function
                self.fail(error)
        if action.finished and not self.result.done():  # the function may have cancelled its own task
            self.result.set_result(action)

    def fail(self, error: Exception) -> None:
        """Raise the error in the task."""
        if not self.result.done():
            self.result.set_exception(error)


@attrs.define(eq=False)
class Target:
    """An action that tasks wait for."""

    number: int
    label: str
    deploys: bool
    waiters: list[Waiter] = attrs.field(factory=list[Waiter])
    latest: Action | None = None
    read_at: datetime | None = None

    def tell(self, action: Action, now: datetime) -> None:
        """Pass a state to all tasks."""
        self.latest, self.read_at = action, now
        for waiter in tuple(self.waiters):
            waiter.tell(action)

    def fail(self, error: Exception) -> None:
        """Raise the error in all tasks."""
        for waiter in self.waiters:
            waiter.fail(error)


class Row(NamedTuple):
    """The fields of a stack in the list that change when an action starts or ends."""

    busy: bool | None
    status: StackStatus | None
    updated_at: datetime | None
    last_activity: datetime | None
    revision: str | None

    def differs(self, before: Row) -> bool:
        """Return whether an action may have ended since `before`. That a stack has become busy is only a start."""
        if self.busy is True and before.busy is not True:
            return self[2:] != before[2:]
        return self != before


@attrs.define(eq=False)
class WatchedStack:
    """A stack with the actions that tasks wait for. The list of stacks gives hints, its actions decide.

    Args:
        uid: uid of the stack.
        sender: Sender of the first task that waits. It reads the states.
        read: Function that returns the state of one action.
        read_latest: Function that returns the states of the latest actions of the stack.
        since: When the wait for the latest of the actions started.
        due: When the state is read next.
        check_at: When an action is read although the list shows no change.
        targets: Actions by ID.
        checked_at: When the list or the actions were last read.
        read_at: When the actions were last read.
        notice_at: When the actions are read because of an event.
        row: What the list last showed.
        suspect: Whether an action may have finished.
        shown_idle: Whether the list has shown the stack as idle since its actions were last read.
        shown_busy: Whether the list has ever shown the stack as busy.
        misled: Whether the list has shown the stack as idle while an action was running.
        false_changes: How often the list has shown a change since an action has finished.
        absences: How often the whole list was read without the stack in it.
        alone: Whether hints of the list are ignored.
    """

    uid: str
    sender: Sender
    read: Callable[[int], Awaitable[Action]]
    read_latest: Callable[[], Awaitable[Page[Action]]]
    since: datetime
    due: datetime
    check_at: datetime
    targets: dict[int, Target] = attrs.field(factory=dict[int, Target])
    checked_at: datetime | None = None
    read_at: datetime | None = None
    notice_at: datetime | None = None
    row: Row | None = None
    suspect: bool = False
    shown_idle: bool = False
    shown_busy: bool = False
    misled: bool = False
    false_changes: int = 0
    absences: int = 0
    alone: bool = False

    @classmethod
    def of(cls, subject: Subject, now: datetime) -> WatchedStack:
        """Return the stack of a subject, without its action."""
        return cls(
            uid=subject.stack,
            sender=subject.sender,
            read=subject.read,
            read_latest=subject.read_latest,
            since=now,
            due=now + _FIRST_PAUSE,
            check_at=now + _FIRST_CHECK,
        )

    @property
    def polling(self) -> Polling:
        """The options of the first task that waits."""
        return self.sender.polling or _DEFAULT

    @property
    def wakes_at(self) -> datetime:
        """When the state is read next."""
        return self.due if self.notice_at is None else min(self.due, self.notice_at)

    @property
    def silent(self) -> bool:
        """Whether a task waits for states, but has not received one yet."""
        return any(
            waiter.progress is not None and not waiter.told
            for target in self.targets.values()
            for waiter in target.waiters
        )

    @property
    def owed(self) -> int:
        """The number of results that are read from the actions, not from the list."""
        return 0 if self._listed() else len(self.targets)

    def add(self, subject: Subject, now: datetime) -> Target:
        """Return the target of a subject. A new one is read soon: it may be a short action."""
        found = self.targets.get(subject.number)
        if found is None:
            found = self.targets[subject.number] = Target(subject.number, subject.label, subject.deploys)
            self.since, self.due = now, min(self.due, now + _FIRST_PAUSE)
        return found

    def age(self, now: datetime) -> float:
        """Return the seconds since the wait for the latest action started."""
        return (now - self.since).total_seconds()

    def notice(self, now: datetime) -> None:
        """Bring the next reading forward, but not to less than 5 seconds after the last one."""
        earliest = now if self.read_at is None else max(now, self.read_at + _NOTICE_PAUSE)
        self.notice_at = earliest if self.notice_at is None else min(self.notice_at, earliest)

    def is_noticed(self, now: datetime) -> bool:
        """Return whether the actions are to be read because of an event."""
        return self.notice_at is not None and self.notice_at <= now

    # --- the list of stacks ----------------------------------------------------------------------

    def observe(self, stack: Stack, now: datetime) -> None:
        """Take the hints that the list gives. After a change, and if the stack is not busy, the actions are read."""
        row = Row(stack.is_busy, stack.status, stack.updated_at, stack.last_activity, stack.revision)
        before, self.row = self.row, row
        self.checked_at, self.absences = now, 0
        self.shown_busy = self.shown_busy or row.busy is True
        changed = before is not None and row.differs(before)
        if self._succeeded(before, row):
            self._finish(row, now)
            return
        if row.busy is not True:
            self.shown_idle = self.suspect = True
        elif changed:
            self.suspect = True
            self.false_changes += 1

    def settle(self, now: datetime, *, finished: bool) -> None:
        """Compare what the list has shown with the states of the actions, which were just read."""
        self.checked_at = self.read_at = now
        self.check_at = now + max(_FIRST_CHECK, now - self.since)
        self.suspect, self.notice_at = False, None
        if finished:
            self.false_changes = 0
        elif self.shown_idle:
            # Right after the start, the list may lag behind once.
            self.alone = self.alone or self.shown_busy or self.misled
            self.misled = True
        self.alone = self.alone or self.false_changes > _MAX_FALSE_CHANGES
        self.shown_idle = False

    def _listed(self) -> bool:
        """Whether every task accepts a success that the list shows."""
        return all(
            target.deploys and all(waiter.polling.results == "list" for waiter in target.waiters)
            for target in self.targets.values()
        )

    def _succeeded(self, before: Row | None, row: Row) -> bool:
        """Return whether the list shows that the deployment, the only action, has succeeded."""
        return (
            before is not None
            and before.status in _RUNNING
            and row.status == StackStatus.DEPLOYED
            and row.busy is False
            and len(self.targets) == 1
            and self._listed()
        )

    def _finish(self, row: Row, now: datetime) -> None:
        for target in self.targets.values():
            known = target.latest or Action(id=target.number, action=target.label or None, stack=self.uid)
            ended = row.last_activity or row.updated_at or now
            target.tell(attrs.evolve(known, finished_at=ended, finished_success=True), now)


class Durations:
    """How long actions took that have finished: the latest 30 with each name."""

    def __init__(self) -> None:
        self._known: dict[str, deque[float]] = {}

    def add(self, label: str, action: Action) -> None:
        """Add an action if it has finished."""
        if action.started_at is None or action.finished_at is None:
            return
        if label not in self._known and len(self._known) >= _MAX_LABELS:
            return
        seconds = (action.finished_at - action.started_at).total_seconds()
        self._known.setdefault(label, deque(maxlen=_MAX_DURATIONS)).append(max(0.0, seconds))

    def of(self, stack: WatchedStack) -> Sequence[float]:
        """Return the durations of actions like the latest one of this stack."""
        label = next(reversed(stack.targets.values())).label if stack.targets else ""
        return self._known.get(label, ())
