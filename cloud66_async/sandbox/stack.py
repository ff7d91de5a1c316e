"""One stack of the sandbox, and how work on it shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

from . import samples
from .actions import FakeAction, FakeDeployment
from .samples import git_hash, identity, iso, spelled

__all__ = ["DEPLOYING", "QUEUED", "FakeStack"]

_HISTORY = 8  # numbers of past deployments that each stack has to itself

# States of a stack, as the API numbers them.
_DEPLOYED, _FAILED, QUEUED, DEPLOYING = 1, 2, 5, 6
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
        return samples.servers(self.data, self._born)

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
            self.data["status"] = DEPLOYING if running else QUEUED

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
            if self.data["status"] in (_DEPLOYED, _FAILED, QUEUED, DEPLOYING)
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
