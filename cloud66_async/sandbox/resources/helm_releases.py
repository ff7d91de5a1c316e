"""Helm releases in the sandbox."""

from __future__ import annotations

from ...resources import helm_releases as api
from ..handling import Context, handles
from ..table import Kind, Record, register
from .formations import FORMATIONS, add_part

__all__ = ["HELM_RELEASES"]

_DEFAULTS: Record = {"display_name": "", "chart_name": "", "version": "", "repository": "", "body": ""}

HELM_RELEASES: Kind[Record] = register(
    Kind(
        "helm release",
        model=api.HelmRelease,
        key="uid",
        uid=True,
        parent=FORMATIONS,
        field="helm_releases",
        defaults=_DEFAULTS,
    )
)


@handles(api.CREATE)
def create_helm_release(context: Context, stack: str, formation: str) -> Record:
    """Add a Helm release to a formation."""
    return add_part(context, stack, formation, ("helm_release", "helm_releases"), _DEFAULTS)
