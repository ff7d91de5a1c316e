"""Base templates: Git repositories with the templates that stencils are made from."""

from __future__ import annotations

from typing import Literal

import attrs

from .._core.model import IsoTimestamp, Model, OpenIntEnum, Timestamp
from ..operation import delete, get, many, post, put
from ..pager import Pager
from ._resource import Resource

__all__ = ["BaseTemplate", "BaseTemplateStatus", "BaseTemplates", "StencilTemplate"]


class BaseTemplateStatus(OpenIntEnum):
    """State of a base template."""

    UNKNOWN = 1
    QUEUED = 2
    PULLING = 3
    VERIFYING = 4
    PULL_FAILED = 5
    AVAILABLE = 6
    VERIFICATION_FAILED = 7


@attrs.frozen(kw_only=True)
class StencilTemplate(Model):
    """A template for stencils, one file of a base template."""

    filename: str
    base_template: str | None = None  # base template that it is from
    filename_pattern: str | None = None  # pattern for the names of stencils
    name: str | None = None
    description: str | None = None
    context_type: str | None = None  # what the stencil is for; an open set
    tags: tuple[str, ...] | None = None
    preferred_sequence: int | None = None  # position among the stencils of a formation
    content: str | None = None  # text of the file; only if it was requested


@attrs.frozen(kw_only=True)
class BaseTemplate(Model):
    """One base template. `stencils` is set only if it was requested."""

    uid: str
    name: str | None = None
    short_name: str | None = None
    git_repo: str | None = None  # URL of the Git repository
    git_branch: str | None = None
    status: BaseTemplateStatus | None = None
    stencils: tuple[StencilTemplate, ...] | None = None
    last_sync: Timestamp | None = None  # time of the latest pull
    last_sync_iso: IsoTimestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


_TEMPLATE = {"git_repo": str, "git_branch": str}
_FLAG = Literal[0, 1] | None

LIST = get("/base_templates.json", many(BaseTemplate))
GET = get(
    "/base_templates/{base_template}.json", BaseTemplate, query={"include_stencils": _FLAG, "include_content": _FLAG}
)
CREATE = post("/base_templates.json", BaseTemplate, body=_TEMPLATE, wrapper="base_template")
UPDATE = put("/base_templates/{base_template}.json", BaseTemplate, body=_TEMPLATE, wrapper="base_template")
DELETE = delete("/base_templates/{base_template}.json", BaseTemplate)
SYNC = post("/base_templates/{base_template}/sync.json", BaseTemplate)


class BaseTemplates(Resource):
    """Base templates of the account, known from the official client."""

    def list(self) -> Pager[BaseTemplate]:
        """List the base templates."""
        return self._pages(LIST.bind())

    async def get(
        self, base_template: str, *, include_stencils: bool = False, include_content: bool = False
    ) -> BaseTemplate:
        """Return the base template with this uid, with `stencils` and their `content` if they are wanted."""
        stencils, content = 1 if include_stencils else None, 1 if include_content else None
        return await self._call(
            GET.bind(base_template=base_template, include_stencils=stencils, include_content=content)
        )

    async def create(self, *, git_repo: str, git_branch: str) -> BaseTemplate:
        """Add a base template. Return it. Cloud 66 pulls the repository afterwards."""
        return await self._call(CREATE.bind(git_repo=git_repo, git_branch=git_branch))

    async def update(self, base_template: str, *, git_repo: str, git_branch: str) -> BaseTemplate:
        """Change the repository and the branch of a base template. Return it."""
        return await self._call(UPDATE.bind(base_template=base_template, git_repo=git_repo, git_branch=git_branch))

    async def delete(self, base_template: str) -> BaseTemplate:
        """Delete a base template. Return it."""
        return await self._call(DELETE.bind(base_template=base_template))

    async def sync(self, base_template: str) -> BaseTemplate:
        """Pull the repository of a base template again. Return the base template.

        There is no action to wait for: `status` is `AVAILABLE` when the pull has succeeded.
        """
        return await self._call(SYNC.bind(base_template=base_template))
