"""Workflows: the steps in which a formation is deployed."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from .._core.parameters import Nested
from ..operation import post
from ._resource import Resource

__all__ = ["Workflow", "Workflows"]


@attrs.frozen(kw_only=True)
class Workflow(Model):
    """One workflow. `Formations.list` returns those of a formation, and `Formations.get_workflow` renders one."""

    uid: str
    name: str | None = None
    default: bool | None = None  # whether it is used if none is named
    body: str | None = None  # YAML; in lists only if it was requested
    tags: tuple[str, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


CREATE = post(
    "/stacks/{stack}/formations/{formation}/workflows.json",
    Workflow,
    body={
        "message": str,
        "workflow": Nested({"name": str, "body": str, "default": bool | None, "tags": list[str] | None}),
    },
)


class Workflows(Resource):
    """Workflows of a formation (known from the official client)."""

    async def create(
        self,
        stack: str,
        formation: str,
        *,
        message: str,
        name: str,
        body: str,
        default: bool | None = None,
        tags: Iterable[str] | None = None,
    ) -> Workflow:
        """Add a workflow to a formation. Return it.

        Args:
            stack: uid of the stack.
            formation: uid of the formation.
            message: Commit message.
            name: Name of the workflow.
            body: Text of the workflow in YAML.
            default: Whether it is used if none is named.
            tags: Tags of the workflow.
        """
        workflow = {"name": name, "body": body, "default": default, "tags": tags}
        return await self._call(CREATE.bind(stack=stack, formation=formation, message=message, workflow=workflow))
