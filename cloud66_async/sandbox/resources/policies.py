"""Policies in the sandbox."""

from __future__ import annotations

from ...resources import policies as api
from ..handling import Context, handles
from ..table import Record
from .formations import add_part

__all__: list[str] = []

_DEFAULTS: Record = {"name": "", "selector": "", "sequence": 0, "body": "", "tags": []}


@handles(api.CREATE)
def create_policy(context: Context, stack: str, formation: str) -> Record:
    """Add a policy to a formation."""
    return add_part(context, stack, formation, ("policy", "policies"), _DEFAULTS)
