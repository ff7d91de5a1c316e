"""Users in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from ...resources import users as api
from ...resources.users import AccessRule, AccountProfile, StackProfile
from ..handling import Context, Listing, handles, missing
from ..oauth.access import User
from ..parameters import bad_request
from ..table import Kind, Record, Table, register

if TYPE_CHECKING:
    from ..world import World

__all__ = ["USERS", "current_user", "find_user", "user_table"]

_EVERYBODY = 0  # users may belong to several accounts, so one table has all of them
_FIRST_ID = 101
_RIGHTS = tuple(name for name in AccountProfile.__annotations__ if name.startswith("can_"))
_PARTS: dict[str, Any] = {
    "account_profile": AccountProfile,
    "stack_profiles": tuple[StackProfile, ...],
    "acls_profile": tuple[AccessRule, ...],
}

USERS: Kind[Record] = register(Kind("user", model=api.User))


@handles(api.LIST)
def list_users(context: Context) -> Listing[Record]:
    """List the users of the accounts."""
    return Listing(_users(context), lambda user: _to_json(context, user))


@handles(api.GET)
def get_user(context: Context, user: str) -> Record:
    """Return one user."""
    return _to_json(context, find_user(context, user))


@handles(api.UPDATE)
def update_user(context: Context, user: str) -> Record:
    """Add rights to those of a user, or replace them."""
    record, given = find_user(context, user), context.parameters["access_profile"]
    try:
        for name in _PARTS.keys() & given.keys():
            msgspec.convert(given[name], _PARTS[name])
    except msgspec.ValidationError as error:
        raise bad_request(f"Invalid access_profile: {error}") from None
    for profile in given.get("stack_profiles", ()):
        context.stack(profile["stack_uid"])
    before = _no_rights() if given.get("override") else record["access_profile"]
    rights: Record = {"account_profile": {**before["account_profile"], **given.get("account_profile", {})}}
    for name in ("stack_profiles", "acls_profile"):
        rights[name] = [*before[name], *(item for item in given.get(name, ()) if item not in before[name])]
    context.world.table(USERS, _EVERYBODY).update(user, {"access_profile": rights})
    return _to_json(context, record)


def find_user(context: Context, user: str) -> Record:
    """Return the user with this ID. Raises Rejected with 404 if there is none in the accounts."""
    for record in _users(context):
        if str(record["id"]) == user:
            return record
    raise missing("user")


def current_user(context: Context) -> Record:
    """Return the user to whom the token belongs."""
    return next(record for record in _users(context) if record["email"] == context.user)


def _users(context: Context) -> list[Record]:
    """Return the users of the accounts, after those that are new were added."""
    table = user_table(context.world, context.users)
    return [user for user in table.list() if any(account["id"] in context.accounts for account in user["accounts"])]


def user_table(world: World, users: Iterable[User]) -> Table[Record]:
    """Return the records of these users, after those that are new were added and the accounts of all were set."""
    table = world.table(USERS, _EVERYBODY)
    known = {record["email"]: record for record in table.list()}
    for user in users:
        record = known.get(user.email)
        if record is None:
            record = table.add(_new_user(_FIRST_ID + len(table.records), user))
        role = "Administrator" if record["id"] == _FIRST_ID else "Deployer"
        accounts = [{"id": number, "role": role, "name": world.account_name(number)} for number in user.accounts]
        record.update(primary_account_id=user.accounts[0] if user.accounts else None, accounts=accounts)
    return table


def _new_user(number: int, user: User) -> Record:
    """Return every field of a user except the devices. The first user is an administrator."""
    administrator = number == _FIRST_ID
    role = "Administrator" if administrator else "Deployer"
    rights = _no_rights()
    rights["account_profile"] |= {right: administrator or right.startswith("can_view") for right in _RIGHTS}
    rights["account_profile"]["default_roles"] = [role]
    return {
        "id": number,
        "email": user.email,
        "primary_account_id": None,
        "accounts": [],
        "locked": False,
        "access_profile": rights,
        "uses_tfa": administrator,
        "timezone": "London",
        "has_valid_phone": administrator,
        "developer_program": False,
        "github_login": not administrator,
        "last_login": "2026-02-27T08:14:05Z",
        "created_at": "2021-04-06T08:30:00Z",
        "updated_at": "2025-11-20T16:45:12Z",
        "cloud_status": "healthy",
    }


def _no_rights() -> Record:
    account: Record = {**dict.fromkeys(_RIGHTS, False), "default_roles": []}
    return {"account_profile": account, "stack_profiles": [], "acls_profile": []}


def _to_json(context: Context, user: Record) -> Record:
    return {**user, "devices": list(context.world.table("device", user).list())}
