"""Formations: sets of configuration files that are rendered for a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypedDict

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp, free_form
from .._core.parameters import Nested
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .base_templates import BaseTemplate
from .helm_releases import HelmRelease
from .policies import Policy
from .stencils import Stencil
from .transformations import Transformation
from .workflows import Workflow

__all__ = ["BaseTemplateSource", "Formation", "FormationFilter", "Formations", "WorkflowWrapper"]


class BaseTemplateSource(TypedDict):
    """A base template to create a formation from: `repo`, the URL of its Git repository, and `branch`."""

    repo: str
    branch: str


@attrs.frozen(kw_only=True)
class FormationFilter(Model):
    """A filter that selects parts of a formation, with one expression for each kind of part."""

    uid: str
    name: str | None = None
    stencil_filter: str | None = None
    helm_filter: str | None = None
    transformation_filter: str | None = None
    policy_filter: str | None = None
    workflow_filter: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class Formation(Model):
    """One formation with its parts."""

    uid: str  # starts with `fm-`
    name: str | None = None
    tags: tuple[str, ...] | None = None
    stencils: tuple[Stencil, ...] | None = None
    base_templates: tuple[BaseTemplate, ...] | None = None
    policies: tuple[Policy, ...] | None = None
    transformations: tuple[Transformation, ...] | None = None
    workflows: tuple[Workflow, ...] | None = None
    helm_releases: tuple[HelmRelease, ...] | None = None
    filters: tuple[FormationFilter, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class WorkflowWrapper(Model):
    """A rendered workflow."""

    pipeline: Any | None = free_form()  # noqa: RUF009  a field of attrs, which ruff does not see


_SOURCE = {"repo": str, "branch": str}

LIST = get("/stacks/{stack}/formations.json", many(Formation), query={"full_content": Literal[0, 1] | None})
CREATE = post(
    "/stacks/{stack}/formations.json",
    Formation,
    body={
        "name": str,
        "tags": list[str] | None,
        "base_template": Nested(_SOURCE, required=False),
        "base_templates": Nested(_SOURCE, many=True, required=False),
    },
)
GET_WORKFLOW = get(
    "/stacks/{stack}/formations/{formation}/pipeline.json",
    WorkflowWrapper,
    query={"snapshot_uid": str, "use_latest": bool | None, "workflow": str | None},
)


class Formations(Resource):
    """Formations of a stack (known from the official client)."""

    def list(self, stack: str, *, full_content: bool = False) -> Pager[Formation]:
        """List the formations of the stack, with the texts of their parts if `full_content` is set."""
        return self._pages(LIST.bind(stack=stack, full_content=1 if full_content else None))

    async def create(
        self,
        stack: str,
        *,
        name: str,
        tags: Iterable[str] | None = None,
        base_template: BaseTemplateSource | None = None,
        base_templates: Iterable[BaseTemplateSource] | None = None,
    ) -> Formation:
        """Create a formation from one base template or from several. Return it."""
        return await self._call(
            CREATE.bind(stack=stack, name=name, tags=tags, base_template=base_template, base_templates=base_templates)
        )

    async def get_workflow(
        self,
        stack: str,
        formation: str,
        *,
        snapshot_uid: str,
        use_latest: bool | None = None,
        workflow: str | None = None,
    ) -> WorkflowWrapper:
        """Return a workflow of a formation, rendered with a snapshot.

        `workflow` is its name. `use_latest` says whether to use the latest stencils instead of those of the snapshot.
        """
        return await self._call(
            GET_WORKFLOW.bind(
                stack=stack, formation=formation, snapshot_uid=snapshot_uid, use_latest=use_latest, workflow=workflow
            )
        )
