"""Versions of service.yml in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...operation import Operation
from ...resources import service_yamls as api
from ...resources.service_yamls import YamlVersion
from ..crud import serve_get, tables_of
from ..handling import Context, Listing, handles
from ..parameters import bad_request
from ..samples import sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["SERVICE_YAMLS", "sample_version", "serve_versions"]


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the first version."""
    text = f"services:\n  web:\n    git_url: {stack.data['git']}\n    git_branch: {stack.data['git_branch']}\n"
    yield sample_version(stack, "service.yml", text)


def sample_version(stack: FakeStack, file: str, text: str) -> Record:
    """Return the first version of a file of the stack."""
    time = timestamp(stack.added_at)
    return {
        "uid": sample_uid(file, stack.uid),
        "body": text,
        "comments": "First version",
        "created_at_iso": time,
        "updated_at_iso": time,
    }


def serve_versions(list_: Operation[Any], create: Operation[Any], kind: Kind[Record], parameter: str) -> None:
    """Serve the list of a file's versions, and the operation that adds one. `parameter` is the text of the file."""

    @handles(list_)
    def list_versions(context: Context, stack: str) -> Listing[Record]:
        (table,) = tables_of(context, kind, stack)
        hidden = {} if context.parameters.get("include_body") else {"body": None}
        return Listing([{**record, **hidden} for record in table.list()])

    @handles(create)
    def create_version(context: Context, stack: str) -> Record:
        (table,) = tables_of(context, kind, stack)
        text = context.parameters[parameter]
        if not text.strip():
            raise bad_request(f"{parameter} must not be empty")
        return table.create({"body": text, "comments": context.parameters.get("comments")})


SERVICE_YAMLS = register(
    Kind(
        "service.yml version",
        model=YamlVersion,
        key="uid",
        uid=True,
        sample=sample,
        newest_first=True,
        defaults={"created_at_iso": None, "updated_at_iso": None},
    )
)

serve_get(api.GET, SERVICE_YAMLS)
serve_versions(api.LIST, api.CREATE, SERVICE_YAMLS, "service_yaml")
