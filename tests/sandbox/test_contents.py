"""What tests add to a sandbox: records, stacks, deployments and accounts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud66_async.errors import NotFound
from cloud66_async.models import Health, JobStatus, StackStatus
from cloud66_async.sandbox import FakeCloud66, FakeStack, User
from cloud66_async.sandbox.kinds import RecordKind
from cloud66_async.sandbox.table import Record, kinds

from .records import KINDS, REQUIRED, parent_of

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


def test_names_are_unique_after_a_removal(fake: FakeCloud66, web: FakeStack) -> None:
    for kind in KINDS:
        if kind not in REQUIRED:
            parent = parent_of(fake, web, kind)
            added = [fake.add(kind, parent) for _ in range(3)]
            fake.remove(kind, parent, added[0])
            fake.add(kind, parent)
            names = [record["name"] for record in fake.records(kind, parent) if "name" in record]
            assert len({*names}) == len(names), kind


def test_servers_of_a_stack_differ(fake: FakeCloud66) -> None:
    """Users and the command line find a server by its name or address."""
    stack = fake.add_stack("api", servers=120)
    for record in stack.servers[::3]:
        fake.remove("server", stack, record)
    for _ in range(40):
        fake.add("server", stack)
    for field in ("uid", "name", "address", "ext_ipv4", "int_ipv4"):
        values = [server[field] for server in stack.servers]
        assert len({*values}) == len(values), field


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
