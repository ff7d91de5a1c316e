"""Base templates in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...resources import base_templates as api
from ...resources.base_templates import BaseTemplateStatus
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..parameters import bad_request
from ..samples import sample_uid, timestamp
from ..table import Kind, Record, register

__all__ = ["BASE_TEMPLATES"]

_STEPS = (BaseTemplateStatus.QUEUED, BaseTemplateStatus.PULLING, BaseTemplateStatus.VERIFYING)
_FILES = {
    "deployment.yml": ("Deployment", "service", "apiVersion: apps/v1\nkind: Deployment\n"),
    "service.yml": ("Service", "service", "apiVersion: v1\nkind: Service\n"),
    "namespace.yml": ("Namespace", "namespace", "apiVersion: v1\nkind: Namespace\n"),
}


def sample(account: int) -> Iterator[Record]:
    """Yield a template that is available."""
    yield {
        "uid": sample_uid("base template", account),
        **_repository("https://git.example.com/acme/base-templates.git", "main"),
        "created_at_iso": "2025-05-19T10:00:00Z",
        "updated_at_iso": "2025-05-19T10:00:00Z",
        "pull_at": "2025-05-19T10:00:00+00:00",
    }


BASE_TEMPLATES = register(
    Kind(
        "base template",
        model=api.BaseTemplate,
        owners=("account",),
        key="uid",
        uid=True,
        sample=sample,
        defaults={"created_at_iso": None, "updated_at_iso": None},
    )
)


@handles(api.LIST)
def list_templates(context: Context) -> Listing[Record]:
    """List the base templates of the accounts."""
    records = [record for table in tables_of(context, BASE_TEMPLATES) for record in table.list()]
    return Listing(records, lambda record: _to_json(context, record))


@handles(api.GET)
def get_template(context: Context, base_template: str) -> Record:
    """Return one base template, with its files and their text if they were requested."""
    found = _to_json(context, find(context, BASE_TEMPLATES, base_template))
    if context.parameters.get("include_stencils"):
        content = bool(context.parameters.get("include_content"))
        found["stencils"] = list(_stencils(base_template, content=content))
    return found


@handles(api.CREATE)
def create_template(context: Context) -> Record:
    """Add a base template to the first account and pull its repository."""
    table = tables_of(context, BASE_TEMPLATES)[0]
    return _to_json(context, table.create({**_given(context), "pull_at": context.now.isoformat()}))


@handles(api.UPDATE)
def update_template(context: Context, base_template: str) -> Record:
    """Change the repository of a base template and pull it."""
    record = find(context, BASE_TEMPLATES, base_template)
    record.update({**_given(context), "updated_at_iso": timestamp(context.now), "pull_at": context.now.isoformat()})
    return _to_json(context, record)


@handles(api.DELETE)
def delete_template(context: Context, base_template: str) -> Record:
    """Delete a base template and return it."""
    record = find(context, BASE_TEMPLATES, base_template)
    for table in tables_of(context, BASE_TEMPLATES):
        if record in table.records:
            table.delete(base_template)
    return _to_json(context, record)


@handles(api.SYNC)
def sync_template(context: Context, base_template: str) -> Record:
    """Pull the repository of a base template, which takes as long as an action."""
    record = find(context, BASE_TEMPLATES, base_template)
    record["pull_at"] = context.now.isoformat()
    return _to_json(context, record)


def _given(context: Context) -> Record:
    """Return the fields that the request changes."""
    repository, branch = context.parameters["git_repo"], context.parameters["git_branch"]
    if not repository or not branch:
        raise bad_request("git_repo and git_branch must not be empty")
    return _repository(repository, branch)


def _repository(repository: str, branch: str) -> Record:
    name = repository.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return {"name": name, "short_name": name[:12], "git_repo": repository, "git_branch": branch}


def _to_json(context: Context, record: Record) -> Record:
    """Return the fields of the API, with the state that a pull has reached."""
    fields = {name: value for name, value in record.items() if name != "pull_at"}
    seconds = context.world.action_seconds
    start = datetime.fromisoformat(record["pull_at"])
    step = int((context.now - start).total_seconds() / seconds * len(_STEPS)) if seconds else len(_STEPS)
    done = step >= len(_STEPS)
    ended = timestamp(start + timedelta(seconds=seconds)) if done else None
    status = BaseTemplateStatus.AVAILABLE if done else _STEPS[step]
    return {**fields, "status": status.value, "stencils": None, "last_sync_iso": ended}


def _stencils(base_template: str, *, content: bool) -> Iterator[Record]:
    for number, (filename, (name, context_type, text)) in enumerate(_FILES.items(), start=1):
        yield {
            "base_template": base_template,
            "filename": filename,
            "filename_pattern": f"{{service}}_{filename}",
            "name": name,
            "description": f"Kubernetes {name.lower()}",
            "context_type": context_type,
            "tags": ["kubernetes"],
            "preferred_sequence": number * 10,
            "content": text if content else None,
        }
