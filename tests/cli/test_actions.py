"""The command `actions`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.sandbox.stack import FakeStack

from .conftest import Terminal


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=60)) as server:
        yield server


@pytest.fixture(scope="module")
def stack(running: SandboxServer) -> FakeStack:
    """Return a stack with a running, a failed and a successful deployment."""
    found = running.fake.add_stack("billing-web", status="analysed")
    running.fake.add_deployment(found, age=86_400)
    running.fake.add_deployment(found, age=3_600, outcome="failed")
    running.fake.world.deploy(found, user="ada@example.com")
    return found


@pytest.fixture
def access(running: SandboxServer, stack: FakeStack) -> dict[str, str]:
    assert stack.data["name"] == "billing-web"
    return {"CLOUD66_URL": running.url, "CLOUD66_ACCESS_TOKEN": running.fake.add_token().reveal()}


def test_json_lines_are_newest_first(terminal: Terminal, access: dict[str, str]) -> None:
    done = terminal.run("actions", "billing-web", "--json", environment=access)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [action["state"] for action in found] == ["running", "failed", "succeeded"]
    assert [action["finished_success"] for action in found] == [None, False, True]


def test_csv_has_every_column(terminal: Terminal, access: dict[str, str]) -> None:
    done = terminal.run("actions", "billing-web", "--csv", "--limit", "2", environment=access)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["state"] for row in rows] == ["running", "failed"]
    assert rows[0]["user"] == "ada@example.com"
    assert rows[0]["started"].endswith("Z")


@pytest.mark.parametrize("columns", [80, 120])
def test_table(access: dict[str, str], columns: int) -> None:
    pytest.importorskip("termios")
    from .terminal import run_on_terminal

    done = run_on_terminal(columns, "actions", "billing-web", environment=access)
    assert done.exit_code == 0
    header, first, *_ = done.lines
    assert header.split()[:3] == ["ID", "ACTION", "STATE"]
    assert "running" in first
    assert done.lines[-1].startswith("3 actions")
    assert all(len(line) <= columns for line in done.lines)
