"""The state of a sandbox: records that tests add, and all of it as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.errors import ConfigError, NotFound
from cloud66_async.models import Health, JobStatus, StackStatus
from cloud66_async.openapi import openapi
from cloud66_async.sandbox import FakeClock, FakeCloud66, FakeStack, User
from cloud66_async.sandbox.kinds import RecordKind
from cloud66_async.sandbox.table import Record, kinds

from ..openapi_requests import Requests
from .caller import Caller

KINDS: tuple[RecordKind, ...] = get_args(RecordKind)
REQUIRED: dict[str, Record] = {
    "access key": {"public_key": "ssh-ed25519 AAAA"},
    "agent": {"host_name": "builder"},
    "entity with tags": {"entity_id": "7", "entity_type": "server", "tags": ["blue"]},
}


def parent_of(fake: FakeCloud66, stack: FakeStack, kind: str) -> FakeStack | User | Record | int:
    """Return something that can have records of this kind."""
    known = kinds()[kind]
    if known.parent is None:
        return stack if "stack" in known.owners else 1
    if known.parent.name == "user":
        return fake.user
    parent = cast("RecordKind", known.parent.name)
    return fake.records(parent, parent_of(fake, stack, parent))[0]


def add_every_kind(fake: FakeCloud66, stack: FakeStack) -> list[Record]:
    return [fake.add(kind, parent_of(fake, stack, kind), REQUIRED.get(kind)) for kind in KINDS]


# --- adding records ------------------------------------------------------------------------------


def test_every_kind_can_be_added() -> None:
    assert {*KINDS, "action", "deployment", "user"} == kinds().keys()


@pytest.mark.parametrize("framework", ["docker", "rails"])
@pytest.mark.parametrize("kind", KINDS)
def test_record_is_added_listed_and_removed(kind: RecordKind, framework: str) -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web", framework=framework)
    parent = parent_of(fake, stack, kind)
    before = fake.records(kind, parent)
    record = fake.add(kind, parent, REQUIRED.get(kind))
    after = fake.records(kind, parent)
    assert any(item is record for item in after)
    assert len(after) == len(before) + 1
    assert fake.remove(kind, parent, record) is record
    assert fake.records(kind, parent) == before


async def test_added_records_are_those_of_the_api(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web", framework="docker")
    job = fake.add("job", stack, {"name": "nightly", "cron": "0 3 * * *", "status": JobStatus.FAILED, "paused": True})
    variable = fake.add("environment variable", stack, {"key": "COLOR", "value": "blue"})
    backup = fake.add("backup", stack, {"db_type": "redis"})
    part = fake.add("backup file", backup, {"name": "dump.tar-aa"})
    fake.add("container", stack, {"service_name": "worker"})
    fake.add("gateway", 1, {"name": "bastion"})
    fake.add("stencil", fake.records("formation", stack)[0], {"filename": "extra.yml"})
    async with fake.client() as c66:
        found = await c66.jobs.get(stack.uid, job["uid"])
        assert (found.name, found.cron, found.status, found.paused) == (
            "nightly",
            "0 3 * * *",
            JobStatus.FAILED,
            True,
        )
        assert found.created_at == fake.clock.now()
        assert (await c66.environment_variables.get(stack.uid, variable["id"])).key == "COLOR"
        assert [item.id async for item in c66.backups.list(stack.uid)][:1] == [backup["id"]]
        assert part["name"] in [item.name async for item in c66.backup_files.list(stack.uid, backup["id"])]
        assert len(await c66.containers.list(stack.uid, service_name="worker")) == 2
        assert "bastion" in [item.name async for item in c66.gateways.list(1)]
        (formation,) = await c66.formations.list(stack.uid)
        assert "extra.yml" in [item.filename for item in formation.stencils or ()]
        fake.remove("job", stack, job["uid"])
        with pytest.raises(NotFound):
            await c66.jobs.get(stack.uid, job["uid"])


async def test_given_timestamp_is_that_of_the_model(fake: FakeCloud66, web: FakeStack) -> None:
    created = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    variable = fake.add("environment variable", web, {"key": "OLD", "created_at": created})
    stack = fake.add_stack("old", fields={"created_at": "2024-05-06 07:08:09 UTC"})
    async with fake.client() as c66:
        assert (await c66.environment_variables.get(web.uid, variable["id"])).created_at == created
        assert (await c66.stacks.get(stack.uid)).created_at == created


async def test_change_of_a_record_is_seen(fake: FakeCloud66, web: FakeStack) -> None:
    fake.records("job", web)[0]["name"] = "renamed"
    async with fake.client() as c66:
        assert (await c66.jobs.list(web.uid))[0].name == "renamed"


def test_added_names_and_identifiers_are_unique(fake: FakeCloud66, web: FakeStack) -> None:
    for kind in KINDS:
        if kind not in REQUIRED:
            parent = parent_of(fake, web, kind)
            added = [fake.add(kind, parent) for _ in range(3)]
            key = kinds()[kind].key
            assert len({record[key] for record in added}) == 3, kind
            if "name" in added[0]:
                assert len({record["name"] for record in added}) == 3, kind


WRONG_USES: list[tuple[Callable[[Any, Any], object], str]] = [
    (lambda f, s: f.add("jobb", s), r"unknown kind 'jobb'; did you mean 'job'\?"),
    (lambda f, s: f.add("environment_variable", s), "did you mean 'environment variable'"),
    (lambda f, s: f.add("zzz", s), r"unknown kind 'zzz'; known are DNS provider, SSL certificate, .*, workflow$"),
    (lambda f, s: f.add("deployment", s), r"use add_deployment\(\)"),
    (lambda f, s: f.add("user", 1), r"use add_user\(\)"),
    (lambda f, s: f.add("job", s, {"nam": "x"}), "unknown field 'nam' of a record of the kind 'job'; did you mean"),
    (lambda f, s: f.add("job", s, {"paused": "yes"}), "invalid paused: expected `bool | null`, got `str`"),
    (
        lambda f, s: f.add("job", 1),
        "cannot use account 1 as the parent of a record of the kind 'job'; pass a stack",
    ),
    (
        lambda f, s: f.add("gateway", s),
        "cannot use the stack 'web' as the parent .*; pass the number of an account",
    ),
    (lambda f, s: f.add("backup file", {"id": 1}), "it is not a record of the kind 'backup'; pass one that add"),
    (lambda f, s: f.add("agent", 1), "pass its 'host_name', which identifies it"),
    (lambda f, s: f.add("service", s, {"name": f.add("service", s)["name"]}), "there already is one"),
    (lambda f, s: f.add("job", FakeCloud66().add_stack("other")), "'other': it is not in this sandbox"),
    (lambda f, s: f.add("job", s, {"created_at": datetime(2026, 1, 1)}), "must be timezone-aware"),  # noqa: DTZ001
    (lambda f, s: f.records("job", "web"), "cannot use this str as the parent"),
    (lambda f, s: f.remove("job", s, "nothing"), "cannot remove the job with the uid 'nothing': there is none"),
    (lambda f, s: f.add("device", User("new@example.com")), r"unknown user 'new@example\.com'"),
    (
        lambda f, s: f.add_stack("api", fields={"colour": 1}),
        r"unknown field 'colour' of a stack; did you mean 'cloud'\?",
    ),
    (lambda f, s: f.add_stack("api", servers=0), "invalid servers 0: must be at least 1"),
    (lambda f, s: f.add_deployment(s, outcome="fine"), "invalid outcome 'fine': must be 'success'"),
    (lambda f, s: f.add_deployment(s, age=-1), "invalid age -1: must not be negative"),
    (lambda f, s: f.add_account("Beta", users=["new@example.com"]), r"unknown user 'new@example\.com'"),
    (lambda f, s: f.remove_stack(FakeCloud66().add_stack("other")), "cannot remove the stack 'other'"),
    (lambda f, s: f.seed(3, accounts=[]), r"invalid accounts \(\): there must be at least one"),
]


@pytest.mark.parametrize(("use", "message"), WRONG_USES)
def test_wrong_use(fake: FakeCloud66, web: FakeStack, use: Callable[[Any, FakeStack], object], message: str) -> None:
    before = contents(fake)
    with pytest.raises(ValueError, match=message):
        use(fake, web)
    if "already" not in message:  # that one has added a record before
        assert contents(fake) == before


def contents(fake: FakeCloud66) -> list[Any]:
    """Return what the sandbox has, without the numbers of new records."""
    state = json.loads(fake.to_json())
    return [state[name] for name in ("accounts", "users", "stacks")]


def test_value_without_a_form_in_json(fake: FakeCloud66, web: FakeStack) -> None:
    with pytest.raises(TypeError, match=r"invalid params\.task: JSON has no form for object"):
        fake.add("job", web, {"params": {"task": object()}})


# --- stacks, deployments, accounts ---------------------------------------------------------------


async def test_stack_with_chosen_traits(fake: FakeCloud66) -> None:
    added = fake.add_stack(
        "web",
        status=StackStatus.DEPLOYMENT_FAILED,
        health=Health.FAILED,
        maintenance_mode=True,
        framework="docker",
        cloud="aws",
        servers=5,
        fields={"git_branch": "next"},
    )
    async with fake.client() as c66:
        stack = await c66.stacks.get(added.uid)
        servers = await c66.servers.list(added.uid)
        assert len(await c66.services.list(added.uid)) == 2
    assert (stack.status, stack.health, stack.maintenance_mode) == (2, 4, True)
    assert (stack.framework, stack.language, stack.backend, stack.cloud) == ("docker", "docker", "kubernetes", "aws")
    assert stack.git_branch == "next"
    assert [server.health_state for server in servers] == [4] * 5
    assert len({server.uid for server in servers}) == 5


async def test_stack_that_is_being_deployed_finishes(fake: FakeCloud66) -> None:
    for status, seconds in ((StackStatus.DEPLOYING, 0), (StackStatus.QUEUED_FOR_DEPLOYMENT, 120)):
        added = fake.add_stack("web", status=status)
        async with fake.client() as c66:
            assert (await c66.stacks.get(added.uid)).status is status
            fake.clock.advance(660 + seconds)
            assert (await c66.stacks.get(added.uid)).status is StackStatus.DEPLOYED


async def test_removed_stack_is_gone(fake: FakeCloud66, web: FakeStack) -> None:
    other = fake.add_stack("other")
    fake.records("job", web)
    fake.remove_stack(web)
    async with fake.client() as c66:
        assert [stack.uid async for stack in c66.stacks.list()] == [other.uid]
        with pytest.raises(NotFound):
            await c66.stacks.get(web.uid)
    assert fake.add_stack("third").uid not in (web.uid, other.uid)


async def test_deployments_are_added_to_the_history(fake: FakeCloud66, web: FakeStack) -> None:
    before = len(web.deployments)
    fake.add_deployment(web, git_ref="v2", outcome="failed", age=timedelta(hours=1))
    fake.add_deployment(web, git_ref="v1", age=7200)
    async with fake.client() as c66:
        first, second, *others = await c66.deployments.list(web.uid)
        assert (await c66.stacks.get(web.uid)).status is StackStatus.DEPLOYMENT_FAILED
        assert (first.git_ref, first.is_head, first.is_live) == ("v2", True, False)
        assert (second.git_ref, second.is_head, second.is_live) == ("v1", False, True)
        assert len(others) == before
        assert first.finished_at == fake.clock.now() - timedelta(hours=1)
        assert [action.id for action in web.actions[:2]] == [item.action.id for item in web.deployments[:2]]
        fake.add_deployment(web, outcome="pending")
        assert (await c66.stacks.get(web.uid)).status is StackStatus.DEPLOYING
        fake.clock.advance(60)
        assert (await c66.stacks.get(web.uid)).status is StackStatus.DEPLOYED


async def test_account_with_a_name(fake: FakeCloud66) -> None:
    token = fake.add_token()
    number = fake.add_account("Beta")
    fake.add_stack("beta", account=number)
    hidden = fake.add_account("Gamma", users=["grace@example.com"])
    async with fake.client(token) as c66:
        assert [account.friendly_name async for account in c66.accounts.list()] == ["Acme", "Beta"]
        (stack,) = await c66.stacks.list()
        assert (stack.account_id, stack.account_name) == (number, "Beta <owner@acme-2.example.com>")
        assert {account.name for user in await c66.users.list() for account in user.accounts or ()} == {
            "Acme",
            "Beta",
            "Gamma",
        }
    assert hidden == number + 1
    assert fake.user.accounts == (1, number)


def fleet(*arguments: Any, **options: Any) -> list[Record]:
    return [stack.data for stack in FakeCloud66().seed(*arguments, **options)]


def test_fleets_of_seeds() -> None:
    first, second = fleet(90, seed=7), fleet(90, seed=8)
    assert fleet(90, seed=7) == first
    assert fleet(90) == fleet(90, seed=0)
    for one, other in ((first, second), (first, fleet(90))):
        assert {stack["uid"] for stack in one}.isdisjoint(stack["uid"] for stack in other)
        assert [stack["name"] for stack in one] != [stack["name"] for stack in other]
        assert Counter(stack["cloud"] for stack in one) != Counter(stack["cloud"] for stack in other)
    assert len({stack["uid"] for stack in first}) == 90


def test_fleet_is_distributed_over_accounts() -> None:
    stacks = fleet(300, accounts=[4, 5, 6])
    counted = Counter(stack["account_id"] for stack in stacks)
    assert counted[4] > counted[5] > counted[6] > 0
    accounts = {(stack["name"], stack["account_id"]) for stack in stacks}
    assert len(accounts) == len({name for name, _ in accounts})  # an application is in one account


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
