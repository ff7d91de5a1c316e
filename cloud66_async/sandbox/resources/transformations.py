"""Transformations in the sandbox."""

from __future__ import annotations

from ...resources import transformations as api
from ..handling import Context, handles
from ..table import Kind, Record, register
from .formations import FORMATIONS, add_part

__all__ = ["TRANSFORMATIONS"]

_DEFAULTS: Record = {"name": "", "selector": "", "sequence": 0, "body": "", "tags": []}

TRANSFORMATIONS: Kind[Record] = register(
    Kind(
        "transformation",
        model=api.Transformation,
        key="uid",
        uid=True,
        parent=FORMATIONS,
        field="transformations",
        defaults=_DEFAULTS,
    )
)


@handles(api.CREATE)
def create_transformation(context: Context, stack: str, formation: str) -> Record:
    """Add a transformation to a formation."""
    return add_part(context, stack, formation, ("transformation", "transformations"), _DEFAULTS)
