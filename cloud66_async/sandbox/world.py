"""The world of the sandbox: all stacks, and the clock by which work on them goes on."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import samples
from .actions import FakeAction, FakeDeployment
from .samples import git_hash
from .stack import DEPLOYING, QUEUED, FakeStack

if TYPE_CHECKING:
    from ..clock import Clock
    from .faults import Faults

__all__ = ["World"]

_FIRST_NEW = 100_000_001


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
        stack = FakeStack(number, samples.stack(number, name, environment, now, settled=True), now)
        stack.change(fields or {})
        stack.data["account_id"] = account
        self._keep(stack)
        return stack

    def seed(self, stacks: int = 600, *, account: int = 1) -> Sequence[FakeStack]:
        """So many new stacks of all kinds, the same each time; some are being deployed."""
        now = self.clock.now()
        added: list[FakeStack] = []
        for number in range(len(self.stacks), len(self.stacks) + stacks):
            name, environment = samples.stack_name(number)
            data = samples.stack(number, name, environment, now)
            data["account_id"] = account
            stack = FakeStack(number, data, now)
            self._keep(stack)
            added.append(stack)
            if data["status"] in (QUEUED, DEPLOYING):
                delay = 120 if data["status"] == QUEUED else 0
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
        server: str | None = None,
    ) -> FakeAction:
        """A new action that runs at once."""
        action = self._action(stack, name, user=user, starts_at=self.clock.now())
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
