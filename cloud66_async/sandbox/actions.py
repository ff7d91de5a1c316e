"""Actions and deployments: work that continues on the sandbox's clock after the response."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from .samples import timestamp

__all__ = ["FakeAction", "FakeDeployment"]

_VIA = {"web": 0, "api": 1, "hook": 2}
_KINDS = ("build", "redeploy", "scale", "first_build", "revert")


@attrs.define(kw_only=True, eq=False, slots=False)
class FakeAction:
    """A background operation. It is queued until `starts_at` and finishes at `ends_at`.

    Args:
        id: ID of the action.
        user: E-mail address of the user who started it.
        action: Name of the action.
        resource_id: ID of the resource that it works on.
        resource_type: Kind of the resource.
        via: How it was started: `web`, `api` or `hook`.
        accepted_at: Time of the request.
        starts_at: Time when it starts to run.
        ends_at: Time when it finishes.
        success: Whether it succeeds.
        message: Message with which it finishes.
        result: Result with which it finishes.
        metadata: Metadata, which contains the user's reference if there is one.
        effect: What changes when it succeeds. It is called when the stack is next used.
    """

    id: int
    user: str
    action: str
    resource_id: str
    resource_type: str = "stack"
    via: str = "api"
    accepted_at: datetime
    starts_at: datetime
    ends_at: datetime
    success: bool = True
    message: str = "Completed successfully"
    result: dict[str, Any] | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict[str, Any])
    effect: Callable[[], object] | None = None

    def finished(self, now: datetime) -> bool:
        """Return whether it has finished."""
        return now >= self.ends_at

    def running(self, now: datetime) -> bool:
        """Return whether it is running: neither queued nor finished."""
        return self.starts_at <= now < self.ends_at

    def delay(self, by: timedelta) -> None:
        """Move all its times."""
        self.accepted_at += by
        self.starts_at += by
        self.ends_at += by

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return the fields of the API. `finished_*` are null until it has finished."""
        finished = self.finished(now)
        return {
            "id": self.id,
            "user": self.user,
            "resource_type": self.resource_type,
            "resource_id": self.resource_id,
            "action": self.action,
            "started_via": self.via,
            "started_at": timestamp(self.accepted_at),
            "finished_at": timestamp(self.ends_at) if finished else None,
            "finished_success": self.success if finished else None,
            "finished_message": self.message if finished else None,
            "finished_result": self.result if finished else None,
            "metadata": self.metadata,
        }


@attrs.define(kw_only=True, eq=False, slots=False)
class FakeDeployment:
    """A deployment. Its action determines its times and its outcome."""

    id: int
    action: FakeAction
    kind: str = "redeploy"
    git_hash: str
    git_ref: str | None = None
    git: str = ""

    def outcome(self, now: datetime) -> tuple[int, str]:
        """Return the number and the name of its outcome."""
        if not self.action.finished(now):
            return 0, "pending"
        return (1, "success") if self.action.success else (2, "failed")

    def to_json(self, now: datetime, *, head: bool, live: bool) -> dict[str, Any]:
        """Return the fields of the API."""
        action = self.action
        code, meaning = self.outcome(now)
        return {
            "id": self.id,
            "triggered_by": action.user,
            "triggered_via": {"code": _VIA.get(action.via, 0), "meaning": action.via},
            "started_at": timestamp(action.starts_at) if now >= action.starts_at else None,
            "finished_at": timestamp(action.ends_at) if action.finished(now) else None,
            "outcome": {"code": code, "meaning": meaning},
            "git_hash": self.git_hash,
            "git_ref": self.git_ref,
            "deploy_session": f"deploy-{self.id}",
            "deploy_type": {"code": _KINDS.index(self.kind), "meaning": self.kind},
            "is_head": head,
            "is_live": live,
            "is_deploying": action.running(now),
            "reverted": None,
            "reverted_by": None,
            "reverted_at": None,
            "commit_url": _commit_url(self.git, self.git_hash),
        }


def _commit_url(git: str, commit: str) -> str | None:
    """Return the web page of a commit, given the repository's URL in either format."""
    site = git.removesuffix(".git").removeprefix("https://").removeprefix("git@").replace(":", "/", 1)
    return f"https://{site}/commit/{commit}" if site else None
