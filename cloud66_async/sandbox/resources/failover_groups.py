"""Failover groups in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ...resources import failover_groups as api
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import sample_uid
from ..table import Kind, Record, Table, register

__all__ = ["FAILOVER_GROUPS"]

_SIDES = {1: "primary_stack", 2: "secondary_stack"}
_INTERNAL = {"switched_at", "previous_stack"}

FAILOVER_GROUPS: Kind[Record] = register(
    Kind(
        "failover group",
        model=api.FailoverGroup,
        owners=("account",),
        key="uid",
        defaults={
            "address": None,
            "current_stack": 1,
            "primary_stack_uid": None,
            "secondary_stack_uid": None,
            "readonly": False,
            "created_at": None,
            "updated_at": None,
            "switched_at": None,
            "previous_stack": None,
        },
    )
)


@handles(api.LIST)
def list_groups(context: Context) -> Listing[Record]:
    """List the failover groups of the user's accounts."""
    records = [record for table in tables_of(context, FAILOVER_GROUPS) for record in table.list()]
    return Listing(records, lambda record: _to_json(context, record), paged=False)


@handles(api.CREATE)
def create_group(context: Context) -> Record:
    """Create a failover group in the first account."""
    table = tables_of(context, FAILOVER_GROUPS)[0]
    uid = sample_uid("failover group", table.new_id())
    fields = _fields(context, FAILOVER_GROUPS.defaults)
    table.create({"uid": f"fg-{uid}", "address": f"{uid[:12]}.failover.c66.example.com", **fields})
    return {"ok": True, "message": "Failover group created"}


@handles(api.UPDATE)
def update_group(context: Context, group: str) -> Record:
    """Change a failover group. Switching to the other stack takes as long as an action."""
    table, record = _changeable(context, group)
    if _busy(context, record):
        raise Rejected(error_reply(409, "conflict", "The failover group is being switched"))
    fields, previous = _fields(context, record), record["current_stack"]
    if fields.get("current_stack", previous) != previous:
        fields |= {"switched_at": context.now.isoformat(), "previous_stack": previous}
    table.update(group, fields)
    return {"ok": True, "message": "Failover group updated"}


@handles(api.DELETE)
def delete_group(context: Context, group: str) -> Record:
    """Delete a failover group."""
    table, _ = _changeable(context, group)
    table.delete(group)
    return {"ok": True, "message": "Failover group deleted"}


def _changeable(context: Context, group: str) -> tuple[Table[Record], Record]:
    """Return a group that is not read-only, and its table."""
    record = find(context, FAILOVER_GROUPS, group)
    if record["readonly"]:
        raise Rejected(error_reply(403, "forbidden", "The failover group is read-only"))
    return next(table for table in tables_of(context, FAILOVER_GROUPS) if record in table.records), record


def _fields(context: Context, record: Mapping[str, Any]) -> Record:
    """Return what the request sets. An empty uid removes a stack."""
    fields = dict(context.parameters)
    for side in _SIDES.values():
        uid = fields.get(f"{side}_uid")
        if uid is not None:
            fields[f"{side}_uid"] = context.stack(uid).uid if uid else None
    result = {**record, **fields}
    if "current_stack" in fields and result[f"{_SIDES[fields['current_stack']]}_uid"] is None:
        raise bad_request("current_stack must be a stack that the group has")
    if result["primary_stack_uid"] is not None and result["primary_stack_uid"] == result["secondary_stack_uid"]:
        raise bad_request("A stack cannot be both the primary and the secondary stack")
    return fields


def _busy(context: Context, record: Record) -> bool:
    switched = record["switched_at"]
    if switched is None:
        return False
    return context.now < datetime.fromisoformat(switched) + timedelta(seconds=context.world.action_seconds)


def _to_json(context: Context, record: Record) -> Record:
    """Return the fields of the API. The address points at the previous stack until the switch is finished."""
    shown = {name: value for name, value in record.items() if name not in _INTERNAL}
    for side in _SIDES.values():
        stack = context.world.stacks.get(record[f"{side}_uid"])
        shown[f"{side}_name"] = None if stack is None else stack.name
    shown["busy_toggling"] = _busy(context, record)
    if shown["busy_toggling"]:
        shown["current_stack"] = record["previous_stack"]
    return shown
