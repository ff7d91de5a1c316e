"""Deployments: each time that a stack's code was deployed."""

from __future__ import annotations

import attrs

from .._core.model import Model, OpenStrEnum, Timestamp
from ..operation import delete, get, many
from ..pager import Pager
from ._resource import Resource
from .common import CodeMeaning, Outcome

__all__ = ["DeployStrategy", "Deployment", "Deployments", "Redeployment", "RolloutStrategy"]


class DeployStrategy(OpenStrEnum):
    """Order in which servers are deployed. Known from the official client and the help site."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    ROLLING = "rolling"
    FAST = "fast"


class RolloutStrategy(OpenStrEnum):
    """How traffic moves to a new version. Known from the official client and the help site."""

    NONE = "none"
    BLUE_GREEN_IMMEDIATE = "blue_green_immediate"
    BLUE_GREEN_DELAYED = "blue_green_delayed"
    CANARY = "canary"


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


@attrs.frozen(kw_only=True)
class Redeployment(Model):
    """A started redeployment, which `Actions.wait` waits for.

    `async_action_id` is the action to wait for and may be None. `queued` tells whether another deployment runs first.
    The SDK sets `stack` to the uid of the stack, and `user_reference` to the reference that it sent.
    """

    ok: bool | None = None
    message: str | None = None
    queued: bool | None = None
    async_action_id: int | None = None
    stack: str | None = None
    user_reference: str | None = None


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
