"""Tags in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from ...resources import tags as api
from ..handling import Context, Listing, also_at, handles, missing
from ..parameters import bad_request
from ..stack import FakeStack
from ..table import Kind, Record, register
from .firewall_rules import FIREWALL_RULES
from .formations import FORMATIONS
from .servers import SERVERS

__all__ = ["TAGS"]

_KINDS: Mapping[str, Kind[Record]] = {
    "server": SERVERS,
    "firewall_rule": FIREWALL_RULES,
    "formation": FORMATIONS,
}
_RESERVED = {
    "c66.delete.protection",
    "c66.migrations.run",
    "c66.compilation.run",
    "c66.build-commands.run",
    "c66.deploy-commands.run",
}


def _timestamp(time: datetime) -> str:
    """Return `time` in the format of tags: `2021-01-04T21:32:33+0000`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000")


TAGS: Kind[Record] = register(
    Kind(
        "entity with tags",
        model=api.EntityTags,
        owners=("stack", "account"),
        key="entity_id",
        defaults={"tags": [], "created_at_iso": None, "updated_at_iso": None},
        timestamp=_timestamp,
    )
)


@handles(api.LIST)
def list_tags(context: Context, entity_type: str, entity_id: str) -> Listing[Record]:
    """Return the tags of an entity, in a list of one item, as strings."""
    return Listing([_entity(context, entity_type, entity_id)])


@handles(api.REPLACE)
def replace_tags(context: Context, entity_type: str, entity_id: str) -> Listing[Record]:
    """Replace the tags of an entity."""
    return Listing([_set(context, entity_type, entity_id, _checked(context.parameters["tags"]))])


@handles(api.UPDATE)
def update_tags(context: Context, entity_type: str, entity_id: str) -> Record:
    """Remove and add tags. The response is as the official client reads it: no list, tags as objects, usual dates."""
    changes: dict[str, list[str]] = {"add": [], "delete": []}
    for operation in context.parameters["operations"]:
        if operation.get("op") not in changes:
            raise bad_request("op must be add or delete")
        tags = operation.get("tags", "")
        changes[operation["op"]] += [] if tags is None else _checked(tags)  # the official client sends null for none
    before = _entity(context, entity_type, entity_id)["tags"]
    kept = [tag for tag in before if tag not in changes["delete"]]
    record = _set(context, entity_type, entity_id, [*kept, *changes["add"]])
    dates = {name: record[name].replace("+0000", "Z") for name in ("created_at_iso", "updated_at_iso")}
    return {**record, **dates, "tags": [{"value": tag, "reserved": tag in _RESERVED} for tag in record["tags"]]}


@handles(api.DELETE)
def delete_tags(context: Context, entity_type: str, entity_id: str) -> Listing[Record]:
    """Delete the tags of an entity."""
    return Listing([_set(context, entity_type, entity_id, [])])


for _operation in (api.LIST, api.REPLACE, api.UPDATE, api.DELETE):
    also_at(_operation.method, f"{_operation.path}/tags", _operation)


def _entity(context: Context, entity_type: str, entity_id: str) -> Record:
    """Return the record with the tags of an entity. Raises Rejected with 404 if there is no such entity."""
    table = context.world.table(TAGS, _owner(context, entity_type, entity_id))
    for record in table.list():
        if (record["entity_type"], record["entity_id"]) == (entity_type, entity_id):
            return record
    return table.create({"entity_id": entity_id, "entity_type": entity_type})


def _owner(context: Context, entity_type: str, entity_id: str) -> FakeStack | int:
    """Return the stack that an entity belongs to, or the account of a load balancer."""
    if entity_type == "stack":
        return context.stack(entity_id)
    if entity_type == "loadbalancer" and entity_id.isdecimal():
        return context.accounts[0]  # no operation lists load balancers, so every number is one
    kind = _KINDS.get(entity_type)
    if kind is not None:
        for stack in context.world.visible(context.accounts):
            if any(kind.identify(record) == entity_id for record in context.world.table(kind, stack).list()):
                return stack
    raise missing(entity_type)


def _set(context: Context, entity_type: str, entity_id: str, tags: Iterable[str]) -> Record:
    record = _entity(context, entity_type, entity_id)
    record.update(tags=list(dict.fromkeys(tags)), updated_at_iso=_timestamp(context.now))
    return record


def _checked(tags: object) -> list[str]:
    try:
        found = msgspec.convert(tags, list[str])
    except msgspec.ValidationError:
        found = [""]
    if not all(tag.strip() for tag in found):
        raise bad_request("tags must be a list of strings that are not empty")
    return found
