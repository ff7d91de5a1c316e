"""The state of a sandbox: snapshots, and all of it as JSON."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.errors import ConfigError
from cloud66_async.openapi import openapi
from cloud66_async.sandbox import FakeClock, FakeCloud66, FakeStack

from ..openapi_requests import Requests
from .caller import Caller
from .records import add_every_kind

# --- snapshots -----------------------------------------------------------------------------------


def test_restore_brings_back_records_of_every_kind(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web", framework="docker")
    user = Caller(fake)
    added = add_every_kind(fake, stack)
    user.send("POST", f"/stacks/{stack.uid}/jobs/{fake.records('job', stack)[0]['uid']}/pause.json")
    fake.add_deployment(stack, outcome="pending")
    before, snapshot = fake.to_json(), fake.snapshot()
    for _ in range(2):
        for record in added:
            record.clear()
        fake.add_account("Beta")
        fake.add_user("ada@example.com")
        fake.add_deployment(stack, outcome="failed")
        fake.remove_stack(stack)
        fake.seed(3)
        fake.restore(snapshot)
        assert fake.to_json() == before


def test_effect_of_a_running_action_is_applied_once_after_each_restore(fake: FakeCloud66, web: FakeStack) -> None:
    call, job = Caller(fake), fake.records("job", web)[0]
    call.send("POST", f"/stacks/{web.uid}/jobs/{job['uid']}/pause.json")
    fake.clock.advance(40)
    snapshot = fake.snapshot()
    for _ in range(2):
        fake.clock.advance(20)
        call.get(f"/stacks/{web.uid}.json")
        assert fake.records("job", web)[0]["paused"] is True
        fake.restore(snapshot)
        assert fake.records("job", web)[0]["paused"] is False


# --- JSON ----------------------------------------------------------------------------------------


def readable(fake: FakeCloud66) -> list[Any]:
    """Return what the API shows of every stack."""
    call = Caller(fake)
    parts = (".json", *(f"/{name}.json" for name in ("servers", "deployments", "actions", "jobs", "backups")))
    return [call.get(f"/stacks/{uid}{part}") for uid in fake.world.stacks for part in parts]


def test_state_survives_json() -> None:
    fake = FakeCloud66(action_seconds=90)
    number = fake.add_account("Beta")
    fake.add_user("late@example.com", accounts=[number])
    stack = fake.add_stack("web", framework="docker")
    fake.seed(30, accounts=[1, number], seed=3)
    add_every_kind(fake, stack)
    fake.add_deployment(stack, outcome="pending")
    fake.add_deployment(stack, outcome="pending")
    fake.clock.advance(50)
    saved = fake.to_json()
    assert fake.to_json() == saved
    copy = FakeCloud66.from_json(saved, action_seconds=90)
    assert copy.to_json() == saved
    assert copy.clock.now() == fake.clock.now()
    assert copy.provider.users == fake.provider.users
    for seconds in (0, 45, 300):
        fake.clock.advance(seconds)
        copy.clock.advance(seconds)
        assert readable(copy) == readable(fake)
    assert copy.add_stack("next").uid == fake.add_stack("next").uid
    assert copy.add("job", copy.world.stacks[stack.uid])["id"] == fake.add("job", stack)["id"]


def test_saving_changes_nothing(fake: FakeCloud66, web: FakeStack) -> None:
    call, job = Caller(fake), fake.records("job", web)[0]
    action = call.send("POST", f"/stacks/{web.uid}/jobs/{job['uid']}/pause.json")
    copy = FakeCloud66.from_json(fake.to_json())
    assert job["paused"] is False
    assert call.get(f"/stacks/{web.uid}/actions/{action['id']}.json")["finished_at"] is None
    # The function that pauses the job cannot be saved, so the copy has its result.
    (saved,) = [item for item in copy.records("job", copy.world.stacks[web.uid]) if item["uid"] == job["uid"]]
    assert saved["paused"] is True
    assert Caller(copy).get(f"/stacks/{web.uid}/actions/{action['id']}.json")["finished_success"] is True
    fake.clock.advance(60)
    call.get(f"/stacks/{web.uid}.json")
    assert job["paused"] is True


def test_records_that_refer_to_actions_survive(fake: FakeCloud66, web: FakeStack) -> None:
    given = {"type": "lets_encrypt", "server_names": ["a.example.com"], "ssl_termination": True}
    created = Caller(fake).send("POST", f"/stacks/{web.uid}/ssl_certificates.json", {"ssl_certificate": given})
    copy = FakeCloud66.from_json(fake.to_json())
    target = f"/stacks/{web.uid}/ssl_certificates/{created['uuid']}.json"
    assert Caller(copy).get(target)["status"] == created["status"]
    copy.clock.advance(60)
    assert Caller(copy).get(target)["status"] == 3


def test_what_every_operation_leaves_behind_survives() -> None:
    requests = Requests()
    endpoints = [
        (method.upper(), path, endpoint)
        for path, methods in openapi()["paths"].items()
        for method, endpoint in methods.items()
        if not path.startswith("/stacks/redeploy")
    ]
    replies = [requests.send(*endpoint) for endpoint in endpoints]
    assert sum(reply.status == 200 for reply in replies) > 100
    for table in requests.fake.world.tables:
        if table.kind.parent is None and table.kind.name != "user":  # users belong to several accounts
            assert ("stack" if isinstance(table.parent, FakeStack) else "account") in table.kind.owners, table
    requests.fake.clock.advance(60)
    state = requests.fake.to_json()
    others = Requests()
    others.fake = FakeCloud66.from_json(state, hourly_limit=1_000_000)
    others.token = others.fake.add_token()
    assert others.fake.to_json() == state
    for endpoint in endpoints:
        if endpoint[0] == "GET":
            assert others.send(*endpoint).body == requests.send(*endpoint).body, endpoint


@pytest.mark.parametrize("hours", [-5000, 24], ids=["behind", "ahead"])
def test_running_deployment_has_the_same_time_left_on_another_clock(
    fake: FakeCloud66, web: FakeStack, hours: int
) -> None:
    fake.add_deployment(web, age=10)
    fake.add_deployment(web, outcome="pending")
    fake.clock.advance(50)
    clock = FakeClock(fake.clock.now() + timedelta(hours=hours))
    copy = FakeCloud66.from_json(fake.to_json(), clock=clock)
    statuses: list[int] = []
    for seconds in (9, 1):
        clock.advance(seconds)
        statuses.append(Caller(copy).get(f"/stacks/{web.uid}.json")["status"])
    assert statuses == [6, 1]
    outcomes = [item["outcome"]["meaning"] for item in Caller(copy).get(f"/stacks/{web.uid}/deployments.json")[:2]]
    assert outcomes == ["success", "success"]


def test_file_and_mapping(fake: FakeCloud66, web: FakeStack, tmp_path: Path) -> None:
    saved, path = fake.to_json(), tmp_path / "state.json"
    path.write_text(saved, encoding="utf-8")
    for source in (path, saved.encode(), json.loads(saved)):
        copy = FakeCloud66.from_json(source, clock=SystemClock())
        assert copy.world.stacks[web.uid].name == "web"


def test_unread_records_are_not_saved_but_the_same_later(fake: FakeCloud66, web: FakeStack) -> None:
    saved = fake.to_json()
    assert json.loads(saved)["tables"] == []
    copy = FakeCloud66.from_json(saved)
    assert copy.records("job", copy.world.stacks[web.uid]) == fake.records("job", web)


def spoil(state: Any, path: str, value: object) -> Any:
    """Set what a path such as `stacks.0.fields` leads to, or delete it if the value is ..."""
    *steps, last = path.split(".")
    place: Any = state
    for step in steps:
        place = place[int(step) if step.isdecimal() else step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if last.isdecimal() else last] = value
    return state


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, r"\(version\): this release reads version 1, not 2"),
        ("version", ..., "object missing required field `version`"),
        ("saved_at", "yesterday", r"\(saved_at\): invalid RFC3339 encoded datetime"),
        ("saved_at", "2026-03-02T09:12:30", r"\(saved_at\): expected `datetime` with a timezone component"),
        ("colour", 1, "object contains unknown field `colour`"),
        ("users.0.email", 3, r"\(users\[0\]\.email\): expected `str`, got `int`"),
        ("stacks.0.number", -1, r"\(stacks\[0\]\.number\): expected `int` >= 0"),
        ("stacks.0.fields.name", ..., r"\(stacks\[0\]\.fields\): the field 'name' is missing"),
        ("stacks.0.fields.colour", 1, r"\(stacks\[0\]\.fields\): the field 'colour' is unknown"),
        ("stacks.0.fields.account_id", "1", r"\(stacks\[0\]\.fields\.account_id\): expected `int"),
        ("stacks.0.fields.status", None, r"\(stacks\[0\]\.fields\.status\): must not be null"),
        ("stacks.1.fields.uid", "UID", r"\(stacks\[1\]\.fields\.uid\): another stack has the same uid"),
        ("stacks.0.deployments.0.action", 7, r"\(stacks\[0\]\.deployments\[0\]\.action\): .* action with the ID 7"),
        ("tables.0.kind", "nothing", r"\(tables\[0\]\.kind\): unknown kind 'nothing'"),
        ("tables.0.stack", "nothing", r"\(tables\[0\]\.stack\): there is no stack with the uid 'nothing'"),
        ("tables.0.account", 1, r"\(tables\[0\]\): either stack or account is required"),
        ("tables.0.through", [["job", "1"]], r"\(tables\[0\]\.through\): must lead through records of the kinds \[\]"),
        ("tables.0.records.0.uid", ..., r"\(tables\[0\]\.records\[0\]\): the field 'uid', which identifies it"),
        ("tables.0.records.1", 5, r"\(tables\[0\]\.records\[1\]\): expected `object`, got `int`"),
        ("tables.0.records.0.name", {"$action": 5}, r"\(tables\[0\]\.records\[0\]\.name\): there is no action with"),
    ],
)
def test_invalid_state_names_the_place(fake: FakeCloud66, path: str, value: object, message: str) -> None:
    stack = fake.add_stack("web")
    fake.add_stack("api")
    fake.records("job", stack)
    fake.add_deployment(stack)
    state = json.loads(fake.to_json())
    assert [table["kind"] for table in state["tables"]] == ["job"]
    with pytest.raises(
        ConfigError, match=r"^invalid state of a sandbox.*; save one with FakeCloud66\.to_json\(\)$"
    ) as e:
        FakeCloud66.from_json(spoil(state, path, stack.uid if value == "UID" else value))
    assert e.match(message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{", "invalid state of a sandbox: not JSON"),
        (b"\xff", "invalid state of a sandbox: not JSON"),
        ("[]", "invalid state of a sandbox: expected `object`, got `array`"),
        (Path("/nothing/state.json"), "cannot read the state of a sandbox in /nothing/state.json: No such file"),
    ],
)
def test_what_is_not_a_state(source: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FakeCloud66.from_json(source)


def test_states_of_a_stack_can_be_words(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web", status="deployment failed", health="impaired")
    assert (stack.data["status"], stack.data["health"]) == (2, 2)
    with pytest.raises(ValueError, match="invalid health 'ill': expected one of unknown, building, impaired"):
        fake.add_stack("web", health="ill")
