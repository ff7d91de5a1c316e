"""Logs of operations in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import operation_logs as api
from ...resources.operation_logs import LogSeverity
from ..actions import FakeAction
from ..handling import Context, Listing, handles, missing
from ..samples import timestamp
from ..table import Record

__all__: list[str] = []


@handles(api.LIST)
def list_logs(context: Context, operation: str) -> Listing[Record]:
    """List what an operation has logged so far.

    Cloud 66 does not document where uids of operations are found. In the sandbox, the ID of an action is the uid of
    its operation, which has one child operation.
    """
    root = operation.removesuffix("-prepare")
    action = _find(context, root)
    entries = [entry for time, entry in _entries(action, root) if time <= timestamp(context.now)]
    if root != operation:
        entries = [entry for entry in entries if entry["operation_uid"] == operation]
    elif not context.parameters.get("include_children"):
        entries = [entry for entry in entries if entry["s"] is None]
        for entry in entries:
            del entry["operation_uid"]
    lowest = context.parameters.get("min_severity", LogSeverity.TRACE)
    return Listing([entry for entry in entries if entry["v"] >= lowest])


def _find(context: Context, operation: str) -> FakeAction:
    for stack in context.world.visible(context.accounts):
        for action in stack.actions:
            if str(action.id) == operation:
                return action
    raise missing("operation")


def _entries(action: FakeAction, root: str) -> Iterator[tuple[str, Record]]:
    """Yield each log entry of an action and of its child operation, with its time."""
    child, length = f"{root}-prepare", action.ends_at - action.starts_at
    last = LogSeverity.NOTICE if action.success else LogSeverity.ERROR
    for share, severity, text, source in (
        (0.0, LogSeverity.INFO, f"Starting {action.action}", None),
        (0.1, LogSeverity.DEBUG, "Connecting to the servers", child),
        (0.3, LogSeverity.INFO, "The servers are ready", child),
        (0.6, LogSeverity.TRACE, f"Running {action.action}", None),
        (1.0, last, action.message, None),
    ):
        time = timestamp(action.starts_at + length * share)
        entry = {"v": severity.value, "m": text, "t": time, "s": source, "e": int(source is not None)}
        yield time, {**entry, "operation_uid": source}
