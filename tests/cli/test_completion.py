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

from ..pseudo_terminal import wait_until_blocked
from .conftest import PROGRAM, TIMEOUT, Terminal
from .terminal import PseudoTerminal, access_to

PROMPT = "ready> "
START = {
    "bash": (
        ".bashrc",
        """
PS1='ready> '
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
source ~/.local/share/bash-completion/completions/cloud66-async
""",
    ),
    "zsh": (".zshrc", "PS1='ready> '\nfpath+=(~/.zfunc)\nautoload -Uz compinit && compinit -u -D\nunsetopt beep\n"),
    "fish": (".config/fish/config.fish", "function fish_prompt; echo 'ready> '; end\nset -g fish_greeting\n"),
}
"""The file that a shell reads at its start, and what a test writes to it."""
PLACES = {
    "bash": ".local/share/bash-completion/completions/cloud66-async",
    "zsh": ".zfunc/_cloud66-async",
    "fish": ".config/fish/completions/cloud66-async.fish",
}
"""Where the help text of `completion` says that the script belongs."""


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
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the files with the scripts, which take long to create: every command is imported."""
    home = tmp_path_factory.mktemp("home")
    found: dict[str, Path] = {}
    for shell in START:
        done = Terminal(home).run("completion", shell)
        assert done.returncode == 0, done.stderr
        found[shell] = home / f"completion.{shell}"
        found[shell].write_text(done.stdout)
    return found


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


def require(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed; run: apt-get install {shell}")
    return found


def write(home: Path, name: str, text: str) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("shell", START)
def test_script_is_valid(scripts: Mapping[str, Path], shell: str) -> None:
    done = subprocess.run(
        [require(shell), "-n", str(scripts[shell])], capture_output=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", START)
def test_keys(
    terminal: Terminal,
    scripts: Mapping[str, Path],
    access: Mapping[str, str],
    request: pytest.FixtureRequest,
    shell: str,
) -> None:
    program = write(terminal.home, "bin/cloud66-async", f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    write(terminal.home, PLACES[shell], scripts[shell].read_text())
    write(terminal.home, *START[shell])
    path = f"{program.parent}:{terminal.environment['PATH']}"
    config = str(terminal.home / ".config")
    environment = {**terminal.environment, **access, "PATH": path, "SHELL": shell, "XDG_CONFIG_HOME": config}
    typed = PseudoTerminal([require(shell), "-i"], environment=environment, directory=terminal.home)
    request.addfinalizer(typed.close)
    typed.wait_for(PROMPT)
    for keys, shown in (
        ("cloud66-async servers billing-w\t", "billing-web/production"),
        ("\x15cloud66-async quota --js\t", "--json"),
        ("\x15cloud66-async st\t", "stack"),  # the common beginning of stack and stacks
        ("\t\t", "stacks"),
    ):
        wait_until_blocked(typed.process.pid)
        typed.shown = ""
        typed.type(keys)
        typed.wait_for(shown)
    typed.type("\x15\x15exit\n")
    assert typed.exit_code() == 0
    assert not Path(terminal.home, "owned").exists()
