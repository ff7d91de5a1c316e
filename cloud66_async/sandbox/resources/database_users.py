"""Database users in the sandbox."""

from __future__ import annotations

from ...resources import database_users as api
from ..handling import Context, Listing, handles
from ..message import Rejected, error_reply
from ..samples import sample_hash
from ..table import Record
from .databases import DATABASE_USERS, DATABASES, chosen, databases_of, entry, new_name

__all__ = ["DATABASE_USERS"]


@handles(api.LIST)
def list_users(context: Context, stack: str, server_group: str) -> Listing[Record]:
    """List the database users. That their passwords require the scope `admin` is a guess."""
    table = databases_of(context, DATABASE_USERS, stack, server_group)
    shown = context.parameters.get("show_password", False)
    if shown and (context.grant is None or not context.grant.allows("admin")):
        raise Rejected(error_reply(403, "forbidden", "You are not allowed to see passwords"))

    def to_json(record: Record) -> Record:
        return {name: value for name, value in record.items() if shown or name != "password"}

    return Listing(() if table is None else table.list(), to_json)


@handles(api.CREATE)
def create_user(context: Context, stack: str, server_group: str) -> Record:
    """Start the action that creates a database user."""
    username, user_type = context.parameters["username"], context.parameters["user_type"]
    table = new_name(databases_of(context, DATABASE_USERS, stack, server_group), "username", username)
    databases = chosen(context.world.table(DATABASES, context.stack(stack)), "database_ids", context)
    names = [database["name"] for database in databases]

    def create() -> None:
        password = _password(table.new_id())
        table.create({"username": username, "databases": names, "user_type": user_type, "password": password})

    return context.start_action(stack, "database_user_create", create, exclusive=True)


@handles(api.DELETE)
def delete_user(context: Context, stack: str, server_group: str, database_user: str) -> Record:
    """Start the action that deletes a database user."""
    entry(context, DATABASE_USERS, stack, server_group, database_user)
    table = context.world.table(DATABASE_USERS, context.stack(stack))
    return context.start_action(stack, "database_user_delete", lambda: table.delete(database_user), exclusive=True)


@handles(api.REGENERATE_PASSWORD)
def regenerate_password(context: Context, stack: str, server_group: str, database_user: str) -> Record:
    """Start the action that changes the password of a database user."""
    record = entry(context, DATABASE_USERS, stack, server_group, database_user)
    change = {"password": _password(context.world.tables.new_id())}
    return context.start_action(
        stack, "database_user_regenerate_password", lambda: record.update(change), exclusive=True
    )


def _password(number: int) -> str:
    return sample_hash("database password", number)[:12]
