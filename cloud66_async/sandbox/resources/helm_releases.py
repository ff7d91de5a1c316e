"""Helm releases in the sandbox."""

from __future__ import annotations

from ...resources import helm_releases as api
from ..handling import Context, handles
from ..table import Record
from .formations import add_part

__all__: list[str] = []

_DEFAULTS: Record = {"display_name": "", "chart_name": "", "version": "", "repository": "", "body": ""}


@handles(api.CREATE)
def create_helm_release(context: Context, stack: str, formation: str) -> Record:
    """Add a Helm release to a formation."""
    return add_part(context, stack, formation, ("helm_release", "helm_releases"), _DEFAULTS)
