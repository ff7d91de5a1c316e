"""Actions in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from ...resources import actions as api
from ..actions import FakeAction
from ..crud import find
from ..handling import Context, Listing, handles
from ..message import Rejected, error_reply
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["ACTIONS"]

_COMMANDS: tuple[str, ...] = get_args(api.Command)


def sample(stack: FakeStack) -> Iterable[FakeAction]:
    """Return the actions of past deployments."""
    return [deployment.action for deployment in stack.deployments]


ACTIONS = register(Kind("action", sample=sample, newest_first=True))


@handles(api.LIST)
def list_actions(context: Context, stack: str) -> Listing[FakeAction]:
    """List the actions of the stack, the newest first, or only those with a user's reference."""
    actions = context.stack(stack).actions
    reference = context.parameter("user_reference")
    if reference is not None:
        actions = [action for action in actions if action.metadata.get("user_reference") == reference]
    return Listing(actions, lambda action: action.to_json(context.now))


@handles(api.GET)
def get_action(context: Context, stack: str, action: str) -> Record:
    """Return one action."""
    return find(context, ACTIONS, stack, action).to_json(context.now)


@handles(api.RUN)
def run_command(context: Context, stack: str) -> Record:
    """Start the action that runs a command."""
    found, data = context.stack(stack), context.request.data
    command = data.get("command")
    if command not in _COMMANDS:
        raise Rejected(error_reply(400, "bad_request", f"command must be one of {', '.join(_COMMANDS)}"))
    if command == "maintenance_mode":
        found.change({"maintenance_mode": str(data.get("value")) == "1"})
    return context.world.act(found, command, user=context.user).to_json(context.now)
