"""Ready-made handlers for plain collections: list, get, create, update and delete records of a table.

The path of an operation gives the parents: `/stacks/{stack}/servers/{server}/...` leads to a record of a stack, and a
path without a stack to a record of one of the user's accounts. New records belong to the first account.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..operation import Operation
from ..resources.common import Outcome
from .handling import Context, Listing, handles, missing, require
from .message import Rejected, error_reply

if TYPE_CHECKING:
    from .table import Kind, Record, Table

__all__ = ["find", "serve_create", "serve_delete", "serve_get", "serve_list", "serve_update", "tables_of"]

R = TypeVar("R")


def serve_list(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation with a page of the records."""

    @handles(operation)
    def handle(context: Context, *values: str) -> Listing[Record]:
        return Listing([record for table in tables_of(context, kind, *values) for record in table.list()])


def serve_get(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation with one record."""

    @handles(operation)
    def handle(context: Context, *values: str) -> Record:
        return find(context, kind, *values)


def serve_create(operation: Operation[Any], kind: Kind[Record], *, required: tuple[str, ...] = ()) -> None:
    """Serve the operation with a new record, which has the body parameters of the operation.

    A request without one of the `required` parameters is rejected with 400.
    """

    @handles(operation)
    def handle(context: Context, *values: str) -> Record:
        fields = _body(context, operation)
        require(fields, *required)
        record = tables_of(context, kind, *values)[0].create(fields)
        return _result(operation, record, f"{kind.name} created")


def serve_update(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation with a record, in which it sets the body parameters that the request has."""

    @handles(operation)
    def handle(context: Context, *values: str) -> Record:
        record = _lookup(context, kind, lambda table, key: table.update(key, _body(context, operation)), *values)
        return _result(operation, record, f"{kind.name} updated")


def serve_delete(operation: Operation[Any], kind: Kind[Record]) -> None:
    """Serve the operation with a record that it deletes."""

    @handles(operation)
    def handle(context: Context, *values: str) -> Record:
        record = _lookup(context, kind, lambda table, key: table.delete(key), *values)
        return _result(operation, record, f"{kind.name} deleted")


def find(context: Context, kind: Kind[R], *values: str) -> R:
    """Return the record that the values in a path lead to. Raises Rejected with 404 if there is none."""
    return _lookup(context, kind, lambda table, key: table.get(key), *values)


def tables_of(context: Context, kind: Kind[R], *values: str) -> list[Table[R]]:
    """Return the tables that the values in a path, without the record's own, lead to: one, or one for each account.

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


def _body(context: Context, operation: Operation[Any]) -> Record:
    """Return the parameters of the operation that the body has."""
    data: Any = context.request.data
    if operation.wrapper is not None:
        data = data.get(operation.wrapper)
    if not isinstance(data, dict):
        raise Rejected(error_reply(400, "bad_request", f"{operation.wrapper} must be an object"))
    given = cast("Record", data)
    return {name: given[name] for name in operation.body if name in given}


def _result(operation: Operation[Any], record: Record, message: str) -> Record:
    """Return the record, or only that the request was accepted if the operation returns no record."""
    if operation.returns in (None, Outcome):
        return {"ok": True, "message": message.capitalize()}
    return record
