"""Tables of the command line on a terminal of 80 columns and in a pipe, and uids of which only the start is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cloud66_async.cli.stacks import ago
from cloud66_async.cli.table import Cell, Column, Table
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import PROGRAM, Terminal

pytest.importorskip("termios")

from ..pseudo_terminal import PseudoTerminal

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LONG_NAME = "a-rather-long-name-of-an-application"
Show = Callable[..., str]


@pytest.fixture
def access(server: SandboxServer) -> dict[str, str]:
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}


@pytest.fixture
def show(terminal: Terminal, access: dict[str, str], request: pytest.FixtureRequest) -> Show:
    """Return a function that runs a command on a terminal and returns what the terminal shows."""

    def run(*arguments: str, columns: int = 80, **variables: str) -> str:
        environment = {**terminal.environment, **access, "COLUMNS": str(columns), **variables}
        started = PseudoTerminal([*PROGRAM, *arguments], environment=environment, directory=terminal.home)
        request.addfinalizer(started.close)
        assert started.exit_code() == 0, started.shown
        return started.shown

    return run


def without_colors(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_stacks_fit_80_columns_and_keep_name_and_environment(server: SandboxServer, show: Show) -> None:
    server.fake.seed(40)
    lines = without_colors(show("stacks")).splitlines()
    assert max(map(len, lines)) <= 80
    titles, *rows, total = lines
    assert titles.split()[:4] == ["NAME", "ENVIRONMENT", "STATUS", "HEALTH"]
    assert total == "40 stacks"
    stacks = server.fake.world.stacks.values()
    assert {tuple(row.split()[:2]) for row in rows} == {(stack.name, stack.data["environment"]) for stack in stacks}
    assert {row.split()[-1] for row in rows} == {stack.uid[:8] for stack in stacks}


def test_long_names_are_not_cut(server: SandboxServer, show: Show) -> None:
    server.fake.add_stack(LONG_NAME, environment="production-of-the-second-kind")
    shown = without_colors(show("stacks"))
    assert LONG_NAME in shown
    assert "production-of-the-second-kind" in shown
    assert "CLOUD" not in shown


def test_wide_terminals_show_every_column(server: SandboxServer, show: Show) -> None:
    server.fake.add_stack("web")
    assert "CLOUD" in show("stacks", columns=120)


def test_no_color(server: SandboxServer, show: Show) -> None:
    server.fake.add_stack("web")
    assert "\x1b[32m" in show("stacks")
    assert "\x1b[32m" not in show("stacks", NO_COLOR="1")


def test_pipes_receive_whole_uids_and_dates(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    stack = server.fake.add_stack("web")
    done = terminal.run("stacks", environment=access)
    row = done.stdout.splitlines()[1]
    assert row.endswith(stack.uid)
    assert re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", row)
    assert "\x1b" not in done.stdout


def test_the_start_of_a_uid_suffices(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    stack = server.fake.add_stack("web")
    done = terminal.run("servers", stack.uid[:8], environment=access)
    assert done.returncode == 0, done.stderr
    assert stack.servers[0]["uid"] in done.stdout


def test_a_start_that_several_uids_share(terminal: Terminal) -> None:
    fake = FakeCloud66(clock=SystemClock())
    first, second = fake.add_stack("web-0"), fake.add_stack("web-1")
    state = fake.to_json().replace(second.uid, first.uid[:8] + second.uid[8:])
    with SandboxServer(FakeCloud66.from_json(state, clock=SystemClock())) as server:
        access = {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}
        done = terminal.run("servers", first.uid[:8], environment=access)
    assert done.returncode == 1
    assert f"2 uids start with {first.uid[:8]}" in done.stderr
    assert "web-0" in done.stderr


def test_a_name_that_looks_like_the_start_of_a_uid(
    terminal: Terminal, server: SandboxServer, access: dict[str, str]
) -> None:
    server.fake.add_stack("facade")
    assert terminal.run("servers", "facade", environment=access).returncode == 0
    missing = terminal.run("servers", "decade", environment=access)
    assert missing.returncode == 1
    assert "no stack has a name or a uid that starts with decade" in missing.stderr


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


def test_wide_characters_are_aligned() -> None:
    table = Table(Column("name"), Column("uid"))
    table.add("日本", "1")
    table.add("Zürich", Cell("2", "red"))
    assert list(table.lines()) == ["NAME    UID", "日本    1", "Zürich  2"]
    assert "\x1b[1;31m2\x1b[0m" in "\n".join(table.lines(colors=True))


def test_columns_are_left_out_in_their_order() -> None:
    table = Table(Column("a"), Column("b", dropped=2), Column("c", dropped=1))
    table.add("x" * 10, "y" * 10, "z" * 10)
    assert [len(next(table.lines(width)).split()) for width in (40, 30, 22, 15, 5)] == [3, 2, 2, 1, 1]
