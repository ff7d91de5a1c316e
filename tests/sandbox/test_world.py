"""Tables and snapshots of the world."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cloud66_async.sandbox import FakeCloud66, FakeStack, Snapshot, Table
from cloud66_async.sandbox.table import Kind, Record, register

from .caller import Caller

NOTES = Kind[Record]("note", defaults={"text": "", "updated_at": None})

# --- tables --------------------------------------------------------------------------------------


@pytest.fixture
def notes(fake: FakeCloud66, web: FakeStack) -> Table[Record]:
    return fake.world.table(NOTES, web)


def test_table_keeps_the_order(notes: Table[Record]) -> None:
    first, second = notes.create({"text": "a"}), notes.create({"text": "b"})
    assert notes.list() == (first, second)
    assert repr(notes) == "<Table: 2 records of the kind 'note'>"


def test_newest_record_may_come_first(fake: FakeCloud66, web: FakeStack) -> None:
    table = fake.world.table(Kind[Record]("log", newest_first=True), web)
    first, second = table.create({}), table.create({})
    assert table.list() == (second, first)


def test_table_is_the_same_each_time(fake: FakeCloud66, web: FakeStack, notes: Table[Record]) -> None:
    assert fake.world.table(NOTES, web) is notes
    assert fake.world.table(NOTES, fake.add_stack("other")) is not notes


def test_records_are_found_by_number_or_text(notes: Table[Record]) -> None:
    record = notes.create({})
    assert notes.get(record["id"]) is notes.get(str(record["id"])) is record


def test_unknown_record_is_a_key_error(notes: Table[Record]) -> None:
    for use in (notes.get, notes.delete):
        with pytest.raises(KeyError, match="99"):
            use(99)
    with pytest.raises(KeyError, match="99"):
        notes.update(99, {})


def test_identifier_can_be_chosen_but_not_changed(notes: Table[Record]) -> None:
    record = notes.create({"id": 7})
    assert notes.update(7, {"id": 7, "text": "x"}) is record
    with pytest.raises(ValueError, match="cannot change id of note 7"):
        notes.update(7, {"id": 8})
    assert notes.list() == ({"id": 7, "text": "x", "updated_at": record["updated_at"]},)


def test_tables_are_found_by_name(fake: FakeCloud66, web: FakeStack) -> None:
    assert fake.world.table("server", web).records is web.servers
    with pytest.raises(KeyError, match="nothing"):
        fake.world.table("nothing", web)


def test_names_of_kinds_are_unique() -> None:
    with pytest.raises(ValueError, match="'server': the name is taken"):
        register(Kind[Record]("server"))


def test_server_can_be_added_to_a_stack(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    record = fake.world.table("server", web).create({"name": "lion-9"})
    assert call.get(f"/stacks/{web.uid}/servers/{record['uid']}.json")["name"] == "lion-9"


# --- snapshots -----------------------------------------------------------------------------------


def state(fake: FakeCloud66) -> Any:
    """Return everything that a user with access to accounts 1 and 2 can read."""
    user = fake.add_user("all@example.com", accounts=[1, 2])
    call = Caller(fake, fake.add_token(user))
    return [
        (
            call.get(f"/stacks/{uid}.json"),
            call.get(f"/stacks/{uid}/servers.json"),
            call.get(f"/stacks/{uid}/deployments.json"),
            call.get(f"/stacks/{uid}/actions.json"),
        )
        for uid in fake.world.stacks
    ]


def change_everything(fake: FakeCloud66) -> None:
    """Change, add and delete something of every kind."""
    call = Caller(fake)
    stack = next(iter(fake.world.stacks.values()))
    stack.change({"health": 4})
    stack.data["considerations"]["warnings"].append("changed")
    stack.servers[0]["params"]["cores"] = 64
    stack.servers.append({"uid": "new", "name": "lion-9"})
    call.send("POST", f"/stacks/{stack.uid}/deployments.json", {"user_reference": "changed"})
    call.send("POST", f"/stacks/{stack.uid}/actions.json", {"command": "restart"})
    stack.actions[-1].metadata["changed"] = True
    stack.deployments[-1].git_hash = "0" * 40
    fake.world.table(NOTES, stack).create({"text": "changed"})
    fake.add_stack("changed")
    fake.add_stack("changed", account=2)
    fake.seed(3)


@pytest.mark.parametrize("read_first", [False, True], ids=["before the first read", "after it"])
@pytest.mark.parametrize("advance", [0, 30, 86_400], ids=str)
def test_restore_brings_everything_back(read_first: bool, advance: int) -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    fake.seed(10)
    fake.world.deploy(stack, user="ada@example.com")
    fake.clock.advance(10)
    if read_first:
        state(fake)
    snapshot = fake.snapshot()
    # Running actions have the same time left whenever the snapshot is restored, so the state after 25 seconds is equal.
    fake.clock.advance(25)
    expected = without_timestamps(fake)
    for _ in range(3):
        fake.restore(snapshot)
        change_everything(fake)
        assert without_timestamps(fake) != expected
        fake.clock.advance(advance)
        fake.restore(snapshot)
        fake.clock.advance(25)
        assert without_timestamps(fake) == expected


def without_timestamps(fake: FakeCloud66) -> Any:
    """Return the state without timestamps: those of running actions move with the clock."""

    def strip(value: Any) -> Any:
        match value:
            case dict():
                fields = cast("dict[str, Any]", value)
                return {name: strip(item) for name, item in fields.items() if not name.endswith(("_at", "_at_iso"))}
            case list() | tuple():
                return [strip(item) for item in cast("list[Any]", value)]
            case _:
                return value

    return strip(state(fake))


def test_restored_action_finishes_after_the_time_that_it_had_left(fake: FakeCloud66, web: FakeStack) -> None:
    running = fake.world.deploy(web, user="ada@example.com").action
    queued = fake.world.deploy(web, user="ada@example.com").action
    fake.clock.advance(50)
    snapshot = fake.snapshot()
    for elapsed in (0, 1000):
        fake.clock.advance(elapsed)
        fake.restore(snapshot)
        assert web.actions[:2] == [queued, running]
        assert web.to_json(fake.clock.now())["is_busy"]
        fake.clock.advance(9)
        assert not running.finished(fake.clock.now())
        fake.clock.advance(1)
        assert running.finished(fake.clock.now())
        assert queued.running(fake.clock.now())
        fake.clock.advance(59)
        assert web.to_json(fake.clock.now())["status"] == 6
        fake.clock.advance(1)
        assert web.to_json(fake.clock.now())["status"] == 1


def test_finished_action_keeps_its_timestamps(fake: FakeCloud66, web: FakeStack) -> None:
    action = fake.world.act(web, "restart", user="ada@example.com")
    fake.clock.advance(60)
    before = action.to_json(fake.clock.now())
    snapshot = fake.snapshot()
    fake.clock.advance(3600)
    fake.restore(snapshot)
    assert action.to_json(fake.clock.now()) == before


def test_objects_of_the_snapshot_stay_valid(fake: FakeCloud66, web: FakeStack) -> None:
    server, deployments, actions = web.servers[0], tuple(web.deployments), tuple(web.actions)
    name, notes = server["name"], fake.world.table(NOTES, web)
    note = notes.create({"text": "kept"})
    snapshot = fake.snapshot()
    web.change({"health": 4})
    server["name"] = note["text"] = "changed"
    web.servers.clear()
    notes.delete(note["id"])
    fake.world.deploy(web, user="ada@example.com")
    fake.restore(snapshot)
    assert fake.world.stacks[web.uid] is web
    assert web.servers[0] is server
    assert (tuple(web.deployments), tuple(web.actions)) == (deployments, actions)
    assert [deployment.action for deployment in web.deployments] == list(actions)
    assert (server["name"], note["text"], web.data["health"]) == (name, "kept", 3)
    assert notes.list() == (note,)
    assert fake.world.table(NOTES, web) is notes


def test_ids_continue_from_the_snapshot(fake: FakeCloud66, web: FakeStack) -> None:
    snapshot = fake.snapshot()
    first = fake.world.deploy(web, user="ada@example.com").id
    fake.restore(snapshot)
    assert fake.world.deploy(web, user="ada@example.com").id == first
    added = fake.add_stack("next").uid
    fake.restore(snapshot)
    assert fake.add_stack("next").uid == added


def test_restore_does_not_touch_users_tokens_and_recorded_requests(fake: FakeCloud66, web: FakeStack) -> None:
    snapshot = fake.snapshot()
    call = Caller(fake)
    fake.add_user("late@example.com")
    fake.faults.fail(500)
    before = fake.clock.now()
    fake.restore(snapshot)
    assert call.get(f"/stacks/{web.uid}.json")["uid"] == web.uid
    assert "late@example.com" in fake.provider.users
    assert fake.faults.take(["stacks.get"]) is not None
    assert fake.clock.now() == before


async def test_snapshot_while_tasks_sleep_on_the_clock(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    async with fake.client() as c66, fake.clock.running():
        snapshot = fake.snapshot()
        for _ in range(2):
            assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded
            assert len(stack.deployments) == len(set(stack.deployments))
            fake.restore(snapshot)
    assert stack.data["is_busy"] is False


def test_snapshot_does_not_create_servers_and_history(fake: FakeCloud66) -> None:
    stacks = fake.seed(30)
    before = len(list(fake.world.tables))
    fake.restore(fake.snapshot())
    assert len(list(fake.world.tables)) == before < len(stacks)


def test_world_alone_can_be_restored(fake: FakeCloud66) -> None:
    snapshot: Snapshot = fake.world.snapshot()
    fake.seed(5)
    fake.world.restore(snapshot)
    assert not fake.world.stacks
    assert not fake.world.visible([1])
