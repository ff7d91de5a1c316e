"""The help of every command and subcommand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from cloud66_async.cli.tree import TREE

from .conftest import TIMEOUT, Terminal
from .terminal import run_on_terminal

WIDTH = 80

# Prints the help of every command, and then one line of JSON for each: its words, and its options without a text.
PRINT_HELPS = """
import json
from cloud66_async.cli.app import app
from cloud66_async.cli.program import run_program
from cloud66_async.cli.terminal.streams import protect_streams

def walk(found, *words):
    yield words, found
    for name in found:
        if not name.startswith("-"):
            yield from walk(found[name], *words, name)

with protect_streams() as (out, _):
    for words, found in walk(app):
        out.write(f"\\0{json.dumps(words)}\\0")
        run_program([*words, "--help"])
        out.flush()
        arguments = found.assemble_argument_collection() if found.default_command else []
        bare = [argument.name for argument in arguments if argument.parse and not argument.parameter.help
                and not argument.children]
        out.write(f"\\0{json.dumps(bare)}")
        out.flush()
"""


class Help(NamedTuple):
    """What `--help` of a command prints, and its options without a text."""

    text: str
    bare: list[str]

    @property
    def summary(self) -> str:
        """The first paragraph after the usage."""
        return self.text.split("\n\n")[1].replace("\n", " ")


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Help]:
    """Return the help of every command, of which one process prints all: each takes a third of a second to start."""
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    done = subprocess.run(
        [sys.executable, "-c", PRINT_HELPS],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**terminal.environment, "COLUMNS": str(WIDTH)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return dict(read(done.stdout))


def read(output: str) -> Iterator[tuple[str, Help]]:
    parts = output.split("\0")[1:]
    for words, text, bare in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield " ".join(json.loads(words)), Help(text, json.loads(bare))


def test_every_command_has_a_help(helps: Mapping[str, Help]) -> None:
    top = {name for commands in TREE.values() for name, _, _ in commands}
    assert {name for name in helps if name and " " not in name} == top
    assert {"services scale", "processes pause", "jobs run", "backups download"} <= helps.keys()
    for name, found in helps.items():
        assert found.text.startswith(f"Usage: cloud66-async {name or 'COMMAND'}"), name


def test_no_line_is_wider_than_the_terminal(helps: Mapping[str, Help]) -> None:
    lines = [(name, line) for name, found in helps.items() for line in found.text.splitlines()]
    # A command that is to be copied cannot be wrapped at its path.
    assert [(name, line) for name, line in lines if len(line) > WIDTH and " > ~/" not in line] == []


def test_texts_are_plain(helps: Mapping[str, Help]) -> None:
    marked = [name for name, found in helps.items() if re.search(r"`|\*\*|\x1b|:class:|None\b", found.text)]
    assert marked == []


def test_first_paragraph_is_one_sentence(helps: Mapping[str, Help]) -> None:
    found = {name: help_.summary for name, help_ in helps.items()}
    assert [name for name, text in found.items() if not re.fullmatch(r"[A-Z][^\n]*[^.]\.", text)] == []


def test_every_option_has_a_text(helps: Mapping[str, Help]) -> None:
    assert [(name, found.bare) for name, found in helps.items() if found.bare] == []


def test_texts_of_options_end_with_a_full_stop(helps: Mapping[str, Help]) -> None:
    """Look at what `--help` shows: a note in brackets may follow."""
    bad: list[tuple[str, str]] = []
    for name, found in helps.items():
        for section in found.text.split("\n\n"):
            title, _, rows = section.partition(":\n")
            if re.fullmatch(r"[A-Z][a-z ]+", title) and not rows.startswith("  cloud66-async"):  # not examples
                entries = re.split(r"\n  (?=\S)", f"\n{rows.rstrip()}")[1:]
                texts = [re.sub(r"\s+", " ", re.sub(r"\s*\[[^\]]*\]$", "", entry)) for entry in entries]
                bad += [(name, text) for text in texts if not text.endswith(".")]
    assert bad == []


@pytest.mark.parametrize("arguments", [("services", "scale", "--help"), ("help", "backups", "download")])
def test_help_on_a_terminal(arguments: tuple[str, ...], helps: Mapping[str, Help]) -> None:
    name = " ".join(word for word in arguments if "help" not in word)
    shown = run_on_terminal(WIDTH, *arguments)
    assert shown.exit_code == 0
    assert shown.text == helps[name].text
