"""Config store in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...resources import config_store_records as api
from ..handling import Context, Listing, handles, missing
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import sample_hash
from ..stack import FakeStack
from ..table import Kind, Record, Table, register
from .accounts import account_namespace

__all__ = ["CONFIG_STORE_RECORDS"]


def sample(owner: FakeStack | int) -> Iterator[Record]:
    """Yield the record that a stack or an account has from the beginning."""
    name = owner.uid if isinstance(owner, FakeStack) else owner
    yield {"key": "license.key", "raw_value": sample_hash("license", name), "metadata": {"owner": "acme"}, "ttl": 0}


CONFIG_STORE_RECORDS = register(
    Kind(
        "config store record",
        model=api.ConfigStoreRecord,
        owners=("stack", "account"),
        key="key",
        sample=sample,
        defaults={"metadata": {}, "ttl": 0},
    )
)


@handles(api.LIST)
def list_records(context: Context, namespace: str) -> Listing[Record]:
    """List the records of a namespace."""
    return Listing(_records(context, namespace).list())


@handles(api.GET)
def get_record(context: Context, namespace: str, key: str) -> Record:
    """Return one record."""
    return _found(_records(context, namespace).get, key)


@handles(api.CREATE)
def create_record(context: Context, namespace: str) -> Record:
    """Create a record with a new key."""
    table, key = _records(context, namespace), context.parameters["key"]
    if not key:
        raise bad_request("key must not be empty")
    if any(record["key"] == key for record in table.list()):
        raise Rejected(error_reply(409, "conflict", "There is a record with this key"))
    return table.create(_fields(context))


@handles(api.UPDATE)
def update_record(context: Context, namespace: str, key: str) -> Record:
    """Change a record. That what is left out stays the same is a guess."""
    if context.parameters["key"] != key:
        raise bad_request("key must be the key in the path")
    table, fields = _records(context, namespace), _fields(context)
    return _found(lambda known: table.update(known, fields), key)


@handles(api.DELETE)
def delete_record(context: Context, namespace: str, key: str) -> Record:
    """Delete a record and return it."""
    return _found(_records(context, namespace).delete, key)


def _records(context: Context, namespace: str) -> Table[Record]:
    """Return the records of the account or the stack that has this namespace."""
    for account in context.accounts:
        if account_namespace(account) == namespace:
            return context.world.table(CONFIG_STORE_RECORDS, account)
    for stack in context.world.visible(context.accounts):
        if stack.data["configstore_namespace"] == namespace:
            return context.world.table(CONFIG_STORE_RECORDS, stack)
    raise missing("namespace")


def _fields(context: Context) -> Record:
    """Return what the request sets."""
    metadata, ttl = context.parameters.get("metadata", {}), context.parameters.get("ttl", 0)
    if not all(isinstance(value, str) for value in metadata.values()):
        raise bad_request("The values of metadata must be strings")
    if ttl < 0:
        raise bad_request("ttl must not be negative")
    return dict(context.parameters)


def _found(use: Callable[[str], Record], key: str) -> Record:
    """Return the record that `use` finds by its key."""
    try:
        return use(key)
    except KeyError:
        raise missing("config store record") from None
