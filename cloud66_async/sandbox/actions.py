"""Work that goes on after the answer: actions and deployments, by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from .samples import iso

__all__ = ["FakeAction", "FakeDeployment"]

_VIA = {"web": 0, "api": 1, "hook": 2}
_KINDS = ("build", "redeploy", "scale", "first_build", "revert")


@attrs.define(kw_only=True, eq=False)
class FakeAction:
    """A background operation. It waits until `starts_at` and ends at `ends_at`, by the clock of who asks."""

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
    message: str = "Finished"
    result: dict[str, Any] | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict[str, Any])

    def finished(self, now: datetime) -> bool:
        """Whether it is over."""
        return now >= self.ends_at

    def runs(self, now: datetime) -> bool:
        """Whether it is at work, neither waiting nor over."""
        return self.starts_at <= now < self.ends_at

    def shown(self, now: datetime) -> dict[str, Any]:
        """What the API answers: `finished_*` are null until it is over."""
        over = self.finished(now)
        return {
            "id": self.id,
            "user": self.user,
            "resource_type": self.resource_type,
            "resource_id": self.resource_id,
            "action": self.action,
            "started_via": self.via,
            "started_at": iso(self.accepted_at),
            "finished_at": iso(self.ends_at) if over else None,
            "finished_success": self.success if over else None,
            "finished_message": self.message if over else None,
            "finished_result": self.result if over else None,
            "metadata": self.metadata,
        }


@attrs.define(kw_only=True, eq=False)
class FakeDeployment:
    """One deployment; its times and its outcome are those of its action."""

    id: int
    action: FakeAction
    kind: str = "redeploy"
    git_hash: str
    git_ref: str | None = None
    git: str = ""

    def outcome(self, now: datetime) -> tuple[int, str]:
        """Number and name of how it ended."""
        if not self.action.finished(now):
            return 0, "pending"
        return (1, "success") if self.action.success else (2, "failed")

    def shown(self, now: datetime, *, head: bool, live: bool) -> dict[str, Any]:
        """What the API answers."""
        action = self.action
        code, meaning = self.outcome(now)
        return {
            "id": self.id,
            "triggered_by": action.user,
            "triggered_via": {"code": _VIA.get(action.via, 0), "meaning": action.via},
            "started_at": iso(action.starts_at) if now >= action.starts_at else None,
            "finished_at": iso(action.ends_at) if action.finished(now) else None,
            "outcome": {"code": code, "meaning": meaning},
            "git_hash": self.git_hash,
            "git_ref": self.git_ref,
            "deploy_session": f"deploy-{self.id}",
            "deploy_type": {"code": _KINDS.index(self.kind), "meaning": self.kind},
            "is_head": head,
            "is_live": live,
            "is_deploying": action.runs(now),
            "reverted": None,
            "reverted_by": None,
            "reverted_at": None,
            "commit_url": _commit_url(self.git, self.git_hash),
        }


def _commit_url(git: str, commit: str) -> str | None:
    """The page of a commit, from either spelling of a repository's address."""
    where = git.removesuffix(".git").removeprefix("https://").removeprefix("git@").replace(":", "/", 1)
    return f"https://{where}/commit/{commit}" if where else None
