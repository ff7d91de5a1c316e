"""Sessions in the sandbox."""

from __future__ import annotations

from ...resources import sessions as api
from ..crud import find
from ..handling import Context, handles
from ..parameters import bad_request
from ..stack import FakeStack
from ..table import Kind, Record, register
from .containers import CONTAINERS, selected, uses_containers
from .services import SERVICES

__all__ = ["SESSIONS"]

_FIELDS = ("title", "service_name", "command", "namespace", "deployment_name", "pod_name", "container_name", "status")
_SAMPLE = ("web (ada@example.com)", "web", "/bin/bash", None, None, None, "web-1", "active")
SESSIONS: Kind[Record] = register(
    Kind(
        "session",
        model=api.Session,
        key="uid",
        uid=True,
        newest_first=True,
        defaults=dict(zip(_FIELDS, _SAMPLE, strict=True)),
    )
)


@handles(api.CREATE)
def create_session(context: Context, stack: str) -> Record:
    """Start the action that creates a session in the first container of a service."""
    found = _container_stack(context, stack)
    service = find(context, SERVICES, stack, context.parameters["service_name"])["name"]
    containers = selected(context.world.table(CONTAINERS, found), service=service)
    if not containers:
        raise bad_request("The service has no running containers")
    table, namespaces = context.world.table(SESSIONS, found), found.data["namespaces"]
    session = {
        "id": table.new_id(),
        "title": f"{service} ({context.user})",
        "service_name": service,
        "command": "/bin/bash",
        "namespace": namespaces[0] if namespaces else None,
        "deployment_name": f"{service}-deployment" if namespaces else None,
        "pod_name": f"{containers[0]['name']}-pod" if namespaces else None,
        "container_name": containers[0]["name"],
        "status": "active",
    }
    return context.start_action(stack, "open_session", lambda: table.create(session))


@handles(api.FETCH)
def fetch_session(context: Context, stack: str) -> Record:
    """Return a session by uid or ID, or the latest one of a service. A missing one is a 400, as documented."""
    sessions = context.world.table(SESSIONS, _container_stack(context, stack)).list()
    wanted, service = context.parameters.get("session_id"), context.parameters.get("service_name")
    if wanted is None:
        found = [session for session in sessions if session["service_name"] == service]
    else:
        found = [session for session in sessions if wanted in (session["uid"], str(session["id"]))]
    if not found:
        raise bad_request("There is no such session")
    return found[0]


def _container_stack(context: Context, stack: str) -> FakeStack:
    """Return the stack. Raises Rejected with 400 if it does not run in containers."""
    found = context.stack(stack)
    if not uses_containers(found):
        raise bad_request("Sessions need a stack that runs in containers")
    return found
