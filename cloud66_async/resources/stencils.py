"""Stencils: configuration files with placeholders that a formation consists of."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NotRequired, TypedDict

import attrs

from .._core.arguments import check_sendable, check_text
from .._core.model import IsoTimestamp, Model, Timestamp
from .._core.parameters import Nested
from ..operation import post, put
from ._resource import Resource
from .actions import Action
from .snapshots import Renders

__all__ = ["NewStencil", "Stencil", "Stencils"]


class NewStencil(TypedDict):
    """A stencil to create. Only `filename` is required.

    The other keys are `template_filename`, `context_id`, `tags`, `body` and `sequence`, which have the meaning of the
    fields of `Stencil`. `body` is plain text.
    """

    filename: str
    template_filename: NotRequired[str]
    context_id: NotRequired[str]
    tags: NotRequired[list[str]]
    body: NotRequired[str]
    sequence: NotRequired[int]


@attrs.frozen(kw_only=True)
class Stencil(Model):
    """One stencil. `Formations.list` returns those of a formation."""

    uid: str
    filename: str | None = None
    template_filename: str | None = None  # file of the base template that it was made from
    context_id: str | None = None  # what the stencil is for, for example a service
    status: int | None = None  # the numbers are not documented
    tags: tuple[str, ...] | None = None
    inline: bool | None = None  # whether the text is stored inline
    gitfile_path: str | None = None  # path in the Git repository
    body: str | None = None  # text; in lists only if it was requested
    btr_repo: str | None = None  # Git repository of the base template
    btr_branch: str | None = None  # branch of the base template
    sequence: int | None = None  # position among the stencils
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


_STENCIL = {
    "filename": str,
    "template_filename": str | None,
    "context_id": str | None,
    "tags": list[str] | None,
    "body": str | None,
    "sequence": int | None,
}

CREATE = post(
    "/stacks/{stack}/formations/{formation}/stencils.json",
    Action,
    body={"message": str, "btr_uuid": str, "stencils": Nested(_STENCIL, many=True)},
)
UPDATE = put(
    "/stacks/{stack}/formations/{formation}/stencils/{stencil}.json", Stencil, body={"message": str, "body": str}
)
RENDER = post(
    "/stacks/{stack}/formations/{formation}/stencils/{stencil}/render.json",
    Renders,
    body={"body": str, "snapshot_id": str},
)


class Stencils(Resource):
    """Stencils of a formation (known from the official client)."""

    async def create(
        self, stack: str, formation: str, *, message: str, btr_uuid: str, stencils: Iterable[NewStencil]
    ) -> Action:
        """Add stencils to a formation. Return the action.

        `message` is the commit message, and `btr_uuid` the uid of the base template that the stencils belong to.
        """
        return await self._start(
            CREATE, stack, formation=formation, message=message, btr_uuid=btr_uuid, stencils=stencils
        )

    async def update(self, stack: str, formation: str, stencil: str, *, message: str, body: str) -> Stencil:
        """Replace the text of a stencil. Return the stencil.

        `message` is the commit message. The SDK encodes `body`, which is plain text.
        """
        return await self._call(
            UPDATE.bind(stack=stack, formation=formation, stencil=stencil, message=message, body=_encoded(body))
        )

    async def render(self, stack: str, formation: str, stencil: str, *, body: str, snapshot_id: str) -> Renders:
        """Return the stencil, rendered with a snapshot and with `body` as its text. The stencil is not changed.

        `snapshot_id` is the uid of the snapshot. The SDK encodes `body`, which is plain text.
        """
        return await self._call(
            RENDER.bind(stack=stack, formation=formation, stencil=stencil, body=_encoded(body), snapshot_id=snapshot_id)
        )


def _encoded(body: str) -> str:
    """Return text in base64, as the API expects it."""
    check_text("body", body)
    check_sendable("body", body)
    return base64.b64encode(body.encode()).decode()
