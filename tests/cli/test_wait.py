"""The command `wait`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as server:
        yield server


@pytest.fixture
def access(running: SandboxServer) -> dict[str, str]:
    return {"CLOUD66_URL": running.url, "CLOUD66_ACCESS_TOKEN": running.fake.add_token().reveal()}


def start(server: SandboxServer, name: str, seconds: float, *, message: str | None = None) -> int:
    """Start a deployment of a new stack that takes some seconds, and return the ID of its action."""
    stack = server.fake.add_stack(name)
    if message is not None:
        server.fake.faults.action_fails(message=message)
    return server.fake.world.deploy(stack, user="ada@example.com", seconds=seconds).action.id


def test_running_action_is_waited_for(terminal: Terminal, running: SandboxServer, access: dict[str, str]) -> None:
    number = start(running, "running", 2)
    done = terminal.run("wait", "running", environment=access)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "running/production: succeeded (took 2s)\n"
    assert f"running/production  running    action {number}\n" in done.stderr


def test_failure_is_exit_code_1(terminal: Terminal, running: SandboxServer, access: dict[str, str]) -> None:
    start(running, "failing", 0, message="no space left on device")
    done = terminal.run("wait", "failing", environment=access)
    assert done.returncode == 1
    assert "error: failing/production: failed after 0s: no space left on device" in done.stderr


def test_time_is_up(terminal: Terminal, running: SandboxServer, access: dict[str, str]) -> None:
    number = start(running, "slow", 60)
    arguments = ("wait", "slow", "--action", str(number), "--timeout", "1s", "--json")
    done = terminal.run(*arguments, environment=access)
    assert done.returncode == 5
    assert f"not finished after 1s; action {number} is still running" in done.stderr
    assert done.stderr.endswith(f"Keep waiting:  cloud66-async wait slow/production --action {number}\n")
    found = json.loads(done.stdout)
    assert (found["name"], found["state"], found["action"]) == ("slow/production", "unfinished", number)


def test_action_that_has_ended_is_reported_without_waiting(
    terminal: Terminal, running: SandboxServer, access: dict[str, str]
) -> None:
    number = start(running, "done", 0)
    before = running.fake.calls("actions.get")
    done = terminal.run("wait", "done", "--action", str(number), environment=access)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done/production: succeeded (took 0s)\n"
    assert running.fake.calls("actions.get") == before + 1


def test_nothing_to_wait_for(terminal: Terminal, running: SandboxServer, access: dict[str, str]) -> None:
    running.fake.add_stack("fresh", status="analysed")
    done = terminal.run("wait", "fresh", environment=access)
    assert done.returncode == 1
    assert "fresh/production has no action to wait for" in done.stderr
    unknown = terminal.run("wait", "fresh", "--action", "99", environment=access)
    assert unknown.returncode == 1
    assert "fresh/production has no action 99" in unknown.stderr
    assert "cloud66-async actions fresh/production" in unknown.stderr


def test_board_of_one_action(running: SandboxServer, access: dict[str, str]) -> None:
    pytest.importorskip("termios")
    from .terminal import run_on_terminal

    start(running, "shown", 2)
    done = run_on_terminal(80, "wait", "shown", environment=access)
    assert done.exit_code == 0
    assert re.search(r"✓ shown/production  succeeded +2s\n", done.text)
    assert all(len(line) <= 80 for line in done.lines)
    assert done.raw.rindex("\x1b[?25h") > done.raw.rindex("\x1b[?25l"), "the cursor stays hidden"
