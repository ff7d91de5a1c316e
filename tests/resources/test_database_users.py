"""Database users: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import Conflict, Secret, models
from cloud66_async.models import DatabaseUser
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .test_databases import group_of
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.DatabaseUser: """
        uid username databases user_type password created_at
    """,
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/server_groups/7/database_users"


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.database_users.list("a", 7), ("GET", f"{PATH}?page=1", None)),
    (
        lambda c66: c66.database_users.list("a", 7, show_password=True),
        ("GET", f"{PATH}?show_password=true&page=1", None),
    ),
    (
        lambda c66: c66.database_users.create("a", 7, username="u", user_type="readonly"),
        ("POST", PATH, {"username": "u", "user_type": "readonly"}),
    ),
    (
        lambda c66: c66.database_users.create("a", 7, username="u", user_type="x", database_ids=("d", "e")),
        ("POST", PATH, {"username": "u", "user_type": "x", "database_ids": ["d", "e"]}),
    ),
    (lambda c66: c66.database_users.delete("a", 7, "u"), ("DELETE", f"{PATH}/u", None)),
    (
        lambda c66: c66.database_users.regenerate_password("a", 7, "u"),
        ("POST", f"{PATH}/u/regenerate_password", None),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_password_is_a_secret() -> None:
    async with client(Script(make_response({"response": [{"uid": "u", "password": "hush"}]}))) as c66:
        (user,) = await c66.database_users.list("a", 7, show_password=True)
    assert user.password == Secret("hush")
    assert "hush" not in repr(user)
    assert user.to_dict()["password"] == "********"


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    path = f"{group_of(web)}/database_users"
    for user in call.get(path):
        assert user.keys() == field_names(DatabaseUser) - {"password"}
    for user in call.get(path, show_password="true"):
        assert user.keys() == field_names(DatabaseUser)
        assert len(user["password"]) == 12


def test_password_is_that_of_the_variable(call: Caller, web: FakeStack) -> None:
    variables = {item["key"]: item["value"] for item in call.get(f"/stacks/{web.uid}/environments")}
    app = call.get(f"{group_of(web)}/database_users", show_password=1)[0]
    assert f"//{app['username']}:{app['password']}@" in variables["DATABASE_URL"]


def test_passwords_require_a_scope(fake: FakeCloud66, web: FakeStack) -> None:
    reader, path = Caller(fake, fake.add_token(scopes=("public",))), f"{group_of(web)}/database_users"
    assert error_code(reader("GET", path, show_password=1)) == "forbidden"
    assert reader.get(path, show_password=0) == reader.get(path)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"username": "new"}, "bad_request"),
        ({"user_type": "readonly"}, "bad_request"),
        ({"username": "a b", "user_type": "readonly"}, "bad_request"),
        ({"username": "app", "user_type": "readonly"}, "conflict"),
        ({"username": "new", "user_type": "readonly", "database_ids": ["none"]}, "bad_request"),
    ],
)
def test_users_that_cannot_be_created(call: Caller, web: FakeStack, body: object, code: str) -> None:
    assert error_code(call("POST", f"{group_of(web)}/database_users", body)) == code


def test_group_without_a_database(fake: FakeCloud66, call: Caller) -> None:
    stack = next(stack for stack in fake.seed(30) if len(stack.servers) > 1)
    path = f"/stacks/{stack.uid}/server_groups/{stack.servers[0]['server_group_id']}/database_users"
    assert call.get(path) == []
    assert error_code(call("POST", path, {"username": "new", "user_type": "readonly"})) == "bad_request"


def test_one_change_at_a_time(call: Caller, web: FakeStack) -> None:
    path = f"{group_of(web)}/database_users"
    one = f"{path}/{call.get(path)[0]['uid']}"
    for method, target in (("DELETE", f"{path}/none"), ("POST", f"{path}/none/regenerate_password")):
        assert error_code(call(method, target)) == "not_found"
    call.send("POST", f"{one}/regenerate_password")
    for method, target in (("DELETE", one), ("POST", f"{one}/regenerate_password")):
        assert error_code(call(method, target)) == "conflict"


# --- story ---------------------------------------------------------------------------------------


async def test_user_is_created_changed_and_deleted(connected: Connected) -> None:
    fake, c66 = connected
    stack, users = fake.add_stack("web"), c66.database_users
    group = int(group_of(stack).rpartition("/")[2])
    database = (await c66.databases.list(stack.uid, group))[0]
    before = await users.list(stack.uid, group)
    with pytest.raises(Conflict, match="a database user with this name"):
        await users.create(stack.uid, group, username="app", user_type="readonly")
    await c66.actions.wait(
        await users.create(stack.uid, group, username="ada", user_type="readonly", database_ids=[database.uid])
    )
    ada = (await users.list(stack.uid, group, show_password=True))[-1]
    assert (ada.username, ada.user_type, ada.databases) == ("ada", "readonly", (database.name,))
    assert "ada" in ((await c66.databases.list(stack.uid, group))[0].users or ())
    await c66.actions.wait(await users.regenerate_password(stack.uid, group, ada.uid))
    changed = (await users.list(stack.uid, group, show_password=True))[-1]
    assert changed.uid == ada.uid
    assert changed.password not in (None, ada.password)
    await c66.actions.wait(await users.delete(stack.uid, group, ada.uid))
    assert list(await users.list(stack.uid, group)) == list(before)
    assert (await c66.databases.list(stack.uid, group))[0] == database
