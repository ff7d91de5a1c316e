"""The world of the sandbox: stacks with their servers, deployments and actions."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from . import variety
from .variety import git_hash, identity, iso, spelled
from .work import FakeAction, FakeDeployment

if TYPE_CHECKING:
    from .._clock import Clock
    from .faults import Faults

__all__ = ["FakeStack", "World"]

_HISTORY = 8  # numbers of past deployments that each stack has to itself
_FIRST_NEW = 100_000_001
# States of a stack, as the API numbers them.
_DEPLOYED, _FAILED, _QUEUED, _DEPLOYING = 1, 2, 5, 6
_HEALTHY = 3


class FakeStack:
    """One stack of the sandbox. `data` is what the API answers, apart from work that is going on."""

    def __init__(self, number: int, data: dict[str, Any], born: datetime) -> None:
        self.number = number
        self.data = data
        self._born = born
        self._going_on: list[FakeAction] = []

    def __repr__(self) -> str:
        return f"<FakeStack {self.name!r} in {self.data['environment']}, {self.uid}>"

    @property
    def uid(self) -> str:
        """What the API knows the stack by."""
        return str(self.data["uid"])

    @property
    def name(self) -> str:
        """Its name, which other environments' stacks may have too."""
        return str(self.data["name"])

    @cached_property
    def servers(self) -> list[dict[str, Any]]:
        """Its servers as the API answers them, without their private keys."""
        return variety.servers(self.data, self._born)

    @cached_property
    def deployments(self) -> list[FakeDeployment]:
        """Its deployments, the newest first."""
        return [self._past(age) for age in range(self._revisions)]

    @cached_property
    def actions(self) -> list[FakeAction]:
        """Its actions, the newest first."""
        return [deployment.action for deployment in self.deployments]

    def change(self, fields: Mapping[str, object]) -> None:
        """Set these fields of the stack. Raises KeyError for one that stacks do not have, and for uid and account."""
        fixed = fields.keys() & {"uid", "account_id"}
        unknown = fields.keys() - self.data.keys()
        if fixed or unknown:
            raise KeyError(f"no field of a stack that can be changed: {', '.join(sorted(fixed or unknown))}")
        self.data.update(fields)

    def shown(self, now: datetime) -> dict[str, Any]:
        """What the API answers at this moment."""
        if self._going_on:
            self._catch_up(now)
        return self.data

    def shown_deployment(self, deployment: FakeDeployment, now: datetime) -> dict[str, Any]:
        """What the API answers for one of the deployments."""
        live = next((item for item in self.deployments if item.outcome(now)[0] == 1), None)
        return deployment.shown(now, head=deployment is self.deployments[0], live=deployment is live)

    def add(self, action: FakeAction, deployment: FakeDeployment | None = None) -> None:
        """Let `action` go on from now."""
        self.actions.insert(0, action)  # before the deployments, from which the past actions are made
        if deployment is not None:
            self.deployments.insert(0, deployment)
        self._going_on.append(action)

    def free_at(self, now: datetime) -> datetime:
        """When the last deployment that runs or waits is over; `now` if there is none."""
        return max((now, *(item.action.ends_at for item in self.deployments)))

    def cancel(self, deployment: FakeDeployment, now: datetime) -> None:
        """End a deployment that waits or runs; those that wait behind it move up."""
        ended = deployment.action
        over = ended.ends_at
        freed = over - max(now, ended.starts_at)
        ended.starts_at, ended.ends_at = min(now, ended.starts_at), now
        ended.success, ended.message = False, "Cancelled"
        for other in self.deployments:
            if other.action.starts_at >= over:
                other.action.starts_at -= freed
                other.action.ends_at -= freed

    def _catch_up(self, now: datetime) -> None:
        deploying = [item.action for item in self.deployments if item.action in self._going_on]
        for action in sorted(self._going_on, key=lambda action: action.ends_at):
            if action.finished(now):
                self._going_on.remove(action)
                self._end(action, deployed=action in deploying)
        self.data["is_busy"] = bool(self._going_on)
        unfinished = [action for action in deploying if not action.finished(now)]
        if unfinished:
            running = any(action.runs(now) for action in unfinished)
            self.data["status"] = _DEPLOYING if running else _QUEUED

    def _end(self, action: FakeAction, *, deployed: bool) -> None:
        when = action.ends_at
        self.data.update(
            last_activity=when.isoformat(timespec="seconds"),
            last_activity_iso=iso(when),
            updated_at=spelled(when),
            updated_at_iso=iso(when),
        )
        if deployed:
            self.data["status"] = _DEPLOYED if action.success else _FAILED
        if deployed and action.success:
            self.data.update(health=_HEALTHY, cloud_status="deployed", revision=str(int(self.data["revision"]) + 1))

    @property
    def _revisions(self) -> int:
        return (
            int(identity("history", self.uid)[0], 16) % 5
            if self.data["status"] in (_DEPLOYED, _FAILED, _QUEUED, _DEPLOYING)
            else 0
        )

    def _past(self, age: int) -> FakeDeployment:
        chance = Random(f"deployment:{self.uid}:{age}")  # noqa: S311  variety, no secret
        start = self._born - timedelta(days=21 * (age + 1), seconds=chance.randrange(80_000))
        number = (self.number + 1) * _HISTORY - age
        action = FakeAction(
            id=number,
            user=chance.choice(("ada@example.com", "grace@example.com", "system")),
            action="application_deployment",
            resource_id=str(self.number + 1),
            via=chance.choice(("web", "api", "hook")),
            accepted_at=start,
            starts_at=start,
            ends_at=start + timedelta(seconds=chance.randrange(45, 900)),
            success=chance.random() < 0.9 if age else self.data["status"] != _FAILED,
        )
        commit = git_hash(self.uid, age)
        branch = self.data["git_branch"]
        return FakeDeployment(id=number, action=action, git_hash=commit, git_ref=branch, git=self.data["git"])


class World:
    """All stacks, and the clock by which work on them goes on.

    `action_seconds` is how long an action takes.
    """

    def __init__(self, clock: Clock, faults: Faults, *, action_seconds: float = 60.0) -> None:
        self.clock = clock
        self.action_seconds = action_seconds
        self.stacks: dict[str, FakeStack] = {}
        self._faults = faults
        self._numbers = itertools.count(_FIRST_NEW)
        self._by_account: dict[int, list[FakeStack]] = {}

    def add_stack(
        self,
        name: str,
        *,
        environment: str = "production",
        account: int = 1,
        fields: Mapping[str, object] | None = None,
    ) -> FakeStack:
        """A new stack, deployed and healthy unless `fields` says otherwise."""
        number = len(self.stacks)
        now = self.clock.now()
        stack = FakeStack(number, variety.stack(number, name, environment, now, settled=True), now)
        stack.change(fields or {})
        stack.data["account_id"] = account
        self._keep(stack)
        return stack

    def seed(self, stacks: int = 600, *, account: int = 1) -> Sequence[FakeStack]:
        """So many new stacks of all kinds, the same each time; some are being deployed."""
        now = self.clock.now()
        added: list[FakeStack] = []
        for number in range(len(self.stacks), len(self.stacks) + stacks):
            name, environment = variety.stack_name(number)
            data = variety.stack(number, name, environment, now)
            data["account_id"] = account
            stack = FakeStack(number, data, now)
            self._keep(stack)
            added.append(stack)
            if data["status"] in (_QUEUED, _DEPLOYING):
                delay = 120 if data["status"] == _QUEUED else 0
                self.deploy(stack, user="ada@example.com", via="hook", delay=delay, seconds=300 + number % 7 * 60)
        return added

    def visible(self, accounts: Collection[int]) -> Sequence[FakeStack]:
        """The stacks of these accounts, in the order in which they were added."""
        if len(accounts) == 1:
            return self._by_account.get(next(iter(accounts)), [])
        return [stack for stack in self.stacks.values() if stack.data["account_id"] in accounts]

    def act(
        self,
        stack: FakeStack,
        name: str,
        *,
        user: str,
        metadata: dict[str, Any] | None = None,
        server: str | None = None,
    ) -> FakeAction:
        """A new action that runs at once."""
        action = self._action(stack, name, user=user, starts_at=self.clock.now(), metadata=metadata)
        if server is not None:
            action.resource_type, action.resource_id = "server", server
        stack.add(action)
        return action

    def deploy(
        self,
        stack: FakeStack,
        *,
        user: str,
        via: str = "api",
        git_ref: str | None = None,
        metadata: dict[str, Any] | None = None,
        delay: float = 0.0,
        seconds: float | None = None,
        kind: str = "redeploy",
    ) -> FakeDeployment:
        """A new deployment; it waits `delay` seconds, and until those before it are over."""
        starts_at = stack.free_at(self.clock.now() + timedelta(seconds=delay))
        name = "stack_create" if kind == "first_build" else "application_deployment"
        action = self._action(stack, name, user=user, via=via, starts_at=starts_at, metadata=metadata, seconds=seconds)
        number = next(self._numbers)
        deployment = FakeDeployment(
            id=number,
            action=action,
            kind=kind,
            git_hash=git_hash(stack.uid, number),
            git_ref=git_ref or stack.data["git_branch"],
            git=stack.data["git"] or "",
        )
        stack.add(action, deployment)
        return deployment

    def _action(
        self,
        stack: FakeStack,
        name: str,
        *,
        user: str,
        starts_at: datetime,
        via: str = "api",
        metadata: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> FakeAction:
        failure = self._faults.failure(name)
        lasts = self.action_seconds if seconds is None else seconds
        return FakeAction(
            id=next(self._numbers),
            user=user,
            action=name,
            resource_id=str(stack.number + 1),
            via=via,
            accepted_at=self.clock.now(),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=lasts),
            success=failure is None,
            message=failure or "Finished",
            metadata=metadata or {},
        )

    def _keep(self, stack: FakeStack) -> None:
        self.stacks[stack.uid] = stack
        self._by_account.setdefault(stack.data["account_id"], []).append(stack)
