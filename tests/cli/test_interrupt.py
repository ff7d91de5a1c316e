"""Ctrl+C and SIGTERM while a command waits, on a terminal and in a pipe."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import PROGRAM, TIMEOUT, Terminal

pytest.importorskip("termios")

from ..pseudo_terminal import wait_until_blocked
from .terminal import access_to, on_terminal

REDEPLOY = "stacks.redeploy"
CTRL_C = "\x03"
# Stands in for a name server that does not respond: no signal ends the thread that waits for it.
SLOW_RESOLVER = """
import socket, time

def resolve(*arguments, **options):
    print("resolving", flush=True)
    time.sleep(600)

socket.getaddrinfo = resolve
"""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=1)) as running:
        for name in ("web", "api"):
            running.fake.add_stack(name)
        yield running


@contextmanager
def in_pipe(terminal: Terminal, *arguments: str, environment: dict[str, str]) -> Generator[subprocess.Popen[str]]:
    """Start a command whose output is read line by line, as a CI system does."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**terminal.environment, **environment},
        cwd=terminal.home,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def commands_in(text: str, name: str) -> list[list[str]]:
    """Return the arguments of the commands that follow this name, as a user would paste them."""
    return [shlex.split(line)[1:] for line in re.findall(rf"^{name}: +(cloud66-async .+)$", text, re.MULTILINE)]


# --- on a terminal ---------------------------------------------------------------------------------


def test_ctrl_c_says_what_runs_and_how_to_go_on(terminal: Terminal, server: SandboxServer) -> None:
    server.fake.world.action_seconds = 2.5
    environment = access_to(server)
    arguments = ("redeploy", "web", "api", "--at-once", "1", "--yes")
    with on_terminal(80, *arguments, environment=environment, home=terminal.home) as shown:
        shown.wait_for("running, action")
        shown.type(CTRL_C)
        assert shown.exit_code() == 130
        assert shown.is_restored
    assert "\x1b[?25h" in shown.shown.rpartition("\x1b[?25l")[2], "the cursor stays hidden"
    text = shown.shown.rpartition("Stopped waiting. What has started continues at Cloud 66.")[2]
    assert re.search(r"^  running      web/production \(action \d+\)\n  not started  1 stack$", text, re.MULTILINE)
    assert "Traceback" not in text
    (wait,) = commands_in(text, "Keep waiting")
    (rest,) = commands_in(text, "Start the rest")
    server.fake.world.action_seconds = 0
    waited = terminal.run(*wait, environment=environment)
    assert waited.returncode == 0, waited.stderr
    resumed = terminal.run(*rest, environment=environment)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "2 stacks: 2 succeeded\n"
    assert server.fake.calls(REDEPLOY) == 2


def test_ctrl_c_at_the_question_starts_nothing(terminal: Terminal, server: SandboxServer) -> None:
    arguments = ("redeploy", "web", "api")
    with on_terminal(80, *arguments, environment=access_to(server), home=terminal.home) as shown:
        shown.wait_for("Type 2 to confirm:")
        wait_until_blocked(shown.process.pid)
        shown.type(CTRL_C)
        assert shown.exit_code() == 130
    assert server.fake.calls(REDEPLOY) == 0
    assert not list(terminal.home.glob("redeploy-*"))


def test_ctrl_c_while_waiting_for_one_action(terminal: Terminal, server: SandboxServer) -> None:
    web = next(iter(server.fake.world.stacks.values()))
    number = server.fake.world.deploy(web, user="ada@example.com", seconds=60).action.id
    with on_terminal(80, "wait", "web", environment=access_to(server), home=terminal.home) as shown:
        shown.wait_for(f"running, action {number}")
        shown.type(CTRL_C)
        assert shown.exit_code() == 130
    assert f"Keep waiting:  cloud66-async wait web/production --action {number}\n" in shown.shown


def test_second_ctrl_c_leaves_at_once(terminal: Terminal) -> None:
    (terminal.home / "sitecustomize.py").write_text(SLOW_RESOLVER)
    environment = {
        "CLOUD66_URL": "https://cloud66.example",
        "CLOUD66_ACCESS_TOKEN": "token",
        "PYTHONPATH": str(terminal.home),
    }
    with on_terminal(80, "wait", "web", environment=environment, home=terminal.home) as shown:
        shown.wait_for("resolving")
        wait_until_blocked(shown.process.pid)
        shown.type(CTRL_C)
        assert shown.exit_code(within=1) is None, "the first one waits for the thread"
        shown.type(CTRL_C)
        assert shown.exit_code() == 130
        assert shown.is_restored


# --- in a pipe -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_in_a_pipe(terminal: Terminal, server: SandboxServer, number: signal.Signals, code: int) -> None:
    server.fake.world.action_seconds = 60
    arguments = ("redeploy", "web", "api", "--yes")
    with in_pipe(terminal, *arguments, environment=access_to(server)) as process:
        assert process.stderr is not None
        assert "started    action" in process.stderr.readline() + process.stderr.readline()  # each line is flushed
        process.send_signal(number)
        _, text = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code
    lines = text.splitlines()
    assert lines[0] == "Stopped waiting. What has started continues at Cloud 66."
    assert {line.split(" (")[0] for line in lines[1:3]} == {
        "  running      web/production",
        "  running      api/production",
    }
    (path,) = terminal.home.glob("redeploy-*.json")
    assert lines[3:] == [f"Keep waiting:  cloud66-async redeploy --resume {path.name}"]


def test_ignored_signal_stays_ignored(terminal: Terminal, server: SandboxServer) -> None:
    """A shell starts background jobs of a script with SIGINT ignored: Ctrl+C is for the job in the foreground."""
    script = f"trap '' INT; exec {shlex.join([*PROGRAM, 'redeploy', 'web'])}"
    environment = {**terminal.environment, **access_to(server)}
    arguments = ["/bin/sh", "-c", script]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=terminal.home
    ) as process:
        assert process.stderr is not None
        assert "started" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert "succeeded" in output


def test_crash_is_taken_up(terminal: Terminal, server: SandboxServer) -> None:
    environment = access_to(server)
    arguments = ("redeploy", "web", "api", "--at-once", "1", "--heartbeat", "1", "--yes")
    with in_pipe(terminal, *arguments, environment=environment) as process:
        assert process.stderr is not None
        assert "web/production  started" in process.stderr.readline()
        assert "still waiting" in process.stderr.readline()
        process.kill()
        process.communicate(timeout=TIMEOUT)
    (path,) = terminal.home.glob("redeploy-*.json")
    resumed = terminal.run("redeploy", "--resume", path.name, environment=environment)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "2 stacks: 2 succeeded\n"
    assert server.fake.calls(REDEPLOY) == 2


def test_signal_before_the_response_of_the_first_request(terminal: Terminal, server: SandboxServer) -> None:
    server.fake.faults.slow(60, operation=REDEPLOY)
    with in_pipe(terminal, "redeploy", "web", environment=access_to(server)) as process:
        wait_for_call(server)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert text.splitlines() == [
        "Stopped waiting. What has started continues at Cloud 66.",
        "  unknown      web/production (it may have started)",
        "See what has started:  cloud66-async actions web/production",
    ]


def wait_for_call(server: SandboxServer) -> None:
    end = time.monotonic() + TIMEOUT
    while not server.fake.calls(REDEPLOY):
        assert time.monotonic() < end, "no request"
        time.sleep(0.02)
