"""Output that cannot be written: other encodings, closed streams, full disks, closed pipes.

A change that a command made is always reported, and the exit code tells how the change ended. A command that only
reads fails if its result cannot be written.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from cloud66_async.sandbox import SandboxServer

from .conftest import PROGRAM, TIMEOUT, Terminal

FULL = Path("/dev/full")
CLI = shlex.join(PROGRAM)
NAME = "Zürich ☃ [bold]:bomb:[/] \\"
LOST = [
    ">&-",
    pytest.param("> /dev/full", marks=pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")),
]


@pytest.fixture
def access(server: SandboxServer) -> dict[str, str]:
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}


def shell(terminal: Terminal, command: str, access: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of bash, in which CLI stands for the program."""
    return subprocess.run(
        ["bash", "-c", command.replace("CLI", CLI)],
        env=terminal.environment | access,
        cwd=terminal.home,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("command", [["stacks"], ["redeploy", "$NAME"], ["demo", "--stacks", "9", "--latency", "0"]])
def test_output_encoding_that_lacks_characters(
    terminal: Terminal, server: SandboxServer, access: dict[str, str], encoding: str, command: list[str]
) -> None:
    server.fake.add_stack(NAME)
    arguments = [NAME if argument == "$NAME" else argument for argument in command]
    done = subprocess.run(
        [*PROGRAM, *arguments],
        env=terminal.environment | access | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
        cwd=terminal.home,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if command[0] == "redeploy":
        assert NAME.encode(encoding, "backslashreplace") in done.stderr  # progress
        return
    assert done.stderr == b""
    if command[0] != "demo":
        assert NAME.encode(encoding, "backslashreplace") in done.stdout


@pytest.mark.parametrize("lost", LOST)
def test_redeploy_is_reported_and_decides_the_exit_code(
    terminal: Terminal, server: SandboxServer, access: dict[str, str], lost: str
) -> None:
    server.fake.add_stack("web")
    done = shell(terminal, f"CLI redeploy web {lost}", access)
    assert done.returncode == 0, done.stderr
    assert "web/production" in done.stderr
    assert "succeeded (took " in done.stderr
    server.fake.faults.action_fails(message="no space left on device")
    failed = shell(terminal, f"CLI redeploy web {lost}", access)
    assert failed.returncode == 1
    assert "no space left on device" in failed.stderr
    assert "Traceback" not in done.stderr + failed.stderr


def test_redeploy_into_a_closed_pipe(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.add_stack("web")
    done = shell(terminal, "CLI redeploy web | true; exit ${PIPESTATUS[0]}", access)
    assert done.returncode == 0, done.stderr
    assert "succeeded (took " in done.stderr
    server.fake.faults.action_fails()
    assert shell(terminal, "CLI redeploy web | true; exit ${PIPESTATUS[0]}", access).returncode == 1


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(
    "command", ["stacks", "stacks --json", "servers web", "servers web --json", "sandbox --port 0", "demo", "--help"]
)
def test_result_that_cannot_be_written_is_an_error(
    terminal: Terminal, server: SandboxServer, access: dict[str, str], lost: str, command: str
) -> None:
    server.fake.add_stack("web")
    done = shell(terminal, f"CLI {command} {lost}", access)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", ["stacks", "stacks --json", "servers web", "sandbox --port 0", "demo --latency 0", "--help", "--version"]
)
def test_closed_pipe_is_not_an_error(
    terminal: Terminal, server: SandboxServer, access: dict[str, str], command: str
) -> None:
    server.fake.seed(60)
    server.fake.add_stack("web")
    done = shell(terminal, f"CLI {command} | true; exit ${{PIPESTATUS[0]}}", access)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("lost", LOST)
def test_login_and_logout_are_reported(
    terminal: Terminal, server: SandboxServer, access: dict[str, str], lost: str
) -> None:
    token = access.pop("CLOUD66_ACCESS_TOKEN")
    done = shell(terminal, f"echo {token} | CLI login --token {lost}", access)
    assert done.returncode == 0, done.stderr
    assert "Logged in; profile" in done.stderr
    assert f"Server   {server.url}" in done.stderr
    done = shell(terminal, f"CLI logout {lost}", access)
    assert done.returncode == 0, done.stderr
    assert "Login deleted" in done.stderr


@pytest.mark.parametrize("lost", ["2>&-", "2> /dev/full", "2>&- >&- <&-"])
def test_lost_error_messages_leave_the_exit_code(
    terminal: Terminal, server: SandboxServer, access: dict[str, str], lost: str
) -> None:
    server.fake.add_stack("web")
    assert shell(terminal, f"CLI redeploy web {lost}", access).returncode == 0
    assert shell(terminal, f"CLI redeploy other {lost}", access).returncode == 1
    assert server.fake.calls("stacks.redeploy") == 1


def test_closed_standard_input(terminal: Terminal, server: SandboxServer) -> None:
    done = shell(terminal, "CLI login --token <&-", {"CLOUD66_URL": server.url})
    assert done.returncode == 1
    assert "standard input is closed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_end_of_a_long_message_is_printed(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    for number in range(12):
        server.fake.add_stack("web", environment=f"environment-with-a-long-name-{number}")
    done = terminal.run("redeploy", "web", environment=access)
    assert done.returncode == 2
    assert len(done.stderr) > 350
    assert done.stderr.splitlines()[-1] == "  and 2 more"
    assert len(done.stderr.splitlines()) == 12
