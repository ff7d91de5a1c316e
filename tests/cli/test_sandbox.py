"""The command `sandbox`."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import PROGRAM, TIMEOUT, Terminal


@contextmanager
def running(
    terminal: Terminal, *options: str, stop: signal.Signals = signal.SIGINT
) -> Generator[tuple[str, dict[str, str]]]:
    """Run the command, yield what it prints and the settings in it, and check that the signal `stop` ends it."""
    with subprocess.Popen(
        [*PROGRAM, "sandbox", "--port", "0", *options],
        env=terminal.environment | {"PYTHONUNBUFFERED": "1"},
        cwd=terminal.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while "Registered redirect URLs: " not in printed:
                line = process.stdout.readline()
                assert line, process.communicate(timeout=TIMEOUT)
                printed += line
            yield printed, dict(re.findall(r"(CLOUD66_\w+)=(\S+)", printed))
            process.send_signal(stop)
            errors = process.communicate(timeout=TIMEOUT)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors == "Interrupted\n"


def stacks_of(terminal: Terminal, settings: dict[str, str]) -> str:
    """Return what the command `stacks` prints."""
    listed = terminal.run("stacks", environment=settings)
    assert listed.returncode == 0, listed.stderr
    return listed.stdout


def count_of(terminal: Terminal, settings: dict[str, str]) -> int:
    """Return the number of stacks, which are below a header."""
    return len(stacks_of(terminal, settings).splitlines()) - 1


def test_sandbox_prints_how_to_connect_and_stops_on_ctrl_c(terminal: Terminal) -> None:
    with running(terminal, "--stacks", "3") as (_, settings):
        assert count_of(terminal, settings) == 3


def test_seed_decides_which_stacks_there_are(terminal: Terminal) -> None:
    listed: list[str] = []
    for seed in ("1", "1", "2"):
        with running(terminal, "--stacks", "3", "--seed", seed) as (_, settings):
            # Times are relative to the start of the sandbox.
            listed.append(re.sub(r" \S+T\S+Z ", " ", stacks_of(terminal, settings)))
    assert listed[0] == listed[1] != listed[2]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_state_is_kept_between_starts(terminal: Terminal, stop: signal.Signals) -> None:
    options = ("--stacks", "3", "--state", "state.json")
    path = terminal.home / "state.json"
    with running(terminal, *options, stop=stop) as (_, settings):
        first = json.loads(path.read_text(encoding="utf-8"))
        uid = first["stacks"][0]["fields"]["uid"]
        done = terminal.run("redeploy", uid, "--no-wait", environment=settings)
        assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in terminal.home.glob("*state.json*")] == ["state.json"]
    deployments = json.loads(path.read_text(encoding="utf-8"))["stacks"][0]["deployments"]
    with running(terminal, "--stacks", "9", "--state", "state.json") as (printed, settings):
        assert printed.startswith("Sandbox with 3 stacks at ")
        assert count_of(terminal, settings) == 3
    assert json.loads(path.read_text(encoding="utf-8"))["stacks"][0]["deployments"] == deployments


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/state.json", "error: cannot write the state to missing/state.json: No such file or directory; check"),
        ("broken.json", "error: invalid state of a sandbox: not JSON"),
    ],
)
def test_state_that_cannot_be_used_is_an_error(terminal: Terminal, path: str, message: str) -> None:
    Path(terminal.home, "broken.json").write_text("{", encoding="utf-8")
    result = terminal.run("sandbox", "--port", "0", "--stacks", "1", "--state", path)
    assert result.returncode == 1
    assert result.stderr.startswith(message)
    assert Path(terminal.home, "broken.json").read_text(encoding="utf-8") == "{"
