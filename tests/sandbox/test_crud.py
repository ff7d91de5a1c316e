"""Ready-made handlers of plain collections, tried with resources that do not exist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import attrs
import pytest

from cloud66_async import BadRequest, Cloud66, NotFound, Pager
from cloud66_async._core.model import Model, Timestamp
from cloud66_async.operation import delete, get, many, patch, post
from cloud66_async.resources import operations
from cloud66_async.resources._resource import Resource
from cloud66_async.resources.common import Outcome
from cloud66_async.sandbox import FakeCloud66, FakeStack, handling
from cloud66_async.sandbox.api import API
from cloud66_async.sandbox.crud import serve_create, serve_delete, serve_get, serve_list, serve_update
from cloud66_async.sandbox.handling import HANDLERS
from cloud66_async.sandbox.routes import Routes
from cloud66_async.sandbox.table import Kind, Record

# --- the resource of the SDK ---------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Thing(Model):
    id: int
    name: str | None = None
    color: str | None = None
    tags: tuple[str, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


@attrs.frozen(kw_only=True)
class Part(Model):
    uid: str
    size: int | None = None


LIST = get("/stacks/{stack}/things.json", many(Thing), scope="public")
GET = get("/stacks/{stack}/things/{thing}.json", Thing, scope="public")
CREATE = post("/stacks/{stack}/things.json", Thing, scope="redeploy", body={"name": str, "color": str | None})
CREATE_UNNAMED = post("/stacks/{stack}/things.json", Thing, body={"name": str | None, "color": Any | None})
UPDATE = patch(
    "/stacks/{stack}/things/{thing}.json",
    Thing,
    scope="redeploy",
    body={"name": str | None, "color": str | None},
    wrapper="thing",
)
DELETE = delete("/stacks/{stack}/things/{thing}.json", Outcome, scope="redeploy")

LIST_PARTS = get("/stacks/{stack}/things/{thing}/parts.json", many(Part))
CREATE_PART = post("/stacks/{stack}/things/{thing}/parts.json", Part, body={"size": int | None})
DELETE_PART = delete("/stacks/{stack}/things/{thing}/parts/{part}.json", Part)

LIST_KEYS = get("/keys.json", many(Part))
CREATE_KEY = post("/keys.json", Part, body={"size": int | None})
GET_KEY = get("/keys/{key}.json", Part)


class Things(Resource):
    def list(self, stack: str) -> Pager[Thing]:
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, thing: int) -> Thing:
        return await self._call(GET.bind(stack=stack, thing=thing))

    async def create(self, stack: str, name: str, *, color: str | None = None) -> Thing:
        return await self._call(CREATE.bind(stack=stack, name=name, color=color))

    async def update(self, stack: str, thing: int, *, color: str) -> Thing:
        return await self._call(UPDATE.bind(stack=stack, thing=thing, color=color))

    async def delete(self, stack: str, thing: int) -> Outcome:
        return await self._call(DELETE.bind(stack=stack, thing=thing))


# --- the resource in the sandbox -----------------------------------------------------------------


def sample(stack: FakeStack) -> Iterator[Record]:
    if stack.name == "seeded":
        yield {"id": 1, "name": "first", "color": "red", "tags": []}
        yield {"id": 2, "name": "second", "color": "blue", "tags": []}


THINGS = Kind("thing", sample=sample, defaults={"color": "red", "tags": [], "created_at": None, "updated_at": None})
PARTS = Kind[Record]("part", key="uid", uid=True, parent=THINGS)
KEYS = Kind[Record]("key", key="uid", uid=True)


def serve() -> None:
    serve_list(LIST, THINGS)
    serve_get(GET, THINGS)
    serve_create(CREATE, THINGS)
    serve_update(UPDATE, THINGS)
    serve_delete(DELETE, THINGS)
    serve_list(LIST_PARTS, PARTS)
    serve_create(CREATE_PART, PARTS)
    serve_delete(DELETE_PART, PARTS)
    serve_list(LIST_KEYS, KEYS)
    serve_create(CREATE_KEY, KEYS)
    serve_get(GET_KEY, KEYS)


class Site(NamedTuple):
    fake: FakeCloud66
    c66: Cloud66
    things: Things
    web: FakeStack


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(handling, "HANDLERS", dict(HANDLERS))
    serve()
    made_up = [(f"things.{number}", operation) for number, operation in enumerate(handling.HANDLERS)]
    fake = FakeCloud66()
    routes = Routes([*operations(), *made_up[len(HANDLERS) :]])
    fake._api = API(fake.world, fake.provider, fake.clock, routes, handling.HANDLERS)
    async with fake.client() as c66:
        yield Site(fake, c66, Things(c66._sender), fake.add_stack("web"))


async def test_plain_collection(site: Site) -> None:
    uid, things = site.web.uid, site.things
    assert await things.list(uid) == []
    one, two = await things.create(uid, "one"), await things.create(uid, "two", color="blue")
    assert one.id != two.id
    assert (one.name, one.color, one.tags, two.color) == ("one", "red", (), "blue")
    assert one.created_at == one.updated_at == site.fake.clock.now().replace(microsecond=0)
    assert await things.list(uid) == [one, two]
    assert await things.get(uid, two.id) == two
    site.fake.clock.advance(60)
    changed = await things.update(uid, one.id, color="green")
    assert (changed.name, changed.color, changed.created_at) == ("one", "green", one.created_at)
    assert changed.updated_at == site.fake.clock.now().replace(microsecond=0)
    assert await things.get(uid, one.id) == changed
    assert await things.delete(uid, one.id) == Outcome(ok=True, message="Thing deleted")
    assert await things.list(uid) == [two]
    for call in (things.get(uid, one.id), things.update(uid, one.id, color="x"), things.delete(uid, one.id)):
        with pytest.raises(NotFound, match="no such thing"):
            await call


async def test_collection_is_paged(site: Site) -> None:
    for number in range(65):
        await site.things.create(site.web.uid, f"thing {number}")
    assert [thing.name for thing in await site.things.list(site.web.uid)] == [f"thing {n}" for n in range(65)]
    page = await site.things.list(site.web.uid).page(3)
    assert (len(page.items), page.pages, page.count) == (5, 3, 65)


async def test_stacks_have_their_own_records(site: Site) -> None:
    seeded = site.fake.add_stack("seeded")
    assert [thing.name for thing in await site.things.list(seeded.uid)] == ["first", "second"]
    created = await site.things.create(site.web.uid, "other")
    assert len(await site.things.list(site.web.uid)) == 1
    with pytest.raises(NotFound, match="no such thing"):
        await site.things.get(seeded.uid, created.id)
    with pytest.raises(NotFound, match="no such stack"):
        await site.things.list("none")
    hidden = site.fake.add_stack("hidden", account=2)
    with pytest.raises(NotFound, match="no such stack"):
        await site.things.create(hidden.uid, "x")


async def test_defaults_are_not_shared(site: Site) -> None:
    table = site.fake.world.table(THINGS, site.web)
    table.create({"name": "one"})["tags"].append("x")
    assert table.create({"name": "two"})["tags"] == []


async def test_invalid_bodies_are_rejected(site: Site) -> None:
    with pytest.raises(BadRequest, match="Missing parameters: name"):
        await site.c66.send(CREATE_UNNAMED.bind(stack=site.web.uid))
    with pytest.raises(BadRequest, match="Invalid color: expected a string, not list"):
        await site.c66.send(CREATE_UNNAMED.bind(stack=site.web.uid, name="one", color=[]))


async def test_unknown_parameters_are_ignored(site: Site) -> None:
    other = post(
        "/stacks/{stack}/things.json", Thing, body={"name": str | None, "id": int | None, "nothing": str | None}
    )
    created = (await site.c66.send(other.bind(stack=site.web.uid, name="one", id=7, nothing="x"))).data
    assert created.id != 7
    assert site.fake.world.table(THINGS, site.web).get(created.id).keys() == {
        "id", "name", "color", "tags", "created_at", "updated_at",
    }  # fmt: skip


async def test_records_of_records(site: Site) -> None:
    one, two = await site.things.create(site.web.uid, "one"), await site.things.create(site.web.uid, "two")
    part = (await site.c66.send(CREATE_PART.bind(stack=site.web.uid, thing=one.id, size=3))).data
    assert len(part.uid) == 32
    for thing, found in ((one, (part,)), (two, ())):
        assert (await site.c66.send(LIST_PARTS.bind(stack=site.web.uid, thing=thing.id))).data.items == found
    with pytest.raises(NotFound, match="no such thing"):
        await site.c66.send(LIST_PARTS.bind(stack=site.web.uid, thing=99))
    assert (await site.c66.send(DELETE_PART.bind(stack=site.web.uid, thing=one.id, part=part.uid))).data == part
    with pytest.raises(NotFound, match="no such part"):
        await site.c66.send(DELETE_PART.bind(stack=site.web.uid, thing=one.id, part=part.uid))


async def test_records_with_equal_identifiers_have_their_own_records(site: Site) -> None:
    world = site.fake.world
    twins = [world.table(THINGS, site.fake.add_stack(name)).create({"id": 7}) for name in ("one", "two")]
    for number, thing in enumerate(twins):
        world.table(PARTS, thing).create({"uid": "same", "size": number})
    snapshot = site.fake.snapshot()
    for thing in twins:
        world.table(PARTS, thing).delete("same")
    site.fake.restore(snapshot)
    assert [world.table(PARTS, thing).get("same")["size"] for thing in twins] == [0, 1]


async def test_records_of_an_account(site: Site) -> None:
    site.fake.add_user("bo@example.com", accounts=[2, 1])
    bo = site.c66.using(token=site.fake.add_token("bo@example.com"))
    key = (await bo.send(CREATE_KEY.bind(size=1))).data
    assert (await bo.send(LIST_KEYS.bind())).data.items == (key,)
    assert (await bo.using(account=1).send(LIST_KEYS.bind())).data.items == ()
    assert (await site.c66.send(LIST_KEYS.bind())).data.items == ()
    with pytest.raises(NotFound, match="no such key"):
        await site.c66.send(GET_KEY.bind(key=key.uid))
    assert site.fake.world.table(KEYS, 2).get(key.uid)["size"] == 1


async def test_changes_in_the_table_are_served(site: Site) -> None:
    table = site.fake.world.table(THINGS, site.web)
    record = table.create({"name": "mine", "color": "black"})
    assert (await site.things.get(site.web.uid, record["id"])).color == "black"
    table.update(record["id"], {"color": "white"})
    assert (await site.things.get(site.web.uid, record["id"])).color == "white"
    table.delete(record["id"])
    assert await site.things.list(site.web.uid) == []


async def test_snapshot_includes_the_records(site: Site) -> None:
    one = await site.things.create(site.web.uid, "one")
    snapshot = site.fake.snapshot()
    await site.things.update(site.web.uid, one.id, color="green")
    two = await site.things.create(site.web.uid, "two")
    site.fake.restore(snapshot)
    assert await site.things.list(site.web.uid) == [one]
    assert (await site.things.create(site.web.uid, "two")).id == two.id
