"""The command `fleet`."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from cloud66_async import Cloud66
from cloud66_async.cli.commands.fleet_details import Budget, Details, Row, read_details
from cloud66_async.cli.commands.plot import check_plot, draw
from cloud66_async.cli.exits import CommandError
from cloud66_async.clock import SystemClock
from cloud66_async.errors import Forbidden, QuotaError, Unauthenticated
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import on_terminal, run_on_terminal

KINDS = Details().kinds


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Return a sandbox with 600 stacks of two accounts."""
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=3600.0)) as running:
        other = running.fake.add_account("Globex")
        running.fake.seed(599, accounts=(1, other))
        running.fake.add_stack("shop", account=other, servers=3, health="impaired")
        yield running


@pytest.fixture
def access(server: SandboxServer) -> Mapping[str, str]:
    """Return access with a new hourly quota."""
    user = server.fake.add_user(f"user{server.request_count}@example.com", accounts=server.fake.user.accounts)
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token(user).reveal()}


@pytest.fixture
def fake() -> FakeCloud66:
    fake = FakeCloud66()
    fake.seed(90)
    return fake


@pytest.fixture
async def c66(fake: FakeCloud66) -> AsyncIterator[Cloud66]:
    async with fake.client() as client:
        yield client


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_600_stacks_on_a_terminal(server: SandboxServer, access: Mapping[str, str], columns: int) -> None:
    before = server.request_count
    shown = run_on_terminal(columns, "fleet", "--yes", environment=access)
    assert shown.exit_code == 0
    assert server.request_count - before == 1220
    lines = shown.lines
    assert lines[0] == "Reading servers and latest deployments of 600 stacks: 1,200 requests of 3,580 left"
    titles = next(number for number, line in enumerate(lines) if "NAME  " in line)
    table = lines[titles:]
    assert max(map(len, table[1:])) <= columns
    assert len(table) == 602
    assert re.fullmatch(
        r"600 stacks in 2 accounts: \d+ healthy, \d+ impaired, \d+ failed, \d+ other +\d+\.\d s", table[-1]
    )
    assert "1200/1200" in shown.text  # the progress bar
    assert any(re.match(r"(Globex +)?shop +production +impaired +0 of 3 ", line) for line in table)


def test_pipes_and_cost(server: SandboxServer, access: Mapping[str, str], terminal: Terminal) -> None:
    before = server.request_count
    done = terminal.run("fleet", "--name", "shop", "--no-deployments", "--json", environment=access)
    assert done.returncode == 0
    assert server.request_count - before == 2
    assert done.stderr == "Reading servers of 1 stack: 1 request of 3,599 left\n"
    row = json.loads(done.stdout)
    assert (row["name"], row["health"], len(row["servers"]), row["latest_deployment"]) == ("shop", "impaired", 3, None)
    done = terminal.run("fleet", "--no-servers", "--no-deployments", "--csv", environment=access)
    assert server.request_count - before == 22
    assert done.stderr == ""
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 600
    assert "servers" not in rows[0]
    assert [row["account"] for row in rows] == sorted(row["account"] for row in rows)
    assert {row["account"].partition(" ")[0] for row in rows} == {"Acme", "Globex"}


def test_one_account(server: SandboxServer, access: Mapping[str, str], terminal: Terminal) -> None:
    account = str(max(server.fake.user.accounts))
    done = terminal.run(
        "fleet", "--account", account, "--no-servers", "--no-deployments", "--columns", "account", environment=access
    )
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == {"Globex"}


def test_the_reserve_is_kept_and_the_worst_stacks_come_first(
    server: SandboxServer, access: Mapping[str, str], terminal: Terminal
) -> None:
    before = server.request_count
    done = terminal.run("fleet", "--no-servers", "--reserve", "3570", "--csv", environment=access)
    assert done.returncode == 4
    assert server.request_count - before == 30
    assert "  Only 10 of them are sent, to keep 3,570 for others; the worst stacks come first" in done.stderr
    assert "Not read: 590 requests for 590 stacks (3,570 requests of this hour are kept for others)" in done.stderr
    assert "  List them: --errors" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 600
    assert {row["health"] for row in rows if row["deployment"]} == {"failed"}


def test_errors_are_listed(server: SandboxServer, access: Mapping[str, str], terminal: Terminal) -> None:
    server.fake.faults.fail(403, operation="servers.list", times=1)
    done = terminal.run("fleet", "--name", "shop", "--errors", environment=access)
    assert done.returncode == 1
    assert "Not read: 1 request for 1 stack (" in done.stderr
    assert "  shop/production  servers  " in done.stderr
    assert "shop" in done.stdout


def test_a_person_is_asked_before_much_of_the_quota_is_used(server: SandboxServer, access: Mapping[str, str]) -> None:
    before = server.request_count
    with on_terminal(80, "fleet", environment=access) as started:
        started.wait_for("Send 1,200 requests? [y/N] ")
        started.type("n\n")
        assert started.exit_code() == 1
    assert server.request_count - before == 20
    assert "cancelled: nothing was changed" in started.shown


def test_nothing_to_show(access: Mapping[str, str]) -> None:
    shown = run_on_terminal(80, "fleet", "--name", "missing", environment=access)
    assert (shown.exit_code, shown.lines) == (
        0,
        ["No stacks match these filters.", "  All stacks: cloud66-async stacks"],
    )


# --- reading -------------------------------------------------------------------------------------


async def test_details_are_read_concurrently(fake: FakeCloud66, c66: Cloud66) -> None:
    rows = [Row(stack) for stack in await c66.stacks.list()]
    ended: list[None] = []
    assert await read_details(c66, rows, KINDS, Budget(c66, 0), lambda: ended.append(None)) == []
    assert len(ended) == 180
    by_uid = fake.world.stacks
    assert all(len(row.servers or ()) == len(by_uid[row.stack.uid].servers) for row in rows)
    deployed = [row for row in rows if by_uid[row.stack.uid].deployments]
    assert deployed
    assert all(row.latest and row.latest.id == by_uid[row.stack.uid].deployments[0].id for row in deployed)


async def test_one_failure_leaves_the_others(fake: FakeCloud66, c66: Cloud66) -> None:
    rows = [Row(stack) for stack in await c66.stacks.list()]
    fake.faults.fail(403, operation="servers.list", times=2)
    unread = await read_details(c66, rows, KINDS, Budget(c66, 0), lambda: None)
    assert [(problem.kind, type(problem.error)) for problem in unread] == [("servers", Forbidden)] * 2
    assert sum(row.servers is None for row in rows) == 2


async def test_others_that_use_the_quota_meanwhile(fake: FakeCloud66, c66: Cloud66) -> None:
    rows = [Row(stack) for stack in await c66.stacks.list()]
    budget = Budget(c66, 3500)
    async with fake.client() as other:
        for _ in range(60):
            await other.accounts.list()
    unread = await read_details(c66, rows, KINDS, budget, lambda: None)
    assert all(isinstance(problem.error, QuotaError) for problem in unread)
    assert fake.calls("servers.list") + fake.calls("deployments.list") <= 3597 - 60 - 3500 + 32


async def test_a_revoked_token_ends_the_command(fake: FakeCloud66, c66: Cloud66) -> None:
    rows = [Row(stack) for stack in await c66.stacks.list()]
    fake.revoke(fake.tokens[0].token)
    with pytest.raises(Unauthenticated):
        await read_details(c66, rows, KINDS, Budget(c66, 0), lambda: None)
    assert fake.calls() < 3 + 2 * 32


# --- diagrams ------------------------------------------------------------------------------------


def test_plot(access: Mapping[str, str], terminal: Terminal) -> None:
    pytest.importorskip("matplotlib")
    quiet = {**access, "PYTHONWARNINGS": "default"}
    done = terminal.run("fleet", "-e", "qa", "--no-servers", "--plot", "fleet.svg", environment=quiet)
    assert done.returncode == 0, done.stderr
    assert "Diagrams written to fleet.svg" in done.stderr
    assert (terminal.home / "fleet.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("details", [Details(), Details(servers=False, deployments=False)])
async def test_diagrams_of_every_selection(fake: FakeCloud66, c66: Cloud66, tmp_path: Path, details: Details) -> None:
    pytest.importorskip("matplotlib")
    for number in range(20):
        fake.add_stack("web", environment=f"$environment_{number}^$")  # no formula
    rows = [Row(stack) for stack in await c66.stacks.list()]
    await read_details(c66, rows, details.kinds, Budget(c66, 0), lambda: None)
    for path in (tmp_path / "fleet.PNG", tmp_path / "one.png"):
        draw(path, rows)
        assert path.read_bytes().startswith(b"\x89PNG")
        rows = rows[:1]
    with pytest.raises(CommandError, match="cannot write"):
        draw(tmp_path / "missing" / "fleet.png", rows)


def test_where_nothing_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="must end in"):
        check_plot(tmp_path / "fleet.gif")
    with pytest.raises(CommandError, match="there is no directory"):
        check_plot(tmp_path / "missing" / "fleet.svg")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CommandError, match="needs matplotlib") as error:
        check_plot(tmp_path / "fleet.svg")
    assert error.value.advice == ("Install it: pip install matplotlib",)
