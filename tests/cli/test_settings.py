"""The commands `settings` and `settings set`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, on_terminal, run_on_terminal
from .variables import Commands


@pytest.fixture(scope="module")
def site() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0)) as running:
        yield running


@pytest.fixture(scope="module")
def access(site: SandboxServer) -> dict[str, str]:
    return access_to(site)


@pytest.fixture
def commands(terminal: Terminal, site: SandboxServer, access: dict[str, str]) -> Commands:
    return Commands(terminal, site, access)


def setting(commands: Commands, stack: str, key: str) -> object:
    """Return the value of a setting as the command shows it."""
    rows = map(json.loads, commands.run("settings", stack, "--json").stdout.splitlines())
    return next(row["value"] for row in rows if row["key"] == key)


@pytest.mark.parametrize("columns", [80, 120])
def test_settings_fit_the_terminal(commands: Commands, access: dict[str, str], columns: int) -> None:
    stack = commands.stack()
    commands.site.fake.add("stack setting", stack, {"key": "long.one", "value": "word " * 50})
    commands.site.fake.add("stack setting", stack, {"key": "internal.one", "hidden": True})
    shown = run_on_terminal(columns, "settings", stack.uid, environment=access)
    assert max(map(len, shown.lines)) <= columns
    rows = {line.split()[0]: line.split()[1:] for line in shown.lines[1:-1]}
    assert rows["maintenance.mode"] == ["false", "–"]
    assert rows["git.repository"][-1] == "read-only"
    assert rows["long.one"][-2].endswith("…")
    assert "internal.one" not in rows
    assert "internal.one" in commands.run("settings", "list", stack, "--all").stdout


def test_settings_for_programs(commands: Commands) -> None:
    stack = commands.stack()
    rows = [json.loads(line) for line in commands.run("settings", stack, "--json").stdout.splitlines()]
    assert {"key": "continuous.deploy", "value": False} in [{"key": row["key"], "value": row["value"]} for row in rows]
    text = commands.run("settings", stack, "--csv").stdout.splitlines()
    assert text[0] == "key,value,note,warning"
    assert "maintenance.mode,false,,Visitors see the maintenance page." in text


@pytest.mark.parametrize("key", ["asset.prefix", "asset-prefix", "Asset.Prefix"])
def test_a_change_shows_the_value_before_and_after(commands: Commands, key: str) -> None:
    stack = commands.stack()
    done = commands.run("settings", "set", stack, key, "-x y", "--no-wait")
    lines = done.stdout.splitlines()
    assert lines[0] == f'{stack.name}/staging: asset.prefix: assets → "-x y"'
    assert lines[1].startswith(f"{stack.name}/staging: 1 changed (action ")
    assert setting(commands, stack.uid, "asset.prefix") == "-x y"
    again = commands.run("settings", "set", stack, key, "-x y")
    assert again.stdout == f'{stack.name}/staging: nothing to do, asset.prefix is already "-x y"\n'


def test_a_change_waits_for_its_action(commands: Commands) -> None:
    stack = commands.stack()
    done = commands.run("settings", "set", stack, "continuous.deploy", "True", "--json")
    result = json.loads(done.stdout)
    assert (result["state"], result["changed"]) == ("succeeded", {"continuous.deploy": "true"})
    assert setting(commands, stack.uid, "continuous.deploy") is True
    commands.site.fake.faults.action_fails(message="nginx does not start")
    failed = commands.run("settings", "set", stack, "reconfigure.nginx", "true", code=1)
    assert "nginx does not start" in failed.stderr


def test_a_setting_with_a_warning_asks(commands: Commands, access: dict[str, str]) -> None:
    stack = commands.stack()
    refused = commands.run("settings", "set", stack, "maintenance.mode", "true", code=2)
    assert "Visitors see the maintenance page." in refused.stdout
    assert "--yes is required to " in refused.stderr
    words = ("settings", "set", stack.uid, "maintenance.mode", "true", "--no-wait")
    for answer, code, value in (("\n", 1, False), ("y\n", 0, True)):
        with on_terminal(80, *words, environment=access) as started:
            started.wait_for("[y/N]")
            started.type(answer)
            assert started.exit_code() == code, started.shown
        assert setting(commands, stack.uid, "maintenance.mode") is value
    commands.run("settings", "set", stack, "maintenance.mode", "false", "--yes", "--no-wait")


def test_settings_that_cannot_be_changed(commands: Commands) -> None:
    stack = commands.stack()
    before = commands.site.fake.calls("stack_settings.update")
    unknown = commands.run("settings", "set", stack, "asset.prefx", "x", code=1)
    assert "Did you mean asset.prefix?" in unknown.stderr
    fixed = commands.run("settings", "set", stack, "git.repository", "x", code=1)
    assert f"cannot change git.repository of {stack.name}/staging: it is read-only" in fixed.stderr
    assert commands.site.fake.calls("stack_settings.update") == before
    rejected = commands.run("settings", "set", stack, "continuous.deploy", "maybe", code=1)
    assert "nothing was changed: Cloud 66 answered 400: value must be true or false" in rejected.stderr
