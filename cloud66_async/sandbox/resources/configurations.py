"""Configuration files in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import configurations as api
from ..crud import find, serve_get, serve_list, tables_of
from ..handling import Context, handles
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["CONFIGURATIONS"]

_FILES = {
    "nginx": "worker_processes auto;\n\nevents {\n  worker_connections 1024;\n}\n",
    "postgresql": "max_connections = 100\nshared_buffers = 256MB\n",
}


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the configurations of the web server and of the database."""
    for kind, body in _FILES.items():
        yield {
            "name": f"{kind}.conf",
            "type": kind,
            "body": body,
            "comments": "First version",
            "can_apply": False,
            "changed_by": "ada@example.com",
            "created_at": timestamp(stack.added_at),
            "updated_at": timestamp(stack.added_at),
        }


CONFIGURATIONS = register(Kind("configuration", model=api.Configuration, key="type", sample=sample))

serve_list(api.LIST, CONFIGURATIONS)
serve_get(api.GET, CONFIGURATIONS)


@handles(api.UPDATE)
def update_configuration(context: Context, stack: str, configuration: str) -> Record:
    """Start the action that changes a file. A change that is not applied can be applied later."""
    find(context, CONFIGURATIONS, stack, configuration)
    (table,) = tables_of(context, CONFIGURATIONS, stack)
    comments = context.parameters["commit_message"]
    if not comments.strip():
        raise bad_request("commit_message must not be empty")
    fields = {
        "body": context.parameters["body"],
        "comments": comments,
        "can_apply": not context.parameters.get("must_apply", False),
        "changed_by": context.user,
    }
    return context.start_action(stack, "configuration_update", lambda: table.update(configuration, fields))


@handles(api.APPLY)
def apply_configuration(context: Context, stack: str, configuration: str) -> Record:
    """Start the action that applies a changed file."""
    record = find(context, CONFIGURATIONS, stack, configuration)
    if not record["can_apply"]:
        raise Rejected(error_reply(409, "conflict", "The configuration has no change to apply"))
    (table,) = tables_of(context, CONFIGURATIONS, stack)
    return context.start_action(stack, "configuration_apply", lambda: table.update(configuration, {"can_apply": False}))
