"""Databases in the sandbox. The databases and their users are those of a stack: one group of servers has them all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...resources import databases as api
from ...resources.database_users import DatabaseUser
from ..crud import find
from ..handling import Context, Listing, handles, missing
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import sample_hash, sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, Table, register
from .server_groups import SERVER_GROUPS, servers_of
from .servers import DATABASE_ROLE

__all__ = ["DATABASES", "DATABASE_USERS", "chosen", "databases_of", "entry", "new_name"]

_DEFAULTS = {"charset": "UTF8", "collation": "en_US.UTF-8", "size_bytes": 7_602_176, "created_at": None}
_NAME = re.compile(r"[A-Za-z_]\w{0,62}")


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the database in `DATABASE_URL`, and the one that is in the backups."""
    for name in ("app", f"{stack.name}_{stack.data['environment']}"):
        uid = sample_uid("database", stack.uid, name)
        yield {**_DEFAULTS, "uid": uid, "name": name, "created_at": timestamp(stack.added_at)}


def sample_users(stack: FakeStack) -> Iterator[Record]:
    """Yield the user in `DATABASE_URL`, and one who may only read."""
    names = [database["name"] for database in sample(stack)]
    for name, kind, databases in (("app", "application", names), ("reports", "readonly", names[:1])):
        yield {
            "uid": sample_uid("database user", stack.uid, name),
            "username": name,
            "databases": databases,
            "user_type": kind,
            "password": sample_hash("password" if name == "app" else name, stack.uid)[:12],
            "created_at": timestamp(stack.added_at),
        }


def another_user(stack: FakeStack, number: int, _given: object) -> Record:
    """Return one more user."""
    return {**next(sample_users(stack)), "uid": sample_uid("database user", number), "username": f"app_{number}"}


DATABASES = register(Kind("database", model=api.Database, key="uid", uid=True, sample=sample, defaults=_DEFAULTS))
DATABASE_USERS = register(
    Kind(
        "database user",
        model=DatabaseUser,
        key="uid",
        uid=True,
        sample=sample_users,
        another=another_user,
        defaults={"created_at": None},
    )
)


def databases_of(context: Context, kind: Kind[Record], stack: str, server_group: str) -> Table[Record] | None:
    """Return the databases or the database users of a group, or None if no server of it has a database."""
    group, found = find(context, SERVER_GROUPS, stack, server_group), context.stack(stack)
    roles = [role for server in servers_of(found, group) for role in server["server_roles"]]
    return context.world.table(kind, found) if DATABASE_ROLE in roles else None


def entry(context: Context, kind: Kind[Record], stack: str, server_group: str, uid: str) -> Record:
    """Return a database or a database user. Raises Rejected with 404 if there is none."""
    table = databases_of(context, kind, stack, server_group)
    for record in () if table is None else table.list():
        if record["uid"] == uid:
            return record
    raise missing(kind.name)


def new_name(table: Table[Record] | None, field: str, name: str) -> Table[Record]:
    """Return the table if a record with this name can be added to it. Raises Rejected if not."""
    if table is None:
        raise bad_request("The server group has no database")
    if _NAME.fullmatch(name) is None:
        raise bad_request("The name must have up to 63 letters, digits and underscores")
    if any(record[field] == name for record in table.list()):
        raise Rejected(error_reply(409, "conflict", f"There is a {table.kind.name} with this name"))
    return table


def chosen(table: Table[Record], name: str, context: Context) -> list[Record]:
    """Return the records whose uids are the parameter `name`. Raises Rejected with 400 for an unknown one."""
    records = {record["uid"]: record for record in table.list()}
    wanted = context.parameters.get(name, [])
    if not records.keys() >= set(wanted):
        raise bad_request(f"{name} must be uids of this server group")
    return [records[uid] for uid in wanted]


@handles(api.LIST)
def list_databases(context: Context, stack: str, server_group: str) -> Listing[Record]:
    """List the databases, with the names of their users."""
    table = databases_of(context, DATABASES, stack, server_group)
    users = context.world.table(DATABASE_USERS, context.stack(stack)).list()

    def to_json(record: Record) -> Record:
        name = record["name"]
        return {**record, "users": [user["username"] for user in users if name in user["databases"]]}

    return Listing(() if table is None else table.list(), to_json)


@handles(api.CREATE)
def create_database(context: Context, stack: str, server_group: str) -> Record:
    """Start the action that creates a database."""
    name = context.parameters["database_name"]
    table = new_name(databases_of(context, DATABASES, stack, server_group), "name", name)
    users = chosen(context.world.table(DATABASE_USERS, context.stack(stack)), "database_user_ids", context)

    def create() -> None:
        table.create({"name": name})
        for user in users:
            user["databases"] = [*user["databases"], name]

    return context.start_action(stack, "database_create", create, exclusive=True)


@handles(api.DELETE)
def delete_database(context: Context, stack: str, server_group: str, database: str) -> Record:
    """Start the action that deletes a database."""
    found, record = context.stack(stack), entry(context, DATABASES, stack, server_group, database)

    def delete() -> None:
        context.world.table(DATABASES, found).delete(database)
        for user in context.world.table(DATABASE_USERS, found).list():
            user["databases"] = [name for name in user["databases"] if name != record["name"]]

    return context.start_action(stack, "database_delete", delete, exclusive=True)
