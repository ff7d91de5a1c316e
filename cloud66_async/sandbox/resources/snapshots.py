"""Snapshots in the sandbox, and rendering with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase

from ...resources import snapshots as api
from ..actions import FakeDeployment
from ..crud import find
from ..handling import Context, Listing, handles, missing
from ..samples import sample_uid, timestamp
from ..stack import FakeStack
from ..table import Record
from .formations import FORMATIONS

__all__ = ["fill", "find_snapshot", "render_stencils"]

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_LINK = "https://help.cloud66.example.com/formations/placeholders"


@handles(api.LIST)
def list_snapshots(context: Context, stack: str) -> Listing[FakeDeployment]:
    """List a snapshot for each deployment that has started, the newest first."""
    found = context.stack(stack)
    return Listing(_deployments(context, found), lambda deployment: _to_json(found, deployment))


@handles(api.RENDER)
def render_snapshot(context: Context, stack: str, snapshot: str, formation: str) -> Record:
    """Render the stencils of a formation that were requested and that the filter selects."""
    record, deployment = find(context, FORMATIONS, stack, formation), find_snapshot(context, stack, snapshot)
    stencils, given = record["stencils"], context.parameters
    names = {stencil["filename"] for stencil in stencils}
    wanted = given.get("requested_files", [])
    if not names.issuperset(wanted):
        raise missing("stencil")
    if "filter" in given:
        patterns = [item["stencil_filter"] for item in record["filters"] if item["name"] == given["filter"]]
        if not patterns:
            raise missing("formation filter")
        names = {name for name in names if fnmatchcase(name, patterns[0])}
    chosen = [item for item in stencils if item["filename"] in names and (not wanted or item["filename"] in wanted)]
    before = None if given.get("use_latest", True) else deployment.action.starts_at
    texts = [(stencil, _text_of(record, stencil, before)) for stencil in chosen]
    rendered = render_stencils(context.stack(stack), deployment, texts)
    return {**rendered, "requested_files": wanted}


def find_snapshot(context: Context, stack: str, uid: str) -> FakeDeployment:
    """Return the deployment that a snapshot is of. The uid may be `latest`. Raises Rejected with 404."""
    found = context.stack(stack)
    for deployment in _deployments(context, found):
        if uid in ("latest", _uid(found, deployment)):
            return deployment
    raise missing("snapshot")


def render_stencils(stack: FakeStack, deployment: FakeDeployment, texts: Iterable[tuple[Record, str | None]]) -> Record:
    """Return stencils with their placeholders filled in, and a warning for each placeholder that is unknown.

    A stencil without text is left out: the snapshot is older.
    """
    stencils: list[Record] = []
    issues: list[Record] = []
    for stencil, text in texts:
        if text is None:
            continue
        content, unknown = fill(stack, deployment, text)
        name = stencil["filename"]
        stencils.append({"filename": name, "content": content, "sequence": stencil["sequence"]})
        issues += (
            {"severity": "warning", "text": f"Unknown placeholder: {item}", "stencil": name, "link": _LINK}
            for item in unknown
        )
    return {"stencils": stencils, "issues": issues, "requested_files": []}


def fill(stack: FakeStack, deployment: FakeDeployment, text: str) -> tuple[str, list[str]]:
    """Return the text with its placeholders filled in, and the names of those that are unknown."""
    name, environment = stack.data["name"], stack.data["environment"]
    values = {
        "stack": name,
        "environment": environment,
        "namespace": f"{name}-{environment}",
        "snapshot": _uid(stack, deployment),
        "image": f"registry.example.com/acme/{name}:{deployment.git_hash[:7]}",
    }
    unknown = [found for found in dict.fromkeys(_PLACEHOLDER.findall(text)) if found not in values]
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text), unknown


def _text_of(formation: Record, stencil: Record, before: datetime | None) -> str | None:
    """Return the latest text of a stencil, or the one that it had at a time, or None if it did not exist then."""
    versions = formation["versions"].get(stencil["uid"], [[None, stencil["body"]]])
    texts = [text for time, text in versions if _is_known(time, before)]
    return texts[-1] if texts else None


def _is_known(time: str | None, before: datetime | None) -> bool:
    """Return whether a text that exists since `time` existed at the other time."""
    return before is None or time is None or datetime.fromisoformat(time) <= before


def _deployments(context: Context, stack: FakeStack) -> list[FakeDeployment]:
    return [deployment for deployment in stack.deployments if deployment.action.starts_at <= context.now]


def _uid(stack: FakeStack, deployment: FakeDeployment) -> str:
    return f"sn-{sample_uid('snapshot', stack.uid, deployment.id)}"


def _to_json(stack: FakeStack, deployment: FakeDeployment) -> Record:
    """Return the fields of the API."""
    time = timestamp(deployment.action.starts_at)
    return {
        "uid": _uid(stack, deployment),
        "action": deployment.action.action,
        "triggered_at": time,
        "triggered_by": deployment.action.user,
        "tags": [],
        "created_at_iso": time,
        "updated_at_iso": time,
    }
