"""Deployments: each time that the code of a stack went out. `Stacks.redeploy` starts one."""

from __future__ import annotations

import attrs

from ..model import Model, Moment
from ..operation import delete, get, many
from ..pager import Pager
from ._base import Resource

__all__ = ["CodeMeaning", "Deployment", "Deployments", "Outcome"]


@attrs.frozen(kw_only=True)
class CodeMeaning(Model):
    """A number with its name."""

    code: int | None = None
    meaning: str | None = None


@attrs.frozen(kw_only=True)
class Deployment(Model):
    """One deployment of a stack. `is_head` marks the newest, `is_live` the one that serves now."""

    id: int
    triggered_by: str | None = None
    triggered_via: CodeMeaning | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None
    outcome: CodeMeaning | None = None
    git_hash: str | None = None
    git_ref: str | None = None
    deploy_session: str | None = None
    deploy_type: CodeMeaning | None = None
    is_head: bool | None = None
    is_live: bool | None = None
    is_deploying: bool | None = None
    reverted: bool | None = None
    reverted_by: str | None = None
    reverted_at: Moment | None = None
    commit_url: str | None = None


@attrs.frozen(kw_only=True)
class Outcome(Model):
    """Whether the API accepted what was asked."""

    ok: bool | None = None
    message: str | None = None


LIST = get("/stacks/{stack}/deployments.json", many(Deployment), scope="public")
GET = get("/stacks/{stack}/deployments/{deployment}.json", Deployment, scope="public")
CANCEL = delete("/stacks/{stack}/deployments/{deployment}.json", Outcome, scope="redeploy")


class Deployments(Resource):
    """The deployments of a stack."""

    __slots__ = ()

    def list(self, stack: str) -> Pager[Deployment]:
        """Every deployment of the stack."""
        return self._pages(LIST.at(stack=stack))

    async def get(self, stack: str, deployment: int) -> Deployment:
        """The deployment with this id."""
        return await self._call(GET.at(stack=stack, deployment=deployment))

    async def cancel(self, stack: str, deployment: int) -> Outcome:
        """Stop a deployment that is waiting or running; there is no action to wait for."""
        return await self._call(CANCEL.at(stack=stack, deployment=deployment))
