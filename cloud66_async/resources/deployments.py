"""Deployments: each time that a stack's code was deployed."""

from __future__ import annotations

import attrs

from .._core.model import Model, Timestamp
from ..operation import delete, get, many
from ..pager import Pager
from ._resource import Resource
from .common import CodeMeaning, Outcome

__all__ = ["Deployment", "Deployments"]


@attrs.frozen(kw_only=True)
class Deployment(Model):
    """One deployment of a stack. `is_head` marks the latest, `is_live` the one that is running."""

    id: int
    triggered_by: str | None = None  # e-mail address of a user, or a system
    triggered_via: CodeMeaning | None = None  # `web`, `api` or `hook`
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    outcome: CodeMeaning | None = None  # `pending`, `success` or `failed`
    git_hash: str | None = None  # commit
    git_ref: str | None = None  # branch or tag
    deploy_session: str | None = None
    deploy_type: CodeMeaning | None = None  # `build`, `redeploy`, `scale`, `first_build` or `revert`
    is_head: bool | None = None
    is_live: bool | None = None
    is_deploying: bool | None = None
    reverted: bool | None = None  # whether the deployment was reverted
    reverted_by: str | None = None
    reverted_at: Timestamp | None = None
    commit_url: str | None = None  # link to the commit


LIST = get("/stacks/{stack}/deployments.json", many(Deployment), scope="public")
GET = get("/stacks/{stack}/deployments/{deployment:int}.json", Deployment, scope="public")
CANCEL = delete("/stacks/{stack}/deployments/{deployment:int}.json", Outcome, scope="redeploy")


class Deployments(Resource):
    """Deployments of a stack."""

    def list(self, stack: str) -> Pager[Deployment]:
        """List the deployments of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, deployment: int) -> Deployment:
        """Return the deployment with this ID."""
        return await self._call(GET.bind(stack=stack, deployment=deployment))

    async def cancel(self, stack: str, deployment: int) -> Outcome:
        """Cancel a queued or running deployment. There is no action to wait for."""
        return await self._call(CANCEL.bind(stack=stack, deployment=deployment))
