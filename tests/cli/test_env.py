"""The commands `env list`, `get`, `export` and `diff`, which change nothing."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud66_async.cli.commands._env_files import FileFormat, format_variables, parse_variables
from cloud66_async.cli.exits import CommandError
from cloud66_async.cli.terminal.secrets_shown import looks_secret
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.secret import Secret

from .conftest import Terminal
from .terminal import access_to, run_on_terminal
from .variables import NASTY, Commands

FORMATS: tuple[FileFormat, ...] = ("dotenv", "json", "shell")


@pytest.fixture(scope="module")
def site() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.01)) as running:
        yield running


@pytest.fixture(scope="module")
def access(site: SandboxServer) -> dict[str, str]:
    return access_to(site)


@pytest.fixture
def commands(terminal: Terminal, site: SandboxServer, access: dict[str, str]) -> Commands:
    return Commands(terminal, site, access)


# --- list and get --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--json"], ["--csv"], ["--wide"]], ids=str)
def test_values_that_look_secret_are_hidden_unless_they_are_asked_for(commands: Commands, options: list[str]) -> None:
    stack = commands.stack(LOG_LEVEL="debug", STRIPE_TOKEN="hush", CACHE="redis://:hush@10.0.0.1")
    hidden = commands.run("env", "list", stack, *options)
    assert "debug" in hidden.stdout
    assert "hush" not in hidden.stdout + hidden.stderr
    assert "5 values hidden (--reveal shows them)" in hidden.stderr
    revealed = commands.run("env", "list", stack, *options, "--reveal")
    assert revealed.stdout.count("hush") == 2
    assert revealed.stderr == ""


def test_listing_for_programs_has_values_exactly(commands: Commands) -> None:
    stack = commands.stack(**NASTY)
    lines = commands.run("env", "list", stack, "--json", "--reveal").stdout.splitlines()
    found = {row["key"]: row for row in map(json.loads, lines)}
    assert {key: found[key]["value"] for key in NASTY} == NASTY
    assert found["STACK_UID"]["readonly"]
    assert not found["STACK_UID"]["hidden"]
    csv.field_size_limit(2**20)
    text = commands.run("env", "list", stack, "--csv", "--reveal").stdout
    rows = {row["key"]: row for row in csv.DictReader(io.StringIO(text))}
    # The text layer of this test reads each line break as \n.
    same = {key: value.replace("\r\n", "\n").replace("\r", "\n") for key, value in NASTY.items()}
    assert {key: rows[key]["value"] for key in NASTY} == same
    assert rows["DATABASE_URL"]["note"] == "generated"


@pytest.mark.parametrize("columns", [80, 120])
def test_listing_fits_the_terminal_and_keeps_names(commands: Commands, access: dict[str, str], columns: int) -> None:
    long_name = "A_RATHER_LONG_NAME_OF_A_VARIABLE_THAT_IS_NOT_CUT"
    stack = commands.stack(**{long_name: "word " * 100, "WIDE": "日本" * 100, "LINES": "one\ntwo"})
    shown = run_on_terminal(columns, "env", "list", stack.uid, environment=access)
    assert shown.exit_code == 0
    assert max(map(len, shown.lines)) <= columns
    assert f"{long_name}  word" in shown.text
    assert "…" in shown.text
    assert "one\\ntwo" in shown.text
    assert "••••••" in shown.text
    assert shown.lines[-1].startswith("7 variables")
    assert shown.lines[-1].endswith("3 values hidden (--reveal shows them)")
    assert "word " * 99 in run_on_terminal(columns, "env", "list", stack.uid, "--wide", environment=access).text


def test_get_prints_the_value_exactly(commands: Commands) -> None:
    stack = commands.stack(KEY_FILE="  one\ntwo\n", LOG_LEVEL="debug")
    assert commands.run("env", "get", stack, "KEY_FILE").stdout == "  one\ntwo\n\n"
    assert json.loads(commands.run("env", "get", stack, "LOG_LEVEL", "--json").stdout)["value"] == "debug"
    missing = commands.run("env", "get", stack, "LOG_LEVLE", code=1)
    assert missing.stdout == ""
    assert f'no variable of {stack.name}/staging is called "LOG_LEVLE"' in missing.stderr
    assert "Did you mean LOG_LEVEL?" in missing.stderr


def test_a_value_cannot_control_the_terminal(commands: Commands, access: dict[str, str]) -> None:
    stack = commands.stack(TITLE="\x1b]0;title\x07 text")
    for command in (["get", stack.uid, "TITLE"], ["list", stack.uid], ["export", stack.uid]):
        shown = run_on_terminal(80, "env", *command, environment=access)
        assert "text" in shown.text
        assert "\x1b]" not in shown.raw
        assert "\x07" not in shown.raw


def test_a_value_that_the_encoding_cannot_represent_is_not_changed(commands: Commands) -> None:
    stack = commands.stack(CITY="Zürich")
    done = commands.run("env", "get", stack, "CITY", code=1, PYTHONIOENCODING="ascii")
    assert done.stdout == ""
    assert "PYTHONIOENCODING=utf-8" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LOG_LEVEL", "debug", False),
        ("RAILS_ENV", "production", False),
        ("KEYBOARD", "qwerty", False),
        ("MONKEY", "banana", False),
        ("SITE", "https://shop.example.com/path?x=1", False),
        ("DESCRIPTION", "a text of several words, longer than 20 characters", False),
        ("DB_PASSWORD", "x", True),
        ("DB_PASSWORD", "", False),
        ("api-key", "x", True),
        ("session.secret", "x", True),
        ("DATABASE", "postgres://app:hush@10.0.0.4/app", True),
        ("REDIS", "redis://:hush@10.0.0.4", True),
        ("PEM_OF_SITE", "x", True),
        ("SITE", "-----BEGIN RSA PRIVATE KEY-----\nx", True),
        ("SITE", "eyJhbGciOi.eyJzdWIi.sig", True),
        ("SITE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", True),
    ],
)
def test_what_looks_secret(name: str, value: str, *, expected: bool) -> None:
    assert looks_secret(name, value) is expected
    assert looks_secret(name, value or "x", is_password=True)


# --- export --------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", FORMATS)
def test_exported_variables_can_be_applied_again_without_a_change(commands: Commands, file_format: FileFormat) -> None:
    stack = commands.stack(**NASTY)
    options = ("--format", file_format)
    written = commands.run("env", "export", stack, *options, "--output", "variables")
    path = commands.terminal.home / "variables"
    assert path.stat().st_mode & 0o777 == 0o600
    assert written.stdout == f"{stack.name}/staging: 14 variables written to variables\n"
    assert "2 variables, generated or read-only (--all includes them)" in written.stderr
    again = commands.run("env", "apply", stack, "variables", *options, "--delete", "--dry-run")
    assert again.stdout.startswith(f"{stack.name}/staging: nothing to do, 14 variables already equal\n")
    piped = path.read_bytes().decode()
    assert commands.run("env", "export", stack, *options, "--all").stdout != piped
    same = commands.run("env", "apply", stack, "-", *options, stdin=piped)
    assert same.stdout == f"{stack.name}/staging: nothing to do, 14 variables already equal\n"


@pytest.mark.parametrize("file_format", FORMATS)
def test_formats_express_every_value(file_format: FileFormat) -> None:
    values = {key: Secret(value) for key, value in NASTY.items()}
    text = format_variables(values, file_format)
    assert parse_variables(text, file_format, "-") == values
    marked = Secret(f"\ufeff{text.reveal()}")
    assert parse_variables(marked, file_format, "-") == values


def test_a_shell_reads_what_is_exported(tmp_path: Path) -> None:
    script = tmp_path / "variables.sh"
    text = format_variables({key: Secret(value) for key, value in NASTY.items()}, "shell").reveal()
    script.write_bytes(text.encode() + b'printf "%s|" "$CRLF" "$DOLLAR" "$QUOTES" "$BACKSLASHES" "$LONG"\n')
    done = subprocess.run(["/bin/sh", str(script)], capture_output=True, check=True)
    keys = ("CRLF", "DOLLAR", "QUOTES", "BACKSLASHES", "LONG")
    assert done.stdout.decode() == "".join(f"{NASTY[key]}|" for key in keys)


@pytest.mark.parametrize(
    ("file_format", "text", "problem"),
    [
        ("dotenv", "A=1\nhush\n", "line 2"),
        ("json", '{"A": hush}', "line 1"),
        ("json", '["hush"]', "expected an object"),
        ("json", '{"A": {"B": "hush"}}', "'A'"),
        ("json", '{"A": NaN}', "NaN"),
        ("json", "[" * 100_000, "nested"),
        ("shell", "A='1'\nB=$(hush)\n", "line 2"),
        ("shell", 'export A="hush"\n', "line 1"),
        ("shell", "A='hush\n", "line 1"),
    ],
)
def test_text_that_cannot_be_read(file_format: FileFormat, text: str, problem: str) -> None:
    with pytest.raises(CommandError, match=r"cannot read web\.env as ") as caught:
        parse_variables(Secret(text), file_format, "web.env")
    assert problem in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.code == 2


def test_json_numbers_and_booleans_are_taken_as_they_are_written() -> None:
    text = '{"PORT": 3000, "RATIO": 1.50, "BIG": 12345678901234567890123, "ON": true}'
    found = {key: value.reveal() for key, value in parse_variables(Secret(text), "json", "-").items()}
    assert found == {"PORT": "3000", "RATIO": "1.50", "BIG": "12345678901234567890123", "ON": "true"}


def test_names_that_a_format_cannot_express(commands: Commands) -> None:
    stack = commands.stack(**{"dotted.name": "x"})
    done = commands.run("env", "export", stack, "--format", "shell", "--output", "file", code=1)
    assert "'dotted.name'" in done.stderr
    assert "--format json" in done.stderr
    assert not (commands.terminal.home / "file").exists()
    assert "dotted.name" in commands.run("env", "export", stack).stdout


def test_a_file_is_only_overwritten_after_a_question(commands: Commands) -> None:
    stack = commands.stack(LOG_LEVEL="debug")
    path = commands.terminal.home / "web.env"
    path.write_text("mine")
    path.chmod(0o644)
    done = commands.run("env", "export", stack, "--output", "web.env", code=2)
    assert "--yes" in done.stderr
    assert path.read_text() == "mine"
    commands.run("env", "export", stack, "-o", "web.env", "--yes")
    assert 'LOG_LEVEL="debug"' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in commands.terminal.home.iterdir()] == ["web.env"]
    unwritable = commands.run("env", "export", stack, "--output", "missing/web.env", code=1)
    assert "cannot write missing/web.env: No such file or directory" in unwritable.stderr


# --- diff ----------------------------------------------------------------------------------------


def test_diff_shows_what_differs(commands: Commands, access: dict[str, str]) -> None:
    first = commands.stack("staging", name="diff", LOG_LEVEL="debug", NEW_CHECKOUT="1", SAME="x", API_KEY="hush")
    second = commands.stack("production", name="diff", LOG_LEVEL="info", SAME="x", API_KEY="hush2", OLD="1")
    shown = run_on_terminal(80, "env", "diff", "diff/staging", "diff/production", environment=access)
    assert shown.exit_code == 0
    assert max(map(len, shown.lines)) <= 80
    rows = [line.split() for line in shown.lines]
    assert rows[0] == ["KEY", "diff/staging", "diff/production"]
    assert ["API_KEY", "••••••", "••••••", "differs"] in rows
    assert ["LOG_LEVEL", "debug", "info", "differs"] in rows
    assert ["NEW_CHECKOUT", "1", "–", "only", "in", "staging"] in rows
    assert ["OLD", "–", "1", "only", "in", "production"] in rows
    assert "SAME" not in shown.text
    assert shown.lines[-2:] == [
        "6 differ, 1 only in staging, 1 only in production, 1 equal (--all shows them)",
        "Values that look secret are hidden; --reveal shows them.",
    ]
    every = commands.run("env", "diff", first, second, "--all", "--reveal")
    assert "SAME" in every.stdout
    assert "hush2" in every.stdout
    assert "hidden" not in every.stderr


def test_diff_for_programs(commands: Commands) -> None:
    first = commands.stack(LOG_LEVEL="debug", SAME="x", API_KEY="hush", LINES="a\nb")
    second = commands.stack(LOG_LEVEL="info", SAME="x", API_KEY="other")
    done = commands.run("env", "diff", first, second, "--json", "--exit-code", code=1)
    rows = {row["key"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["LOG_LEVEL"] == {
        "key": "LOG_LEVEL",
        "first": "debug",
        "second": "info",
        "state": "differs",
        "hidden": False,
    }
    assert (rows["LINES"]["first"], rows["LINES"]["second"], rows["LINES"]["state"]) == ("a\nb", None, "only-in-first")
    assert rows["API_KEY"]["first"] == "********"
    assert "hush" not in done.stdout
    text = commands.run("env", "diff", first, second, "--csv").stdout
    assert "LOG_LEVEL,debug,info,differs" in text.splitlines()


def test_exit_code_of_equal_stacks(commands: Commands) -> None:
    first, second = commands.stack(), commands.stack()
    for record in commands.site.fake.records("environment variable", second):
        record["value"] = next(
            one["value"]
            for one in commands.site.fake.records("environment variable", first)
            if one["key"] == record["key"]
        )
    done = commands.run("env", "diff", first, second, "--exit-code")
    assert done.stdout == ""
    assert "0 differ" in done.stderr
    assert "4 equal (--all shows them)" in done.stderr
    assert "the same stack" in commands.run("env", "diff", first, first, code=2).stderr


def test_values_that_the_api_does_not_tell(commands: Commands) -> None:
    first, second = commands.stack(A="1", B="2"), commands.stack(A="1", B="2")
    next(one for one in commands.site.fake.records("environment variable", first) if one["key"] == "A")["value"] = None
    done = commands.run("env", "diff", first, second, "--json")
    assert {row["key"]: row["state"] for row in map(json.loads, done.stdout.splitlines())}["A"] == "not-known"
    assert "1 not known, 2 equal" in done.stderr
    exported = commands.run("env", "export", first)
    assert "Left out, because Cloud 66 does not tell the value: A" in exported.stderr
    assert 'B="2"' in exported.stdout
    assert "A=" not in exported.stdout.splitlines()[0]
    assert "does not tell the value of A" in commands.run("env", "get", first, "A", code=1).stderr
    listed = [json.loads(line) for line in commands.run("env", "list", first, "--json").stdout.splitlines()]
    assert next(row for row in listed if row["key"] == "A")["value"] is None
