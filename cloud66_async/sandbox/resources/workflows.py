"""Workflows in the sandbox, and rendering them."""

from __future__ import annotations

import json

from ...resources import formations, workflows as api
from ..crud import find
from ..handling import Context, handles, missing
from ..table import Kind, Record, register
from .formations import FORMATIONS, add_part
from .snapshots import fill, find_snapshot

__all__ = ["WORKFLOWS"]

_DEFAULTS: Record = {"name": "", "default": False, "body": "", "tags": []}

WORKFLOWS: Kind[Record] = register(
    Kind(
        "workflow",
        model=api.Workflow,
        key="uid",
        uid=True,
        parent=FORMATIONS,
        field="workflows",
        defaults=_DEFAULTS,
    )
)


@handles(api.CREATE)
def create_workflow(context: Context, stack: str, formation: str) -> Record:
    """Add a workflow to a formation. Only one workflow is the default."""
    created = add_part(context, stack, formation, ("workflow", "workflows"), _DEFAULTS)
    if created["default"]:
        for workflow in find(context, FORMATIONS, stack, formation)["workflows"]:
            workflow["default"] = workflow is created
    return created


@handles(formations.GET_WORKFLOW)
def get_workflow(context: Context, stack: str, formation: str) -> Record:
    """Return a workflow, or the default one, with its placeholders filled in."""
    record, given = find(context, FORMATIONS, stack, formation), context.parameters
    deployment = find_snapshot(context, stack, given["snapshot_uid"])
    for workflow in record["workflows"]:
        wanted = workflow["name"] == given["workflow"] if "workflow" in given else workflow["default"]
        if wanted:
            text, _ = fill(context.stack(stack), deployment, workflow["body"])
            return {"pipeline": _read(text)}
    raise missing("workflow")


def _read(text: str) -> object:
    """Return the workflow as data if it is JSON, or else its text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
