"""Tables of the command line: on terminals of 80 and 120 columns, in a pipe, and as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from cloud66_async.cli.terminal.output import ago
from cloud66_async.cli.terminal.table import Cell, Column, Table, fit
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, run_on_terminal

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LONG_NAME = "a-rather-long-name-of-an-application"
LONG_ENVIRONMENT = "production-of-the-second-kind"


@pytest.fixture(scope="module")
def fleet() -> Iterator[SandboxServer]:
    """Return a sandbox with 600 stacks."""
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.seed(600)
        yield running


@pytest.fixture(scope="module")
def access(fleet: SandboxServer) -> Mapping[str, str]:
    return access_to(fleet)


@pytest.fixture(scope="module")
def odd() -> Iterator[Mapping[str, str]]:
    """Return access to a sandbox with two stacks that have unusual names."""
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.add_stack(LONG_NAME, environment=LONG_ENVIRONMENT, cloud="aws")
        running.fake.add_stack("日本\x1b[31m", environment="staging", cloud="aws")
        yield access_to(running)


@pytest.mark.parametrize("columns", [80, 120])
def test_600_stacks_fit_and_keep_name_and_environment(
    fleet: SandboxServer, access: Mapping[str, str], columns: int
) -> None:
    shown = run_on_terminal(columns, "stacks", environment=access)
    assert shown.exit_code == 0
    titles, *rows, last = shown.lines
    assert max(map(len, shown.lines)) <= columns
    assert titles.split()[:4] == ["NAME", "ENVIRONMENT", "STATUS", "HEALTH"]
    assert ("CLOUD" in titles) == (columns == 120)
    stacks = fleet.fake.world.stacks.values()
    assert {tuple(row.split()[:2]) for row in rows} == {(stack.name, stack.data["environment"]) for stack in stacks}
    assert {row.split()[-1] for row in rows} == {stack.uid[:8] for stack in stacks}
    assert re.fullmatch(r"600 stacks +\d,\d{3} of 3,600 requests left", last)
    assert len(last) == columns


def test_long_names_are_never_cut(odd: Mapping[str, str]) -> None:
    shown = run_on_terminal(80, "stacks", environment=odd)
    assert f"{LONG_NAME}  {LONG_ENVIRONMENT}  deployed" in shown.text
    assert "AGO" not in shown.text
    assert "UID" not in shown.text
    assert LONG_NAME in run_on_terminal(40, "stacks", environment=odd).text


def test_wide_characters_are_aligned_and_codes_of_a_server_removed(odd: Mapping[str, str]) -> None:
    shown = run_on_terminal(120, "stacks", environment=odd)
    first, second = shown.lines[1:3]
    assert second.startswith("日本 [31m")
    assert second.index("staging") + 2 == first.index(LONG_ENVIRONMENT)  # two characters take two columns each
    assert "\x1b[31m" not in shown.raw


def test_colors(access: Mapping[str, str], terminal: Terminal) -> None:
    colored = "\x1b[1;31mfailed\x1b[0m"
    arguments = ("stacks", "--health", "failed", "--name", "billing-web")
    assert colored in run_on_terminal(80, *arguments, environment=access).raw
    plain = run_on_terminal(80, *arguments, environment={**access, "NO_COLOR": "1"})
    assert "\x1b" not in plain.raw
    assert "failed" in plain.raw
    assert "\x1b" not in terminal.run(*arguments, environment=access).stdout


def test_pipes_receive_whole_uids_and_dates(
    terminal: Terminal, fleet: SandboxServer, access: Mapping[str, str]
) -> None:
    done = terminal.run("stacks", "--name", "billing-web", "-e", "production", environment=access)
    stack = next(
        stack
        for stack in fleet.fake.world.stacks.values()
        if (stack.name, stack.data["environment"]) == ("billing-web", "production")
    )
    titles, row = done.stdout.splitlines()
    assert titles.split() == ["NAME", "ENVIRONMENT", "STATUS", "HEALTH", "CLOUD", "LAST-ACTIVITY", "UID"]
    assert row.endswith(stack.uid)
    assert re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", row)
    assert "deployment failed" in row
    assert done.stderr == ""


def test_chosen_columns(access: Mapping[str, str], terminal: Terminal) -> None:
    done = terminal.run("stacks", "--limit", "1", "--columns", "uid, busy", "--no-header", environment=access)
    assert re.fullmatch(r"[0-9a-f]{32}  (true|false)\n", done.stdout)
    as_json = terminal.run("stacks", "--limit", "1", "--columns", "name,health", "--json", environment=access)
    assert json.loads(as_json.stdout).keys() == {"name", "health"}
    wide = run_on_terminal(80, "stacks", "--limit", "1", "--wide", environment=access)
    assert "GIT-BRANCH" in wide.text
    assert "CLOUD" in wide.text


@pytest.mark.parametrize(
    ("options", "message", "advice"),
    [
        (("--columns", "name,oops"), "no column is called 'oops'", "Columns: name, "),
        (("--columns", ","), "--columns needs at least one name", "Columns: name"),
        (("--json", "--csv"), "--json and --csv exclude each other", ""),
    ],
)
def test_wrong_options_send_nothing(
    fleet: SandboxServer,
    access: Mapping[str, str],
    terminal: Terminal,
    options: tuple[str, ...],
    message: str,
    advice: str,
) -> None:
    before = fleet.request_count
    for command in (("stacks",), ("servers", "billing-web/production")):
        done = terminal.run(*command, *options, environment=access)
        assert done.returncode == 2
        assert f"error: {message}" in done.stderr
        assert advice in done.stderr
    assert fleet.request_count == before


def test_csv_and_json_have_every_stack(access: Mapping[str, str], terminal: Terminal) -> None:
    text = terminal.run("stacks", "--csv", environment=access).stdout
    from_csv = list(csv.DictReader(io.StringIO(text)))
    from_json = [json.loads(line) for line in terminal.run("stacks", "--json", environment=access).stdout.splitlines()]
    assert len(from_csv) == 600
    assert [row["uid"] for row in from_csv] == [row["uid"] for row in from_json]
    assert {row["health"] for row in from_json} == {row["health"] for row in from_csv}


def test_nothing_to_list(terminal: Terminal) -> None:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as server:
        access = access_to(server)
        done = terminal.run("stacks", environment=access)
        assert (done.returncode, done.stdout) == (0, "")
        assert "No stacks: this access token can read none." in done.stderr
        assert terminal.run("stacks", "--csv", environment=access).stdout.startswith("name,environment,")
        assert terminal.run("stacks", "--json", environment=access).stdout == ""
        filtered = run_on_terminal(80, "stacks", "-e", "production", environment=access)
        assert filtered.lines == ["No stacks match these filters.", "  All stacks: cloud66-async stacks"]


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=40), "40s"),
        (timedelta(minutes=12, seconds=59), "12m"),
        (timedelta(hours=3, minutes=40), "3h"),
        (timedelta(days=29, hours=23), "29d"),
        (timedelta(days=30), "Oct 27"),
        (timedelta(days=400), "2025-10-22"),
    ],
)
def test_time_that_has_passed(passed: timedelta, shown: str) -> None:
    assert ago(NOW - passed, NOW) == shown


def test_wide_characters_in_a_table() -> None:
    table = Table(Column("name"), Column("uid"))
    table.add("日本", "1")
    table.add("Zürich", Cell("2", "red"))
    assert list(table.lines()) == ["NAME    UID", "日本    1", "Zürich  2"]
    assert "\x1b[1;31m2\x1b[0m" in "\n".join(table.lines(colors=True))
    assert [fit("日本語", columns) for columns in (6, 5, 4, 1)] == ["日本語", "日本…", "日…", "…"]


def test_columns_are_left_out_in_their_order() -> None:
    table = Table(Column("a"), Column("b", dropped=2), Column("c", dropped=1))
    table.add("x" * 10, "y" * 10, "z" * 10)
    assert [len(next(table.lines(width)).split()) for width in (40, 30, 22, 15, 5)] == [3, 2, 2, 1, 1]
