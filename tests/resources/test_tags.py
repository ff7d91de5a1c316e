"""Tags: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import EntityTag, EntityTags
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.EntityTag: "value reserved",
    models.EntityTags: "entity_type entity_id tags created_at_iso updated_at_iso",
}

# --- wire form -----------------------------------------------------------------------------------

SERVER = "/tags/server/s"
ONE = {"entity_type": "server", "entity_id": "s", "tags": ["a"]}


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.tags.list("server", "s"), ("GET", f"{SERVER}?page=1", None)),
    (lambda c66: c66.tags.list("loadbalancer", 12), ("GET", "/tags/loadbalancer/12?page=1", None)),
    (lambda c66: c66.tags.replace("server", "s", tags=("a", "b,c")), ("POST", SERVER, {"tags": ["a", "b,c"]})),
    (lambda c66: c66.tags.replace("server", "s", tags=[]), ("POST", SERVER, {"tags": []})),
    (
        lambda c66: c66.tags.update("server", "s", add=["a"], remove={"b"}),
        ("PATCH", SERVER, {"operations": [{"op": "delete", "tags": ["b"]}, {"op": "add", "tags": ["a"]}]}),
    ),
    (
        lambda c66: c66.tags.update("server", "s", add=iter("ab")),
        ("PATCH", SERVER, {"operations": [{"op": "add", "tags": ["a", "b"]}]}),
    ),
    (lambda c66: c66.tags.delete("server", "a/b"), ("DELETE", "/tags/server/a%2Fb", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, ONE) == expected


async def test_nothing_is_sent_without_changes() -> None:
    transport = Script()
    async with client(transport) as c66:
        with pytest.raises(ValueError, match="cannot update tags: both add and remove are empty; pass at least one"):
            await c66.tags.update("server", "s")
        with pytest.raises(TypeError, match="invalid remove: expected a list, not str"):
            await c66.tags.update("server", "s", remove="web")
        with pytest.raises(TypeError, match="invalid add: expected a string, not int"):
            await c66.tags.update("server", "s", add=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    assert transport.requests == []


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["a", "c66.x"], (EntityTag(value="a"), EntityTag(value="c66.x"))),
        (
            [{"value": "a", "reserved": False}, {"value": "c66.x", "reserved": True}],
            (EntityTag(value="a", reserved=False), EntityTag(value="c66.x", reserved=True)),
        ),
        (["a", {"value": "b"}, 5], (EntityTag(value="a"), EntityTag(value="b"), EntityTag(value="5"))),
        ([], ()),
        (None, None),
    ],
    ids=["strings", "objects", "mixed", "empty", "null"],
)
async def test_tags_are_read_from_both_forms(tags: Any, expected: object) -> None:
    for data in ({**ONE, "tags": tags}, [{**ONE, "tags": tags}]):
        async with client(Script(make_response({"response": data}))) as c66:
            (listed,) = await c66.tags.list("server", "s")
            updated = await c66.tags.update("server", "s", add=["a"])
        assert listed.tags == updated.tags == expected


async def test_numeric_id_and_offset_without_colon() -> None:
    data = {"entity_type": "server", "entity_id": 5, "created_at_iso": "2021-01-04T21:32:33+0000"}
    async with client(Script(make_response({"response": [data]}))) as c66:
        (found,) = await c66.tags.list("server", 5)
    assert (found.entity_id, found.created_at) == ("5", datetime(2021, 1, 4, 21, 32, 33, tzinfo=UTC))


@pytest.mark.parametrize("body", [b"", {"response": []}, {"response": [ONE]}], ids=["empty", "nothing", "tags"])
async def test_response_to_a_deletion_is_ignored(body: object) -> None:
    async with client(Script(make_response(body))) as c66:
        await c66.tags.delete("server", "s")


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field_in_both_forms(call: Caller, web: FakeStack) -> None:
    path = f"/tags/server/{web.servers[0]['uid']}"
    (replaced,) = call.send("POST", path, {"tags": ["a", "c66.migrations.run", "a"]})
    assert replaced.keys() == field_names(EntityTags) - {"created_at", "updated_at"}
    assert replaced["tags"] == ["a", "c66.migrations.run"]
    updated = call.send("PATCH", path, {"operations": [{"op": "add", "tags": ["b"]}]})
    assert updated["tags"] == [
        {"value": "a", "reserved": False},
        {"value": "c66.migrations.run", "reserved": True},
        {"value": "b", "reserved": False},
    ]
    assert replaced["updated_at_iso"].endswith("+0000")
    assert updated["updated_at_iso"].endswith("Z")


def test_removals_happen_first(call: Caller, web: FakeStack) -> None:
    path = f"/tags/stack/{web.uid}"
    operations = [{"op": "add", "tags": ["a", "b"]}, {"op": "delete", "tags": ["a", "absent"]}]
    for _ in range(2):
        updated = call.send("PATCH", path, {"operations": operations})
        assert sorted(tag["value"] for tag in updated["tags"]) == ["a", "b"]


def test_path_with_suffix(call: Caller, web: FakeStack) -> None:
    path = f"/tags/stack/{web.uid}"
    for suffix in ("/tags.json", "/tags", ""):
        (replaced,) = call.send("POST", f"{path}{suffix}", {"tags": [f"x{suffix}"]})
        assert call.get(f"{path}{suffix}") == [replaced]
        assert call.send("PATCH", f"{path}{suffix}", {"operations": []})["tags"][0]["value"] == f"x{suffix}"
        assert call.send("DELETE", f"{path}{suffix}")[0]["tags"] == []


@pytest.mark.parametrize("body", [{"op": "x", "tags": ["a"]}, {"op": "add"}, {"op": "add", "tags": ["a", 1]},
                                  {"op": "add", "tags": [" "]}, {"tags": ["a"]}])  # fmt: skip
def test_nonsense_is_rejected(call: Caller, web: FakeStack, body: object) -> None:
    assert error_code(call("PATCH", f"/tags/stack/{web.uid}", {"operations": [body]})) == "bad_request"
    assert error_code(call("POST", f"/tags/stack/{web.uid}", {"tags": [""]})) == "bad_request"


def test_entities(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    rule = call.get(f"/stacks/{web.uid}/firewalls")[0]["id"]
    hidden = fake.add_stack("hidden", account=2)
    formation = call.get(f"/stacks/{web.uid}/formations")[0]["uid"]
    for known in (f"stack/{web.uid}", f"firewall_rule/{rule}", f"formation/{formation}", "loadbalancer/12"):
        assert call.get(f"/tags/{known}")[0]["tags"] == []
    unknown = (f"server/{web.uid}", "stack/x", "firewall_rule/x", "loadbalancer/x", "planet/1", f"stack/{hidden.uid}")
    for path in (*unknown, f"server/{hidden.servers[0]['uid']}"):
        assert error_code(call("GET", f"/tags/{path}")) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_entity_is_tagged(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web")
    server = str(stack.servers[0]["uid"])

    async def values() -> list[str]:
        (found,) = await c66.tags.list("server", server)
        return [tag.value for tag in found.tags or ()]

    assert await values() == []
    replaced = await c66.tags.replace("server", server, tags=["blue", "green"])
    assert (replaced.entity_type, replaced.entity_id) == ("server", server)
    updated = await c66.tags.update("server", server, add=["c66.delete.protection"], remove=["blue", "absent"])
    assert updated.tags == (EntityTag(value="green", reserved=False),
                            EntityTag(value="c66.delete.protection", reserved=True))  # fmt: skip
    assert await values() == ["green", "c66.delete.protection"]
    assert [item.tags for item in await c66.tags.list("stack", stack.uid)] == [()]
    await c66.tags.delete("server", server)
    assert await values() == []
    with pytest.raises(NotFound, match="no such server"):
        await c66.tags.replace("server", "none", tags=["x"])
