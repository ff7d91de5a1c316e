"""Policies: rules that the rendered files of a formation must follow."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from .._core.parameters import Nested
from ..operation import post
from ._resource import Resource

__all__ = ["Policies", "Policy"]


@attrs.frozen(kw_only=True)
class Policy(Model):
    """One policy. `Formations.list` returns those of a formation."""

    uid: str
    name: str | None = None
    selector: str | None = None  # what it applies to
    sequence: int | None = None  # position among the policies
    body: str | None = None  # text; in lists only if it was requested
    tags: tuple[str, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


CREATE = post(
    "/stacks/{stack}/formations/{formation}/policies.json",
    Policy,
    body={
        "message": str,
        "policy": Nested(
            {"name": str, "body": str, "selector": str | None, "sequence": int | None, "tags": list[str] | None}
        ),
    },
)


class Policies(Resource):
    """Policies of a formation (known from the official client)."""

    async def create(
        self,
        stack: str,
        formation: str,
        *,
        message: str,
        name: str,
        body: str,
        selector: str | None = None,
        sequence: int | None = None,
        tags: Iterable[str] | None = None,
    ) -> Policy:
        """Add a policy to a formation. Return it.

        Args:
            stack: uid of the stack.
            formation: uid of the formation.
            message: Commit message.
            name: Name of the policy.
            body: Text of the policy.
            selector: What it applies to.
            sequence: Position among the policies of the formation.
            tags: Tags of the policy.
        """
        policy = {"name": name, "body": body, "selector": selector, "sequence": sequence, "tags": tags}
        return await self._call(CREATE.bind(stack=stack, formation=formation, message=message, policy=policy))
