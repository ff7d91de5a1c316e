"""What the operations of the API do in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .actions import FakeAction, FakeDeployment
from .api import Context, Handler, Listed, missing
from .message import Refused, problem
from .routes import key
from .samples import identity
from .stack import FakeStack

__all__ = ["HANDLERS"]

N = TypeVar("N", FakeAction, FakeDeployment)

HANDLERS: dict[str, Handler] = {}
"""By verb and path, see `routes.key`."""

_FILTERS = {
    "filter_name": "name",
    "filter_environment": "environment",
    "filter_git_repo": "git",
    "filter_git_branch": "git_branch",
}
_COMMANDS = (
    "clear_caches", "restart", "maintenance_mode", "container_restart", "process_pause", "process_resume",
    "process_restart", "service_pause", "service_resume", "service_restart", "promote_slave_db",
    "resync_slave_db", "disable_replication_slave_db",
)  # fmt: skip


def _answers(method: str, path: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[key(method, path)] = handler
        return handler

    return register


@_answers("GET", "/ping.json")
@_answers("GET", "/ping/auth.json")
def ping(_asking: Context) -> dict[str, Any]:
    """That the server, or the token, works."""
    return {"ok": True, "message": "pong"}


@_answers("GET", "/stacks.json")
def list_stacks(asking: Context) -> Listed[FakeStack]:
    """The stacks that pass all filters. That a filter wants the whole text, in any case, is a guess."""
    stacks = asking.world.visible(asking.accounts)
    for parameter, field in _FILTERS.items():
        wanted = asking.parameter(parameter)
        if wanted is not None:
            folded = wanted.casefold()
            stacks = [stack for stack in stacks if str(stack.data[field]).casefold() == folded]
    return Listed(stacks, lambda stack: stack.shown(asking.now))


@_answers("GET", "/stacks/{stack}.json")
def get_stack(asking: Context, stack: str) -> dict[str, Any]:
    """One stack."""
    return asking.stack(stack).shown(asking.now)


@_answers("POST", "/stacks.json")
def create_stack(asking: Context) -> dict[str, Any]:
    """The action that builds a new stack."""
    data = asking.request.data
    _require(data, "name", "environment", "service_yaml")
    if not data.get("manifest_yaml"):
        _require(data, "cloud", "region", "size", "build_type")
    account = asking.accounts[0]
    cloud = str(data.get("cloud") or "no_cloud")
    fields = {
        "status": 3,
        "health": 0,
        "framework": "docker",
        "cloud": cloud,
        "cloud_status": "partial",
        "revision": "0",
    }
    stack = asking.world.add_stack(
        str(data["name"]), environment=str(data["environment"]), account=account, fields=fields
    )
    deployment = asking.world.deploy(stack, user=asking.user, kind="first_build")
    return deployment.action.shown(asking.now)


@_answers("GET", "/stacks/{stack}/deployments.json")
def list_deployments(asking: Context, stack: str) -> Listed[FakeDeployment]:
    """The deployments of a stack, the newest first."""
    found = asking.stack(stack)
    return Listed(found.deployments, lambda item: found.shown_deployment(item, asking.now))


@_answers("GET", "/stacks/{stack}/deployments/{deployment}.json")
def get_deployment(asking: Context, stack: str, deployment: str) -> dict[str, Any]:
    """One deployment."""
    found = asking.stack(stack)
    return found.shown_deployment(_by_id(found.deployments, deployment, "deployment"), asking.now)


@_answers("POST", "/stacks/{stack}/deployments.json")
def redeploy(asking: Context, stack: str) -> dict[str, Any]:
    """Whether a redeployment runs or waits, and the action to follow."""
    found, data = asking.stack(stack), asking.request.data
    reference = data.get("user_reference")
    if reference is not None and len(str(reference)) > 255:
        raise Refused(problem(400, "bad_request", "user_reference is longer than 255 characters"))
    deployment = asking.world.deploy(
        found,
        user=asking.user,
        git_ref=data.get("git_ref"),
        metadata={} if reference is None else {"user_reference": str(reference)},
    )
    queued = not deployment.action.runs(asking.now)
    message = "Your redeployment is queued behind another one" if queued else "Stack starting redeployment"
    return {"ok": True, "message": message, "queued": queued, "async_action_id": deployment.action.id}


@_answers("DELETE", "/stacks/{stack}/deployments/{deployment}.json")
def cancel_deployment(asking: Context, stack: str, deployment: str) -> dict[str, Any]:
    """That a deployment, running or waiting, was stopped."""
    found = asking.stack(stack)
    item = _by_id(found.deployments, deployment, "deployment")
    if item.action.finished(asking.now):
        raise Refused(problem(409, "conflict", "The deployment is over"))
    found.cancel(item, asking.now)
    return {"ok": True, "message": "Deployment cancelled"}


@_answers("GET", "/stacks/{stack}/actions.json")
def list_actions(asking: Context, stack: str) -> Listed[FakeAction]:
    """The actions of a stack, the newest first; those with a reference where one is given."""
    actions = asking.stack(stack).actions
    reference = asking.parameter("user_reference")
    if reference is not None:
        actions = [action for action in actions if action.metadata.get("user_reference") == reference]
    return Listed(actions, lambda action: action.shown(asking.now))


@_answers("GET", "/stacks/{stack}/actions/{action}.json")
def get_action(asking: Context, stack: str, action: str) -> dict[str, Any]:
    """One action: the way to poll."""
    return _by_id(asking.stack(stack).actions, action, "action").shown(asking.now)


@_answers("POST", "/stacks/{stack}/actions.json")
def run_command(asking: Context, stack: str) -> dict[str, Any]:
    """The action that carries out a named command."""
    found, data = asking.stack(stack), asking.request.data
    command = data.get("command")
    if command not in _COMMANDS:
        raise Refused(problem(400, "bad_request", f"command must be one of {', '.join(_COMMANDS)}"))
    if command == "maintenance_mode":
        found.change({"maintenance_mode": str(data.get("value")) == "1"})
    return asking.world.act(found, command, user=asking.user).shown(asking.now)


@_answers("GET", "/stacks/{stack}/servers.json")
def list_servers(asking: Context, stack: str) -> Listed[dict[str, Any]]:
    """The servers of a stack."""
    return Listed(asking.stack(stack).servers, lambda server: server)


@_answers("GET", "/stacks/{stack}/servers/{server}.json")
def get_server(asking: Context, stack: str, server: str) -> dict[str, Any]:
    """One server, with its key where that is asked for."""
    found = _server(asking.stack(stack), server)
    if asking.parameter("include_private_key") in ("1", "true"):
        return {**found, "ssh_private_key": _private_key(server)}
    return found


@_answers("POST", "/stacks/{stack}/servers/{server}/reboot_server.json")
def reboot_server(asking: Context, stack: str, server: str) -> dict[str, Any]:
    """The action that reboots one server."""
    found = asking.stack(stack)
    _server(found, server)
    return asking.world.act(found, "server_reboot", user=asking.user, server=server).shown(asking.now)


@_answers("POST", "/stacks/{stack}/reboot_servers.json")
def reboot_servers(asking: Context, stack: str) -> dict[str, Any]:
    """The action that reboots the servers of a stack."""
    found = asking.stack(stack)
    _require(asking.request.data, "strategy")
    return asking.world.act(found, "stack_reboot", user=asking.user).shown(asking.now)


def _by_id(items: list[N], number: str, what: str) -> N:
    for item in items:
        if str(item.id) == number:
            return item
    raise missing(what)


def _server(stack: FakeStack, uid: str) -> dict[str, Any]:
    for server in stack.servers:
        if server["uid"] == uid:
            return server
    raise missing("server")


def _private_key(server: str) -> str:
    lines = "\n".join(identity("key", server, number) * 2 for number in range(6))
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"


def _require(data: dict[str, Any], *names: str) -> None:
    absent = [name for name in names if not data.get(name)]
    if absent:
        raise Refused(problem(400, "bad_request", f"missing: {', '.join(absent)}"))
