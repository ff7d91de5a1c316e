"""Server settings: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async import Forbidden
from cloud66_async.models import Setting
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .fields import field_names
from .wire import Sent, Use, sent

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/servers/s/settings"


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.server_settings.list("a", "s"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.server_settings.get("a", "s", "server.name"), ("GET", f"{PATH}/server-name.json", None)),
    (
        lambda c66: c66.server_settings.update("a", "s", "server.name", value="x"),
        ("PUT", f"{PATH}/server-name.json", {"value": "x"}),
    ),
    (
        lambda c66: c66.server_settings.update("a", "s", "server-name", value="x"),
        ("PUT", f"{PATH}/server-name.json", {"value": "x"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_list_has_every_field_but_the_id(call: Caller, web: FakeStack) -> None:
    for setting in call.get(f"/stacks/{web.uid}/servers/{web.servers[0]['uid']}/settings"):
        assert setting.keys() == field_names(Setting) - {"id"}


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [("server-distro", "x", "forbidden"), ("server-name", "", "bad_request"), ("none", "x", "not_found")],
)
def test_changes_that_are_not_allowed(call: Caller, web: FakeStack, setting: str, value: str, code: str) -> None:
    path = f"/stacks/{web.uid}/servers/{web.servers[0]['uid']}/settings/{setting}.json"
    assert error_code(call("PUT", path, {"value": value})) == code


def test_unknown_server_is_not_found(call: Caller, web: FakeStack) -> None:
    for path in ("", "/server-name"):
        assert error_code(call("GET", f"/stacks/{web.uid}/servers/none/settings{path}.json")) == "not_found"


def test_change_is_an_action_of_the_server(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    server = web.servers[0]
    path = f"/stacks/{web.uid}/servers/{server['uid']}/settings/server-name.json"
    action = call.send("PUT", path, {"value": "lion"})
    assert (action["resource_type"], action["resource_id"]) == ("server", server["uid"])
    assert call.get(path) == {"key": "server.name", "value": server["name"]}
    fake.clock.advance(60)
    assert call.get(path)["value"] == "lion"


# --- story ---------------------------------------------------------------------------------------


async def test_settings_are_changed(connected: Connected) -> None:
    fake, c66 = connected
    stack, settings = fake.add_stack("web").uid, c66.server_settings
    server = (await c66.servers.list(stack))[0].uid
    wanted = {"server.name": "lion", "security-updates": "false"}
    started = [await settings.update(stack, server, key, value=value) for key, value in wanted.items()]
    await asyncio.gather(*map(c66.actions.wait, started))
    assert (await c66.servers.get(stack, server)).name == "lion"
    values = {setting.key: setting.value for setting in await settings.list(stack, server)}
    assert (values["server.name"], values["security.updates"]) == ("lion", False)
    assert (await settings.get(stack, server, "security-updates")).value is False
    with pytest.raises(Forbidden, match="read-only"):
        await settings.update(stack, server, "server.distro", value="x")
