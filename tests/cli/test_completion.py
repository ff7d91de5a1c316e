"""The command `completion`, and the hidden command with which shells ask for names of stacks."""

from __future__ import annotations

import inspect
import json
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloud66_async.cli.app import app
from cloud66_async.cli.commands import completion
from cloud66_async.cli.options import ChangedStackName, StackName
from cloud66_async.cli.tree import TREE
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import PROGRAM, TIMEOUT, Terminal
from .terminal import PseudoTerminal, access_to

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        for name in ("billing-web", "billing-api", "search", "$(touch owned)", "two words"):
            running.fake.add_stack(name)
        yield running


@pytest.fixture(scope="module")
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with the script for bash, which takes long to create: every command is imported."""
    home = tmp_path_factory.mktemp("home")
    done = Terminal(home).run("completion", "bash")
    assert done.returncode == 0, done.stderr
    script = home / "completion.bash"
    script.write_text(done.stdout)
    return script


def names(terminal: Terminal, beginning: str, access: Mapping[str, str]) -> list[str]:
    done = terminal.run("__complete", "stacks", beginning, environment=access)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def cache(terminal: Terminal) -> Path:
    (file,) = Path(terminal.home, ".cache", "cloud66-async").iterdir()
    return file


def test_names_are_those_that_need_no_quotation_marks(terminal: Terminal, access: Mapping[str, str]) -> None:
    assert names(terminal, "", access) == ["billing-api/production", "billing-web/production", "search/production"]
    assert names(terminal, "BILLING-W", access) == ["billing-web/production"]


def test_names_are_cached_for_their_owner(terminal: Terminal, server: SandboxServer, access: Mapping[str, str]) -> None:
    names(terminal, "", access)
    before = server.fake.calls()
    assert len(names(terminal, "b", access)) == 2
    assert server.fake.calls() == before
    assert stat.S_IMODE(cache(terminal).stat().st_mode) == 0o600
    assert stat.S_IMODE(cache(terminal).parent.stat().st_mode) == 0o700
    assert access["CLOUD66_ACCESS_TOKEN"] not in cache(terminal).read_text() + cache(terminal).name
    # Names are read again when the cache is old.
    content = json.loads(cache(terminal).read_text())
    cache(terminal).write_text(json.dumps({"time": content["time"] - 31, "names": ["old/stack"]}))
    assert len(names(terminal, "b", access)) == 2
    assert server.fake.calls() == before + 1
    # Another login has a cache of its own, and what is stored is not trusted.
    cache(terminal).write_text(json.dumps({"time": time.time(), "names": ["$(touch owned)", "good"]}))
    assert names(terminal, "", access) == ["good"]
    assert names(terminal, "", {**access, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()})[0] != "good"


def test_old_names_are_better_than_none(terminal: Terminal, access: Mapping[str, str]) -> None:
    names(terminal, "", access)
    file = cache(terminal)
    file.write_text(json.dumps({"time": 0, "names": ["old/stack"]}))
    elsewhere = {**access, "CLOUD66_URL": "http://127.0.0.1:9"}
    assert names(terminal, "", elsewhere) == []  # names of another server are not used
    broken = Path(file)
    broken.write_text("{")
    assert "search/production" in names(terminal, "", access)


@pytest.mark.parametrize("environment", [{}, {"CLOUD66_URL": "ftp://x"}, {"CLOUD66_ACCESS_TOKEN": "to ken"}])
def test_nothing_is_asked_and_nothing_fails_without_a_login(terminal: Terminal, environment: Mapping[str, str]) -> None:
    assert names(terminal, "", environment) == []
    done = terminal.run("__complete", "unknown", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_names_are_completed_for_every_command_with_a_stack() -> None:
    completed = completion.WITH_STACK.split()
    assert set(completed) <= {name for commands in TREE.values() for name, _, _ in commands}
    for name in (name for commands in TREE.values() for name, _, _ in commands):
        function = app[name].default_command
        annotations = {} if function is None else inspect.get_annotations(function, eval_str=True)
        takes_stack = annotations.get("stack") in (ChangedStackName, StackName)
        assert takes_stack <= (name in completed), name


@pytest.mark.skipif(BASH is None, reason="no bash")
def test_script_is_valid(bash_script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(bash_script)], capture_output=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(BASH is None, reason="no bash")
def test_keys_in_bash(
    terminal: Terminal, bash_script: Path, access: Mapping[str, str], request: pytest.FixtureRequest
) -> None:
    folder = terminal.home / "bin"
    folder.mkdir()
    program = folder / "cloud66-async"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    start = terminal.home / "start.bash"
    settings = "PS1='ready> '\nbind 'set enable-bracketed-paste off'\nbind 'set bell-style none'\n"
    start.write_text(f"source {shlex.quote(str(bash_script))}\n{settings}")
    environment = {**terminal.environment, **access, "PATH": f"{folder}:{terminal.environment['PATH']}"}
    shell = PseudoTerminal(
        ["/bin/bash", "--noprofile", "--rcfile", str(start), "-i"], environment=environment, directory=terminal.home
    )
    request.addfinalizer(shell.close)
    shell.wait_for("ready> ")
    shell.type("cloud66-async st\t")
    shell.wait_for("cloud66-async stack")  # the common beginning of stack and stacks
    shell.type("\t\t")
    shell.wait_for("stack   stacks")
    shell.type("\x15cloud66-async servers billing-w\t")
    shell.wait_for("servers billing-web/production")
    shell.type("\x15cloud66-async quota --js\t")
    shell.wait_for("quota --json")
    shell.type("\x15exit\n")
    assert shell.exit_code() == 0
    assert not Path(terminal.home, "owned").exists()


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("zsh", ["#compdef cloud66-async", "compdef _cloud66_async_with_stacks cloud66-async", "'stacks:List stacks"]),
        ("fish", ["complete -c cloud66-async", "__complete stacks (commandline -ct)", "-a 'stacks'"]),
    ],
)
def test_scripts_of_other_shells(terminal: Terminal, shell: str, words: list[str]) -> None:
    done = terminal.run("completion", shell)
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout
