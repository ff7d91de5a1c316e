"""Databases: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import BadRequest, Conflict, models
from cloud66_async.models import Database
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Database: """
        uid name charset collation size_bytes users created_at
    """,
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/server_groups/7/databases"


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.databases.list("a", 7), ("GET", f"{PATH}?page=1", None)),
    (lambda c66: c66.databases.create("a", 7, database_name="d"), ("POST", PATH, {"database_name": "d"})),
    (
        lambda c66: c66.databases.create("a", 7, database_name="d", database_user_ids=iter(["u", "v"])),
        ("POST", PATH, {"database_name": "d", "database_user_ids": ["u", "v"]}),
    ),
    (lambda c66: c66.databases.delete("a", 7, "d"), ("DELETE", f"{PATH}/d", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def group_of(stack: FakeStack) -> str:
    """Return the path of the group with the database."""
    server = next(server for server in stack.servers if "postgresql" in server["server_roles"])
    return f"/stacks/{stack.uid}/server_groups/{server['server_group_id']}"


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    databases = call.get(f"{group_of(web)}/databases")
    for database in databases:
        assert database.keys() == field_names(Database)
    assert [database["users"] for database in databases] == [["app", "reports"], ["app"]]


def test_databases_are_those_of_the_variables_and_backups(call: Caller, web: FakeStack) -> None:
    names = {database["name"] for database in call.get(f"{group_of(web)}/databases")}
    variables = {item["key"]: item["value"] for item in call.get(f"/stacks/{web.uid}/environments")}
    backup = call.get(f"/stacks/{web.uid}/backups")[0]
    assert names == {variables["DATABASE_URL"].rpartition("/")[2], backup["database_name"]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_request"),
        ({"database_name": ""}, "bad_request"),
        ({"database_name": "drop table;"}, "bad_request"),
        ({"database_name": "app"}, "conflict"),
        ({"database_name": "new", "database_user_ids": ["none"]}, "bad_request"),
    ],
)
def test_databases_that_cannot_be_created(call: Caller, web: FakeStack, body: object, code: str) -> None:
    assert error_code(call("POST", f"{group_of(web)}/databases", body)) == code


def test_group_without_a_database(fake: FakeCloud66, call: Caller) -> None:
    stack = next(stack for stack in fake.seed(30) if len(stack.servers) > 1)
    path = f"/stacks/{stack.uid}/server_groups/{stack.servers[0]['server_group_id']}/databases"
    assert call.get(path) == []
    assert error_code(call("POST", path, {"database_name": "new"})) == "bad_request"
    assert error_code(call("DELETE", f"{path}/none")) == "not_found"
    assert error_code(call("GET", f"/stacks/{stack.uid}/server_groups/99999/databases")) == "not_found"


def test_one_change_at_a_time(call: Caller, web: FakeStack) -> None:
    path = f"{group_of(web)}/databases"
    assert call.send("POST", path, {"database_name": "new"})["action"] == "database_create"
    assert error_code(call("DELETE", f"{path}/{call.get(path)[0]['uid']}")) == "conflict"
    assert error_code(call("DELETE", f"{path}/none")) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_database_is_created_and_deleted(connected: Connected) -> None:
    fake, c66 = connected
    stack, databases = fake.add_stack("web"), c66.databases
    group = int(group_of(stack).rpartition("/")[2])
    user = (await c66.database_users.list(stack.uid, group))[0]
    before = await databases.list(stack.uid, group)
    with pytest.raises(Conflict, match="a database with this name"):
        await databases.create(stack.uid, group, database_name="app")
    with pytest.raises(BadRequest, match="The name must have"):
        await databases.create(stack.uid, group, database_name="a b")
    await c66.actions.wait(
        await databases.create(stack.uid, group, database_name="archive", database_user_ids=[user.uid])
    )
    *same, archive = await databases.list(stack.uid, group)
    assert same == list(before)
    assert (archive.name, archive.users) == ("archive", (user.username,))
    await c66.actions.wait(await databases.delete(stack.uid, group, archive.uid))
    assert list(await databases.list(stack.uid, group)) == same
    assert (await c66.database_users.list(stack.uid, group))[0] == user
