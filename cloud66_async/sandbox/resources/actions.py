"""Actions in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable

from ...resources import actions as api
from ..actions import FakeAction
from ..commands import EFFECTS
from ..crud import find
from ..handling import Context, Listing, handles, missing
from ..parameters import bad_request
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["ACTIONS"]


def sample(stack: FakeStack) -> Iterable[FakeAction]:
    """Return the actions of past deployments."""
    return [deployment.action for deployment in stack.deployments]


ACTIONS = register(Kind("action", sample=sample, newest_first=True))


@handles(api.LIST)
def list_actions(context: Context, stack: str) -> Listing[FakeAction]:
    """List the actions of the stack, the newest first, or only those with a user's reference."""
    actions = context.stack(stack).actions
    reference = context.parameters.get("user_reference")
    if reference is not None:
        actions = [action for action in actions if action.metadata.get("user_reference") == reference]
    return Listing(actions, lambda action: action.to_json(context.now))


@handles(api.GET)
def get_action(context: Context, stack: str, action: str) -> Record:
    """Return one action."""
    return find(context, ACTIONS, stack, action).to_json(context.now)


# What a command needs besides its name.
_REQUIRED = {
    "maintenance_mode": ("value",),
    "container_restart": ("container_id",),
    "promote_slave_db": ("server_uid",),
    "resync_slave_db": ("server_uid",),
    "disable_replication_slave_db": ("server_uid",),
}
# What a command acts on: the kind of record, and the parameter that identifies it.
_TARGETS = {"container_id": "container", "process_name": "process", "service_name": "service", "server_uid": "server"}


@handles(api.RUN)
def run_command(context: Context, stack: str) -> Record:
    """Start the action that runs a command."""
    given = context.parameters
    command: str = given["command"]
    absent = [name for name in _REQUIRED.get(command, ()) if name not in given]
    if absent:
        raise bad_request(f"Missing parameters: {', '.join(absent)}")
    found = context.stack(stack)
    for parameter, kind in _TARGETS.items():
        if parameter in given:
            try:
                context.world.table(kind, found).get(given[parameter])
            except KeyError:
                raise missing(kind) from None
    if command == "maintenance_mode":
        found.change({"maintenance_mode": given["value"] == 1})

    def change() -> None:
        for effect in EFFECTS.get(command, ()):
            effect(context, found)

    return context.start_action(stack, command, change, server=given.get("server_uid"))
