"""Stack settings: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async import BadRequest, Forbidden, NotFound, models
from cloud66_async.models import Setting
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Setting: """
        id key value readonly hidden warning_text
    """,
}

# --- wire form -----------------------------------------------------------------------------------

ONE = "/stacks/a/settings/git-branch.json"


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.stack_settings.list("a"), ("GET", "/stacks/a/settings.json?page=1", None)),
    (lambda c66: c66.stack_settings.get("a", "git.branch"), ("GET", ONE, None)),
    (lambda c66: c66.stack_settings.get("a", "git-branch"), ("GET", ONE, None)),
    (
        lambda c66: c66.stack_settings.update("a", "git.branch", value="main"),
        ("PUT", ONE, {"value": "main"}),
    ),
    (lambda c66: c66.stack_settings.update("a", "git-branch", value=""), ("PUT", ONE, {"value": ""})),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_values_are_sent_as_text() -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match="invalid value: expected a string, not bool"):
            await c66.stack_settings.update("a", "maintenance.mode", value=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("value", [True, False, None, "", "true", "1", 1, 0, 14])
async def test_values_of_any_type_are_read_unchanged(value: object) -> None:
    async with client(Script(make_response({"response": {"key": "K", "value": value}}))) as c66:
        found = await c66.stack_settings.get("a", "K")
    assert (found.value, type(found.value)) == (value, type(value))


# --- sandbox -------------------------------------------------------------------------------------


def test_list_has_every_field(call: Caller, web: FakeStack) -> None:
    for setting in call.get(f"/stacks/{web.uid}/settings"):
        assert setting.keys() == field_names(Setting)
        assert setting["id"] == setting["key"].replace(".", "-")


def test_one_setting_has_fewer_fields(call: Caller, web: FakeStack) -> None:
    found = call.get(f"/stacks/{web.uid}/settings/git-branch.json")
    assert found == {"key": "git.branch", "value": web.data["git_branch"]}
    assert error_code(call("GET", f"/stacks/{web.uid}/settings/none.json")) == "not_found"


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("maintenance-mode", "perhaps", "bad_request"),
        ("git-branch", "", "bad_request"),
        ("git-repository", "x", "forbidden"),
        ("none", "x", "not_found"),
    ],
)
def test_changes_that_are_not_allowed(call: Caller, web: FakeStack, setting: str, value: str, code: str) -> None:
    path = f"/stacks/{web.uid}/settings/{setting}.json"
    assert error_code(call("PUT", path, {"value": value})) == code
    assert error_code(call("PUT", path, {})) == "bad_request"


def test_change_takes_effect_when_its_action_finishes(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/settings/maintenance-mode.json"
    assert call.send("PUT", path, {"value": "1"})["action"] == "stack-set: maintenance.mode"
    assert call.get(path)["value"] is False
    fake.clock.advance(60)
    assert call.get(path)["value"] is True
    assert call.get(f"/stacks/{web.uid}")["maintenance_mode"] is True


def test_setting_shows_changes_of_the_stack(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    call.send("POST", f"/stacks/{web.uid}/actions", {"command": "maintenance_mode", "value": 1})
    fake.clock.advance(60)
    assert call.get(f"/stacks/{web.uid}/settings/maintenance-mode")["value"] is True


# --- story ---------------------------------------------------------------------------------------


async def test_settings_are_changed(connected: Connected) -> None:
    fake, c66 = connected
    stack, settings = fake.add_stack("web").uid, c66.stack_settings
    wanted = {"git.branch": "next", "stack-name": "shop", "maintenance.mode": "true", "asset.prefix": "static"}
    started = [await settings.update(stack, key, value=value) for key, value in wanted.items()]
    await asyncio.gather(*map(c66.actions.wait, started))
    found = await c66.stacks.get(stack)
    assert (found.git_branch, found.name, found.maintenance_mode) == ("next", "shop", True)
    values = {setting.key: setting.value for setting in await settings.list(stack)}
    assert values["asset.prefix"] == (await settings.get(stack, "asset.prefix")).value == "static"
    assert (values["maintenance.mode"], values["continuous.deploy"], values["custom.build.command"]) == (
        True, False, None,
    )  # fmt: skip
    with pytest.raises(Forbidden, match="read-only"):
        await settings.update(stack, "git.repository", value="x")
    with pytest.raises(BadRequest, match="true or false"):
        await settings.update(stack, "continuous.deploy", value="x")
    with pytest.raises(NotFound, match="no such setting"):
        await settings.get(stack, "none")
