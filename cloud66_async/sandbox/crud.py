"""Ready-made handlers for plain collections: list, get, create, update and delete records of a table.

The path of an operation gives the parents: `/stacks/{stack}/servers/{server}/...` leads to a record of a stack, and a
path without a stack to a record of one of the user's accounts. New records belong to the first account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..operation import Operation
from ..resources.common import Outcome
from .handling import Context, Listing, handles, missing

if TYPE_CHECKING:
    from .table import Kind, Record, Table

__all__ = [
    "find",
    "serve_action",
    "serve_create",
    "serve_delete",
    "serve_get",
    "serve_list",
    "serve_update",
    "tables_of",
]

R = TypeVar("R")

_NO_FILTERS: Mapping[str, str] = {}


def serve_list(
    operation: Operation[Any], kind: Kind[Record], *, filters: Mapping[str, str] = _NO_FILTERS, paged: bool = True
) -> None:
    """Serve the operation with a page of the records, or with all of them if the list is not `paged`.

    `filters` has the field that each query parameter filters by.
    """
    _require(operation.query.keys() == filters.keys(), operation, "a filter for each query parameter")

    @handles(operation)
    def handle(context: Context, *values: str) -> Listing[Record]:
        records = [record for table in tables_of(context, kind, *values) for record in table.list()]
        for name, value in context.parameters.items():
            records = [record for record in records if record.get(filters[name]) == value]
        return Listing(records, paged=paged)


def serve_get(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation with one record."""
    _require(not operation.query, operation, "a handler of its own for its query parameters")

    @handles(operation)
    def handle(context: Context, *values: str) -> Record:
        return find(context, kind, *values)


def serve_create(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation by creating a record from the body parameters."""
    _require(not operation.asynchronous, operation, "serve_action")

    @handles(operation)
    def handle(context: Context, *values: str) -> object:
        record = tables_of(context, kind, *values)[0].create(context.parameters)
        return _result(operation, record, f"{kind.name} created")


def serve_update(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation by setting the given body parameters on a record."""
    _require(not operation.asynchronous, operation, "serve_action")

    @handles(operation)
    def handle(context: Context, *values: str) -> object:
        record = _lookup(context, kind, lambda table, key: table.update(key, context.parameters), *values)
        return _result(operation, record, f"{kind.name} updated")


def serve_delete(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation by deleting a record."""
    _require(not operation.asynchronous, operation, "serve_action")

    @handles(operation)
    def handle(context: Context, *values: str) -> object:
        record = _lookup(context, kind, lambda table, key: table.delete(key), *values)
        return _result(operation, record, f"{kind.name} deleted")


def serve_action(
    operation: Operation[Any], kind: Kind[Record], name: str, changes: Mapping[str, object], *, every: bool = False
) -> None:
    """Serve the operation with an action of a stack that makes these changes to a record, or to `every` record."""

    @handles(operation)
    def handle(context: Context, stack: str, *values: str) -> Record:
        (table,) = tables_of(context, kind, stack, *(values if every else values[:-1]))
        keys = [kind.identify(record) for record in table.list()] if every else [values[-1]]
        if not every:
            find(context, kind, stack, *values)
        return context.start_action(stack, name, lambda: [table.update(key, changes) for key in keys])


def find(context: Context, kind: Kind[R], *values: str) -> R:
    """Return the record that the values in a path lead to. Raises Rejected with 404 if there is none."""
    return _lookup(context, kind, lambda table, key: table.get(key), *values)


def tables_of(context: Context, kind: Kind[R], *values: str) -> list[Table[R]]:
    """Return the tables that hold the records: one for a parent, or one for each account.

    `values` are the path values of the parents.

    Raises Rejected with 404 if there is no such parent.
    """
    if kind.parent is not None:
        return [context.world.table(kind, find(context, kind.parent, *values))]
    if values:
        return [context.world.table(kind, context.stack(*values))]
    return [context.world.table(kind, account) for account in context.accounts]


def _lookup(context: Context, kind: Kind[R], use: Callable[[Table[R], str], R], *values: str) -> R:
    *parents, key = values
    for table in tables_of(context, kind, *parents):
        with suppress(KeyError):
            return use(table, key)
    raise missing(kind.name)


def _require(condition: bool, operation: Operation[Any], what: str) -> None:
    """Check that a ready-made handler suits the operation."""
    if not condition:
        raise ValueError(f"cannot serve {operation} in this way: it needs {what}")


def _result(operation: Operation[Any], record: Record, message: str) -> object:
    """Return what the operation returns: the record, that the request was accepted, or nothing."""
    if operation.returns is Outcome:
        return {"ok": True, "message": message.capitalize()}
    return None if operation.returns is None else record
