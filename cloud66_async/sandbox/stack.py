"""FakeStack: a stack of the sandbox, with its servers, deployments and actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..resources.common import Health
from ..resources.stacks import StackStatus
from .samples import legacy_timestamp, timestamp

if TYPE_CHECKING:
    from .actions import FakeAction, FakeDeployment
    from .table import Record, Tables

__all__ = ["FakeStack"]

_FIXED = {"uid", "account_id"}


class FakeStack:
    """A stack of the sandbox. `data` holds the fields of the API, apart from the effects of running actions.

    Its servers, deployments and actions are created when they are first read.
    """

    def __init__(self, number: int, data: Record, added_at: datetime, tables: Tables) -> None:
        self.number = number
        self.data = data
        self.added_at = added_at
        self._tables = tables
        self._running: list[FakeAction] = []

    def __repr__(self) -> str:
        return f"<FakeStack {self.name!r} in {self.data['environment']}, {self.uid}>"

    @property
    def uid(self) -> str:
        """The uid of the stack."""
        return str(self.data["uid"])

    @property
    def name(self) -> str:
        """The name, which stacks in other environments may share."""
        return str(self.data["name"])

    @property
    def servers(self) -> list[Record]:
        """The servers with the fields of the API, without their private keys."""
        return self._tables.table("server", self).records

    @property
    def deployments(self) -> list[FakeDeployment]:
        """The deployments, the newest first."""
        return self._tables.table("deployment", self).records

    @property
    def actions(self) -> list[FakeAction]:
        """The actions, the newest first."""
        return self._tables.table("action", self).records

    def change(self, fields: Mapping[str, object]) -> None:
        """Set fields of the stack. Raises KeyError for an unknown field, and for `uid` and `account_id`."""
        rejected = sorted(fields.keys() & _FIXED) or sorted(fields.keys() - self.data.keys())
        if rejected:
            raise KeyError(f"cannot change {', '.join(rejected)}: not a field of a stack that can be changed")
        self.data.update(fields)

    def to_json(self, now: datetime) -> Record:
        """Return the fields of the API at this time."""
        self.catch_up(now)
        return self.data

    @property
    def busy(self) -> bool:
        """Whether an action was running or queued when the stack was last used."""
        return bool(self._running)

    def deployment_to_json(self, deployment: FakeDeployment, now: datetime) -> Record:
        """Return the fields of one of the deployments at this time."""
        deployments = self.deployments
        live = next((item for item in deployments if item.outcome(now)[0] == 1), None)
        return deployment.to_json(now, head=deployment is deployments[0], live=deployment is live)

    def start(self, action: FakeAction, deployment: FakeDeployment | None = None) -> None:
        """Add an action that has just been accepted, with its deployment if it is one."""
        self.actions.insert(0, action)  # first: the samples of actions are made from the deployments
        if deployment is not None:
            self.deployments.insert(0, deployment)
        self._running.append(action)

    def add_past(self, action: FakeAction, deployment: FakeDeployment) -> None:
        """Add a finished deployment, with its action, where its times belong. The latest one sets the status."""
        actions, deployments, end = self.actions, self.deployments, action.ends_at
        actions.insert(sum(item.ends_at > end for item in actions), action)
        place = sum(item.action.ends_at > end for item in deployments)
        deployments.insert(place, deployment)
        if place == 0:
            self._finish(action, deployed=True)

    def free_at(self, now: datetime) -> datetime:
        """Return when the last running or queued deployment finishes, or `now` if there is none."""
        return max((now, *(item.action.ends_at for item in self.deployments)))

    def cancel(self, deployment: FakeDeployment, now: datetime) -> None:
        """End a running or queued deployment. Those that are queued behind it start earlier."""
        cancelled = deployment.action
        end = cancelled.ends_at
        gain = end - max(now, cancelled.starts_at)
        cancelled.starts_at, cancelled.ends_at = min(now, cancelled.starts_at), now
        cancelled.success, cancelled.message = False, "Cancelled"
        for other in self.deployments:
            if other.action.starts_at >= end:
                other.action.starts_at -= gain
                other.action.ends_at -= gain

    def settle(self, now: datetime) -> None:
        """Finish running actions that have an effect now. Others go on."""
        for action in self._running:
            if action.effect is not None and not action.finished(now):
                action.starts_at, action.ends_at = min(action.starts_at, now), now
        self.catch_up(now)

    def resume(self, now: datetime) -> None:
        """Go on with the actions that have not finished."""
        self._running = [action for action in self.actions if not action.finished(now)]

    def catch_up(self, now: datetime) -> None:
        """Apply the effects of running and finished actions."""
        if not self._running:
            return
        deploying = [item.action for item in self.deployments if item.action in self._running]
        for action in sorted(self._running, key=lambda action: action.ends_at):
            if action.finished(now):
                self._running.remove(action)
                self._finish(action, deployed=action in deploying)
        self.data["is_busy"] = bool(self._running)
        unfinished = [action for action in deploying if not action.finished(now)]
        if unfinished:
            running = any(action.running(now) for action in unfinished)
            status = StackStatus.DEPLOYING if running else StackStatus.QUEUED_FOR_DEPLOYMENT
            self.data["status"] = status.value

    def _finish(self, action: FakeAction, *, deployed: bool) -> None:
        end = action.ends_at
        self.data.update(
            last_activity=end.isoformat(timespec="seconds"),
            last_activity_iso=timestamp(end),
            updated_at=legacy_timestamp(end),
            updated_at_iso=timestamp(end),
        )
        if action.success and action.effect is not None:
            action.effect()
        if not deployed:
            return
        if not action.success:
            self.data["status"] = StackStatus.DEPLOYMENT_FAILED.value
            return
        self.data.update(
            status=StackStatus.DEPLOYED.value,
            health=Health.HEALTHY.value,
            cloud_status="deployed",
            revision=str(int(self.data["revision"]) + 1),
        )
