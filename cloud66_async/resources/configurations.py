"""Configurations: files that configure the components of a stack."""

from __future__ import annotations

import attrs

from .._core.model import Model, Timestamp
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .actions import Action

__all__ = ["Configuration", "Configurations"]


@attrs.frozen(kw_only=True)
class Configuration(Model):
    """One configuration file."""

    type: str  # identifies the file; an open set
    name: str | None = None  # file name
    body: str | None = None  # text of the file
    comments: str | None = None
    can_apply: bool | None = None  # whether it can be applied
    changed_by: str | None = None  # who made the last change
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


LIST = get("/stacks/{stack}/configuration.json", many(Configuration))
GET = get("/stacks/{stack}/configuration/{type}/show.json", Configuration)
UPDATE = post(
    "/stacks/{stack}/configuration/{type}/update.json",
    Action,
    body={"commit_message": str, "body": str, "must_apply": bool | None},
)
APPLY = post("/stacks/{stack}/configuration/{type}/apply.json", Action)


class Configurations(Resource):
    """Configuration files of a stack (known from the official client). They are identified by their type."""

    def list(self, stack: str) -> Pager[Configuration]:
        """List the configuration files of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, configuration: str) -> Configuration:
        """Return the configuration file of this type."""
        return await self._call(GET.bind(stack=stack, type=configuration))

    async def update(
        self, stack: str, configuration: str, *, commit_message: str, body: str, must_apply: bool | None = None
    ) -> Action:
        """Replace the text of a configuration file by `body`. Return the action.

        `commit_message` is the reason for the change, and `must_apply` tells whether to apply it immediately.
        """
        return await self._start(
            UPDATE,
            stack,
            type=configuration,
            commit_message=commit_message,
            body=body,
            must_apply=must_apply,
        )

    async def apply(self, stack: str, configuration: str) -> Action:
        """Apply a configuration file that was changed but not applied. Return the action."""
        return await self._start(APPLY, stack, type=configuration)
