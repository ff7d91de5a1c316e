"""The start of the program: what it imports, its help, and commands that do not exist."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest

from cloud66_async import __version__
from cloud66_async.cli.tree import TREE, expand

from .conftest import TIMEOUT, Terminal
from .terminal import run_on_terminal

COMMANDS = [(name, place) for commands in TREE.values() for name, place, _ in commands]

# Prints the modules that are imported when the program ends.
LIST_MODULES = """
import sys
from cloud66_async.cli import main
sys.argv = ["cloud66-async", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(*sys.modules)
"""


def modules_after(terminal: Terminal, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
        env=terminal.environment,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["stakcs"], ["help", "exit-codes"]])
def test_answers_without_a_command_import_little(terminal: Terminal, arguments: list[str]) -> None:
    imported = modules_after(terminal, *arguments)
    assert not imported & {"cyclopts", "rich.console", "asyncio", "msgspec", "ssl", "cloud66_async.client", "httpx"}
    assert not any(name.startswith("cloud66_async.cli.commands") for name in imported)


def test_command_imports_only_itself(terminal: Terminal) -> None:
    imported = modules_after(terminal, "stacks")
    assert "cloud66_async.cli.commands.stacks" in imported
    assert not imported & {
        "rich.console", "rich.table", "httpx", "httpx2", "authlib", "markdown_it", "cloud66_async.sandbox",
        "cloud66_async.cli.commands.redeploy", "cloud66_async.cli.commands.demo",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "place"), COMMANDS)
def test_every_command_is_where_the_tree_says(name: str, place: str) -> None:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"cloud66_async.cli.commands.{module}"), attribute)
    assert callable(found)
    assert getattr(found, "name", (name,)) == (name,)  # a group of commands has its name in the tree


@pytest.mark.parametrize("columns", [80, 120])
def test_help_has_the_groups_in_their_order(columns: int) -> None:
    shown = run_on_terminal(columns, "--help")
    assert shown.exit_code == 0
    titles = [line.removesuffix(":") for line in shown.lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Start", "Look", "Change", "Configure", "Raw", "Options"]
    for name, _ in COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in shown.lines), name
    assert max(map(len, shown.lines)) <= columns
    assert "\x1b" not in shown.raw


@pytest.mark.parametrize("arguments", [[], ["-h"], ["help"], ["help", "--help"]])
def test_help_has_other_names(terminal: Terminal, arguments: list[str]) -> None:
    done = terminal.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: cloud66-async COMMAND [OPTIONS]\n")


def test_help_of_a_command_fits_and_names_options_as_they_are_typed() -> None:
    shown = run_on_terminal(80, "help", "servers")
    assert shown.exit_code == 0
    assert shown.lines[0] == "Usage: cloud66-async servers [OPTIONS] STACK"
    assert max(map(len, shown.lines)) <= 80
    assert any(line.startswith("  --no-header ") for line in shown.lines)
    assert "--header," not in shown.text
    assert any(line.startswith("  -e, --environment ") for line in shown.lines)


def test_help_of_a_command_has_its_examples(terminal: Terminal) -> None:
    done = terminal.run("api", "--help")
    assert done.returncode == 0
    text = done.stdout.partition("Arguments:")[0]
    assert "For example:\n  cloud66-async api GET /stacks.json --paginate\n" in text
    assert "pass secrets with --input" in " ".join(text.split())


def test_exit_codes_are_a_topic_of_the_help(terminal: Terminal) -> None:
    done = terminal.run("help", "exit-codes")
    assert done.returncode == 0
    codes = re.findall(r"^  (\d+) +\S", done.stdout, re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "130", "143"]


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(terminal: Terminal, option: str) -> None:
    done = terminal.run(option)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_unknown_command_suggests_those_that_are_similar(terminal: Terminal) -> None:
    done = terminal.run("stakcs", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'error: no command is called "stakcs"\n  Did you mean stacks, stack?\n  See: cloud66-async --help\n'
    )


@pytest.mark.parametrize("arguments", [["--json", "stacks"], ["--debug", "--help"], ["--", "stacks"]])
def test_option_before_the_command(terminal: Terminal, arguments: list[str]) -> None:
    done = terminal.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[:2] == [
        f"error: no command before {arguments[0]}",
        "  Options stand after the command",
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "command"),
    [
        (["stacks", "--jsn"], "unknown option: --jsn. Did you mean --json?", "stacks "),
        (["servers"], "STACK is missing", "servers "),
        (["quota", "--account"], "--account needs a value", "quota "),
        (["quota", "--account", "many"], 'invalid value for --account: unable to convert "many" into int', "quota "),
        (["quota", "more\x1b[2J", "x"], "unexpected arguments: more [2J x", "quota "),
        (["profiles", "use"], "NAME is missing", "profiles use "),
        (
            ["completion", "tcsh"],
            'invalid value "tcsh" for SHELL. Choose from: "bash", "zsh", "fish".',
            "completion ",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_where_to_look(
    terminal: Terminal, arguments: list[str], error: str, command: str
) -> None:
    done = terminal.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {error}\n  See: cloud66-async {command}--help\n"


def test_program_runs_as_a_module(terminal: Terminal) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cloud66_async", "--version"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=terminal.environment,
    )
    assert (done.returncode, done.stdout) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["stack", "list"], ["stacks"]),
        (["server", "list", "web"], ["servers", "web"]),
        (["auth", "status"], ["whoami"]),
        (["auth", "login", "--token"], ["login", "--token"]),
        (["env-vars", "list", "web"], ["env", "list", "web"]),
        (["stack", "web"], ["stack", "web"]),
        ([], []),
    ],
)
def test_words_of_other_tools(typed: list[str], meant: list[str]) -> None:
    assert expand(typed) == meant
