"""Stencils in the sandbox."""

from __future__ import annotations

import base64

from ...resources import stencils as api
from ..crud import find
from ..handling import Context, handles, missing
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import timestamp
from ..table import Kind, Record, register
from .formations import FORMATIONS, base_templates, check_message, new_part
from .snapshots import find_snapshot, render_stencils

__all__ = ["STENCILS"]

_DEFAULTS: Record = {
    "filename": "",
    "template_filename": "",
    "context_id": "",
    "status": 0,
    "tags": [],
    "inline": False,
    "gitfile_path": "",
    "body": "",
    "sequence": 0,
}

STENCILS: Kind[Record] = register(
    Kind(
        "stencil",
        model=api.Stencil,
        key="uid",
        uid=True,
        parent=FORMATIONS,
        field="stencils",
        defaults={**_DEFAULTS, "btr_repo": None, "btr_branch": None},
    )
)


@handles(api.CREATE)
def create_stencils(context: Context, stack: str, formation: str) -> Record:
    """Start the action that adds stencils to a formation."""
    record, given = find(context, FORMATIONS, stack, formation), context.parameters
    check_message(context)
    templates = {item["uid"]: item for item in base_templates(context, stack, record)}
    template = templates.get(given["btr_uuid"])
    if template is None:
        raise missing("base template of the formation")
    source = {"btr_repo": template["git_repo"], "btr_branch": template["git_branch"]}
    added = [{**new_part(context, item, _DEFAULTS), **source} for item in given["stencils"]]
    if not added:
        raise bad_request("stencils must not be empty")
    names = [item["filename"] for item in (*record["stencils"], *added)]
    if len(set(names)) < len(names):
        raise Rejected(error_reply(409, "conflict", "Each stencil needs a filename that no other stencil has"))

    def add() -> None:
        record["stencils"] += added
        record["versions"] |= {item["uid"]: [[context.now.isoformat(), item["body"]]] for item in added}

    return context.start_action(stack, "stencil_create", add)


@handles(api.UPDATE)
def update_stencil(context: Context, stack: str, formation: str, stencil: str) -> Record:
    """Change the text of a stencil."""
    record, found = _find(context, stack, formation, stencil)
    check_message(context)
    text = _text(context)
    versions = record["versions"].setdefault(stencil, [[None, found["body"]]])
    versions.append([context.now.isoformat(), text])
    found.update(body=text, updated_at_iso=timestamp(context.now))
    return found


@handles(api.RENDER)
def render_stencil(context: Context, stack: str, formation: str, stencil: str) -> Record:
    """Render the text in the request as that of a stencil."""
    _, found = _find(context, stack, formation, stencil)
    deployment = find_snapshot(context, stack, context.parameters["snapshot_id"])
    return render_stencils(context.stack(stack), deployment, [(found, _text(context))])


def _find(context: Context, stack: str, formation: str, stencil: str) -> tuple[Record, Record]:
    """Return a formation and one of its stencils."""
    record = find(context, FORMATIONS, stack, formation)
    for item in record["stencils"]:
        if item["uid"] == stencil:
            return record, item
    raise missing("stencil")


def _text(context: Context) -> str:
    """Return the text that the request contains in base64."""
    try:
        return base64.b64decode(context.parameters["body"], validate=True).decode()
    except ValueError:
        raise bad_request("body must be text in base64") from None
