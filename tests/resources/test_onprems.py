"""On-premises configurations: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import Onprem
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Onprem: """
        uid name config created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------

ONE = "/onprems/o.json"


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.onprems.list(), ("GET", "/onprems.json?page=1", None)),
    (lambda c66: c66.onprems.get("o"), ("GET", ONE, None)),
    (lambda c66: c66.onprems.update("o", name="n"), ("PUT", ONE, {"uid": "o", "name": "n"})),
    (
        lambda c66: c66.onprems.update("o", config={"a": [1, None]}),
        ("PUT", ONE, {"uid": "o", "config": {"a": [1, None]}}),
    ),
    (lambda c66: c66.onprems.update("o", config="text"), ("PUT", ONE, {"uid": "o", "config": "text"})),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize("config", [{"a": {"b": [1]}}, [1, "x"], "text", 5, None])
async def test_configuration_is_any_json(config: object) -> None:
    async with client(Script(make_response({"response": {"uid": "o", "config": config}}))) as c66:
        assert (await c66.onprems.get("o")).config == config


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    for found in call.get("/onprems"):
        assert found.keys() == field_names(Onprem) - {"created_at", "updated_at"}
        assert call.get(f"/onprems/{found['uid']}.json") == found
    assert error_code(call("GET", "/onprems/none.json")) == "not_found"


def test_list_has_no_pagination(call: Caller) -> None:
    assert json.loads(call("GET", "/onprems.json").body).keys() == {"response", "count"}


def test_uid_cannot_be_changed(call: Caller) -> None:
    path = f"/onprems/{call.get('/onprems')[0]['uid']}.json"
    assert error_code(call("PUT", path, {"uid": "other", "name": "x"})) == "bad_request"
    assert error_code(call("PUT", "/onprems/none.json", {"name": "x"})) == "not_found"


def test_change_is_dated(fake: FakeCloud66, call: Caller) -> None:
    found = call.get("/onprems")[0]
    changed = call.send("PUT", f"/onprems/{found['uid']}.json", {"name": "x"})
    now = fake.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert changed == {**found, "name": "x", "updated_at_iso": now}


# --- story ---------------------------------------------------------------------------------------


async def test_configuration_is_changed(connected: Connected) -> None:
    onprems = connected.c66.onprems
    first, second = await onprems.list()
    changed = await onprems.update(first.uid, name="Paris", config={"replicas": 3})
    assert (changed.name, changed.config, changed.created_at) == ("Paris", {"replicas": 3}, first.created_at)
    assert list(await onprems.list()) == [changed, second]
    assert await onprems.get(first.uid) == changed
    with pytest.raises(NotFound, match="no such on-premises configuration"):
        await onprems.update("none", name="x")
