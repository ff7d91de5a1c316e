"""Policies in the sandbox."""

from __future__ import annotations

from ...resources import policies as api
from ..handling import Context, handles
from ..table import Kind, Record, register
from .formations import FORMATIONS, add_part

__all__ = ["POLICIES"]

_DEFAULTS: Record = {"name": "", "selector": "", "sequence": 0, "body": "", "tags": []}

POLICIES: Kind[Record] = register(
    Kind(
        "policy",
        model=api.Policy,
        key="uid",
        uid=True,
        parent=FORMATIONS,
        field="policies",
        defaults=_DEFAULTS,
    )
)


@handles(api.CREATE)
def create_policy(context: Context, stack: str, formation: str) -> Record:
    """Add a policy to a formation."""
    return add_part(context, stack, formation, ("policy", "policies"), _DEFAULTS)
