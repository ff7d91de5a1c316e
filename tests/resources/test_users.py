"""Users: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import AccessProfile, AccessRule, AccountProfile, StackProfile, User
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.AccountProfile: """
        can_create_stack can_admin_users can_payment can_add_cloud_key can_del_cloud_key can_view_acc_notifications
        can_edit_acc_notifications can_view_audit can_view_docker_img_key can_del_ssh_key can_edit_personal_token
        can_del_authorized_app can_view_custom_env can_edit_custom_env can_add_developers_app can_del_developers_app
        can_edit_git_key can_edit_gateway default_roles
    """,
    models.StackProfile: "stack_uid role",
    models.AccessRule: "account_id entity_uri action",
    models.AccessProfile: "account_profile stack_profiles acls_profile acls override",
    models.UserAccount: "id role name",
    models.User: """
        id email primary_account_id accounts locked access_profile uses_tfa timezone has_valid_phone
        developer_program github_login last_login devices created_at updated_at cloud_status
    """,
}

# --- wire form -----------------------------------------------------------------------------------

RIGHTS = AccessProfile(
    account_profile=AccountProfile(can_payment=False, default_roles=("Viewer",)),
    stack_profiles=(StackProfile(stack_uid="s", role="Deployer"),),
    acls_profile=(AccessRule(entity_uri="e", action="read", account_id=1),),
    override=True,
)
SENT = {
    "account_profile": {"can_payment": False, "default_roles": ["Viewer"]},
    "stack_profiles": [{"stack_uid": "s", "role": "Deployer"}],
    "acls_profile": [{"entity_uri": "e", "action": "read", "account_id": 1}],
    "override": True,
}


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.users.list(), ("GET", "/users.json?page=1", None)),
    (lambda c66: c66.users.get(7), ("GET", "/users/7.json", None)),
    (
        lambda c66: c66.users.update(7, access_profile=RIGHTS),
        ("PUT", "/users/7.json", {"access_profile": SENT}),
    ),
    (
        lambda c66: c66.users.update(7, access_profile=AccessProfile(stack_profiles=())),
        ("PUT", "/users/7.json", {"access_profile": {"stack_profiles": []}}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_rights_of_another_type_are_rejected() -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match="invalid access_profile: expected an AccessProfile, not dict"):
            await c66.users.update(7, access_profile=SENT)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({**SENT}, RIGHTS),
        (
            {"account_profile": "owner", "stack_profiles": ["s: Viewer"], "acls": ["a"]},
            AccessProfile(account_profile="owner", stack_profiles=("s: Viewer",), acls=("a",)),
        ),
        (
            {"stack_profiles": ["s", {"stack_uid": "t"}, {"stack_uid": "t", "role": "Viewer"}]},
            AccessProfile(
                stack_profiles=("s", StackProfile(stack_uid="t"), StackProfile(stack_uid="t", role="Viewer"))
            ),
        ),
        (None, None),
    ],
    ids=["objects", "strings", "mixed", "absent"],
)
async def test_rights_are_read_from_both_forms(given: Any, expected: object, reports: set[str]) -> None:
    async with client(Script(make_response({"response": {"id": 7, "access_profile": given}}))) as c66:
        assert (await c66.users.get(7)).access_profile == expected
    assert reports == set()


@pytest.mark.parametrize("enveloped", [True, False])
async def test_updated_user_is_read_with_and_without_an_envelope(enveloped: bool) -> None:
    data = {"id": 7, "email": "ada@example.com"}
    async with client(Script(make_response({"response": data} if enveloped else data))) as c66:
        assert await c66.users.update(7, access_profile=RIGHTS) == User(id=7, email="ada@example.com")


@pytest.mark.parametrize("devices", [[{"name": "phone"}], {}, "none", 5])
async def test_devices_of_another_form_are_left_out(devices: object) -> None:
    async with client(Script(make_response({"response": {"id": 7, "email": "e", "devices": devices}}))) as c66:
        found = await c66.users.get(7)
    assert (found.email, found.devices or ()) == ("e", ())


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    ada, grace = call.get("/users")
    assert (ada["email"], grace["email"]) == ("ada@example.com", "grace@example.com")
    assert ada.keys() == grace.keys() == field_names(User)
    assert ada["access_profile"].keys() == field_names(AccessProfile) - {"acls", "override"}
    assert ada["access_profile"]["account_profile"].keys() == field_names(AccountProfile)
    assert call.get(f"/users/{grace['id']}.json") == grace


def test_caller_is_among_the_users_of_the_accounts(fake: FakeCloud66, call: Caller) -> None:
    fake.add_user("mary@example.com", accounts=(2, 1))
    fake.add_user("emmy@example.com", accounts=(3,))
    mary, emmy = (Caller(fake, fake.add_token(f"{name}@example.com")) for name in ("mary", "emmy"))
    assert [user["email"] for user in emmy.get("/users")] == ["emmy@example.com"]
    assert [user["email"] for user in mary.get("/users")][-1] == "mary@example.com"
    (known,) = (user for user in call.get("/users") if user["email"] == "mary@example.com")
    assert (known["primary_account_id"], [account["id"] for account in known["accounts"]]) == (2, [2, 1])
    assert error_code(call("GET", f"/users/{emmy.get('/users')[0]['id']}.json")) == "not_found"


def test_first_user_is_the_one_that_ping_knows(call: Caller) -> None:
    reply = call("GET", "/ping/auth.json").body.decode()
    assert f'"user_id":{call.get("/users")[0]["id"]}' in reply


@pytest.mark.parametrize(
    "rights",
    [{"account_profile": "owner"}, {"account_profile": {"can_payment": "x"}}, {"stack_profiles": {}},
     {"stack_profiles": ["s"]}, {"stack_profiles": [{"role": "Viewer"}]}, {"acls_profile": [1]}],
)  # fmt: skip
def test_nonsense_is_rejected(call: Caller, rights: object) -> None:
    before = call.get("/users/102")
    assert error_code(call("PUT", "/users/102.json", {"access_profile": rights})) == "bad_request"
    assert call.get("/users/102") == before


def test_what_is_not_found(call: Caller, web: FakeStack) -> None:
    rights = {"stack_profiles": [{"stack_uid": web.uid, "role": "Viewer"}]}
    assert error_code(call("PUT", "/users/1.json", {"access_profile": rights})) == "not_found"
    rights["stack_profiles"][0]["stack_uid"] = "none"
    assert error_code(call("PUT", "/users/102.json", {"access_profile": rights})) == "not_found"


def test_scopes_are_required(fake: FakeCloud66) -> None:
    assert error_code(Caller(fake, fake.add_token(scopes=("public",)))("GET", "/users.json")) == "forbidden"
    reader = Caller(fake, fake.add_token(scopes=("users",)))
    assert error_code(reader("PUT", "/users/102.json", {"access_profile": {}})) == "forbidden"


# --- story ---------------------------------------------------------------------------------------


async def test_rights_are_added_and_replaced(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    user = next(user for user in await c66.users.list() if user.email == "grace@example.com")
    viewer, deployer = (StackProfile(stack_uid=stack, role=role) for role in ("Viewer", "Deployer"))
    rule = AccessRule(entity_uri="stack/web", action="read", account_id=1)
    rights = AccessProfile(account_profile=AccountProfile(can_create_stack=True), stack_profiles=(viewer,))
    await c66.users.update(user.id, access_profile=rights)
    await c66.users.update(
        user.id, access_profile=AccessProfile(stack_profiles=(viewer, deployer), acls_profile=(rule,))
    )
    profile = (await c66.users.get(user.id)).access_profile
    assert profile is not None
    assert (profile.stack_profiles, profile.acls_profile) == ((viewer, deployer), (rule,))
    assert isinstance(profile.account_profile, AccountProfile)
    assert (profile.account_profile.can_create_stack, profile.account_profile.can_view_audit) == (True, True)
    changed = await c66.users.update(user.id, access_profile=attrs.evolve(rights, override=True))
    assert changed == await c66.users.get(user.id)
    profile = changed.access_profile
    assert profile is not None
    assert (profile.stack_profiles, profile.acls_profile, profile.override) == ((viewer,), (), None)
    assert isinstance(profile.account_profile, AccountProfile)
    assert (profile.account_profile.can_create_stack, profile.account_profile.can_view_audit) == (True, False)
    with pytest.raises(NotFound, match="no such user"):
        await c66.users.get(1)
