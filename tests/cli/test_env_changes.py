"""The commands `env set`, `unset`, `apply` and `copy`, which change variables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, on_terminal, run_on_terminal
from .variables import Commands, values_of

WRITES = ("create", "update", "delete", "update_all", "replace_all")


@pytest.fixture
def site() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0)) as running:
        yield running


@pytest.fixture
def access(site: SandboxServer) -> dict[str, str]:
    return access_to(site)


@pytest.fixture
def commands(terminal: Terminal, site: SandboxServer, access: dict[str, str]) -> Commands:
    return Commands(terminal, site, access)


def writes(site: SandboxServer) -> int:
    return sum(site.fake.calls(f"environment_variables.{name}") for name in WRITES)


# --- set -----------------------------------------------------------------------------------------


def test_set_adds_and_changes_with_one_request_and_waits(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack(LOG_LEVEL="info", SAME="x")
    done = commands.run("env", "set", stack, "LOG_LEVEL=hush", "NEW=a=b", "SAME=x", "EMPTY=")
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        f"{stack.name}/staging: 2 to add, 1 to change",
        "  + EMPTY=********",
        "  + NEW=********",
        "  ~ LOG_LEVEL=********",
    ]
    assert lines[4].startswith(f"{stack.name}/staging: 2 added, 1 changed (action ")
    assert f"{stack.name}/staging: succeeded (took " in lines[5]
    assert "hush" not in done.stdout + done.stderr
    assert writes(site) == 1
    found = values_of(site, stack)
    assert (found["LOG_LEVEL"], found["NEW"], found["EMPTY"]) == ("hush", "a=b", "")
    again = commands.run("env", "set", stack, "LOG_LEVEL=hush", "NEW=a=b")
    assert again.stdout == f"{stack.name}/staging: nothing to do, 2 variables already equal\n"
    assert writes(site) == 1


def test_values_from_files_and_standard_input(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack()
    (commands.terminal.home / "cert.pem").write_bytes(b"one\r\ntwo\n\n")
    arguments = ("CERT=@cert.pem", "TOKEN=-", "--no-wait")
    commands.run("env", "set", stack, *arguments, stdin="hush\n")
    commands.run("env", "set", stack, "AT=@x", "DASH=-", "--literal", "--no-wait")
    found = values_of(site, stack)
    assert (found["CERT"], found["TOKEN"], found["AT"], found["DASH"]) == ("one\r\ntwo\n", "hush", "@x", "-")


def test_a_name_alone_asks_for_the_value(commands: Commands, site: SandboxServer, access: dict[str, str]) -> None:
    stack = commands.stack()
    with on_terminal(80, "env", "set", stack.uid, "TOKEN", "--no-wait", environment=access) as started:
        started.wait_for_prompt("Value of TOKEN: ")
        started.type("hush\n")
        assert started.exit_code() == 0
        assert "hush" not in started.shown
    assert values_of(site, stack)["TOKEN"] == "hush"
    commands.run("env", "set", stack, "TOKEN", "--no-wait", stdin="piped\n")
    assert values_of(site, stack)["TOKEN"] == "piped"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["=x"], "no name before ="),
        (["A=1", "A=2"], "A is given twice"),
        (["A=@missing.pem"], "cannot read missing.pem: No such file or directory"),
        (["A=@binary"], "it is not UTF-8 text"),
        (["A=@"], "names no file"),
        (["A=-", "B=-"], "only one value can come from standard input"),
        (["DATABASE_URL=x", "A=1"], "cannot change 1 variable"),
        (["STACK_UID=x"], "STACK_UID (read-only); nothing was changed"),
    ],
)
def test_set_refuses(commands: Commands, site: SandboxServer, arguments: list[str], problem: str) -> None:
    stack = commands.stack()
    (commands.terminal.home / "binary").write_bytes(b"\xff\xfe")
    done = commands.run(
        "env", "set", stack, *arguments, code=1 if "cannot change" in problem or "only)" in problem else 2
    )
    assert problem in done.stderr
    assert done.stdout == ""
    assert writes(site) == 0


def test_an_action_that_fails(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack()
    site.fake.faults.action_fails(message="the disk is full")
    done = commands.run("env", "set", stack, "A=1", code=1)
    assert "the disk is full" in done.stderr


def test_an_action_that_does_not_end_in_time(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack()
    site.fake.faults.action_never_ends()
    done = commands.run("env", "set", stack, "A=1", "--timeout", "1s", code=5)
    assert "is still running" in done.stderr
    assert f"cloud66-async wait {stack.name}/staging --action " in done.stderr


def test_ctrl_c_tells_what_still_runs(commands: Commands, site: SandboxServer, access: dict[str, str]) -> None:
    stack = commands.stack()
    site.fake.faults.action_never_ends()
    with on_terminal(80, "env", "set", stack.uid, "A=1", environment=access) as started:
        started.wait_for("1 added (action ")
        started.wait_for(f"{stack.name}/staging ")
        started.type("\x03")
        assert started.exit_code() == 130
        assert "What has started continues at Cloud 66." in started.shown
        assert f"cloud66-async wait {stack.name}/staging --action " in started.shown


def test_ctrl_c_during_the_change(commands: Commands, site: SandboxServer, access: dict[str, str]) -> None:
    stack = commands.stack()
    site.fake.faults.slow(3, operation="environment_variables.update_all")
    with on_terminal(80, "env", "set", stack.uid, "A=1", environment=access) as started:
        started.wait_for("+ A=")
        deadline = time.monotonic() + 60
        while not site.fake.calls("environment_variables.update_all"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        started.type("\x03")
        assert started.exit_code() == 130
        assert "Some of the changes may have been made." in started.shown
        assert "Run the command again: it does what remains." in started.shown


# --- unset ---------------------------------------------------------------------------------------


def test_unset_asks(commands: Commands, site: SandboxServer, access: dict[str, str]) -> None:
    stack = commands.stack(A="1", B="2", C="3")
    refused = commands.run("env", "unset", stack, "A", "B", code=2)
    assert "--yes is required to " in refused.stderr
    assert writes(site) == 0
    with on_terminal(80, "env", "unset", stack.uid, "A", environment=access) as started:
        started.wait_for("Delete 1 variable")
        started.type("n\n")
        assert started.exit_code() == 1
        assert "cancelled: nothing was changed" in started.shown
    assert writes(site) == 0
    done = commands.run("env", "unset", stack, "A", "B", "--yes")
    assert done.stdout.endswith(f"  - A\n  - B\n{stack.name}/staging: 2 deleted\n")
    assert {"A", "B", "C"} & values_of(site, stack).keys() == {"C"}


def test_in_production_the_name_has_to_be_typed(
    commands: Commands, site: SandboxServer, access: dict[str, str]
) -> None:
    stack = commands.stack("production", A="1")
    for answer, code in (("y\n", 1), (f"{stack.name}\n", 0)):
        with on_terminal(80, "env", "unset", stack.uid, "A", environment=access) as started:
            started.wait_for(f"Type {stack.name} to confirm:")
            started.type(answer)
            assert started.exit_code() == code, started.shown
    assert "A" not in values_of(site, stack)


def test_unset_refuses_before_it_deletes(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack(LOG_LEVEL="1")
    unknown = commands.run("env", "unset", stack, "LOG_LEVEL", "LOG_LEVLE", "--yes", code=1)
    assert "Did you mean LOG_LEVEL?" in unknown.stderr
    fixed = commands.run("env", "unset", stack, "LOG_LEVEL", "DATABASE_URL", "STACK_UID", "--yes", code=1)
    assert "cannot delete 2 variables" in fixed.stderr
    assert "DATABASE_URL (generated), STACK_UID (read-only); nothing was changed" in fixed.stderr
    assert writes(site) == 0


def test_partial_failure_tells_what_was_done(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack(A="1", B="2", C="3")
    site.fake.faults.fail(409, operation="environment_variables.delete")
    first = commands.run("env", "unset", stack, "A", "B", "--yes", code=1)
    assert f"error: {stack.name}/staging: nothing was changed: Cloud 66 answered 409" in first.stderr
    (commands.terminal.home / "web.env").write_text("NEW=1\n")
    site.fake.faults.fail(404, operation="environment_variables.replace_all")  # as older versions of the API
    site.fake.faults.fail(409, operation="environment_variables.delete")
    done = commands.run("env", "apply", stack, "web.env", "--delete", "--yes", code=1)
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"error: {stack.name}/staging: 1 of 6 changes were made: Cloud 66 answered 409")
    assert "  done         NEW" in lines
    assert "  failed       RAILS_ENV" in lines
    assert "  not started  SECRET_KEY_BASE, A, B, C" in lines
    assert "  Run the command again: it does what remains." in lines
    assert "NEW" in values_of(site, stack)
    commands.run("env", "apply", stack, "web.env", "--delete", "--yes", "--no-wait")
    assert values_of(site, stack).keys() == {"NEW", "DATABASE_URL", "STACK_UID"}


# --- apply ---------------------------------------------------------------------------------------


def test_apply_shows_the_plan_and_asks(commands: Commands, site: SandboxServer, access: dict[str, str]) -> None:
    stack = commands.stack(LOG_LEVEL="info", OLD="1")
    (commands.terminal.home / "web.env").write_text("# shared\nexport LOG_LEVEL=hush\nNEW='x y'\nDATABASE_URL=mine\n")
    plan = [
        f"{stack.name}/staging: 1 to add, 1 to change",
        "  + NEW=********",
        "  ~ LOG_LEVEL=********",
        "  = DATABASE_URL (generated, left alone)",
    ]
    dry = commands.run("env", "apply", stack, "web.env", "--dry-run")
    assert dry.stdout.splitlines() == plan
    refused = commands.run("env", "apply", stack, "web.env", code=2)
    assert refused.stdout.splitlines() == plan
    assert f"--yes is required to change 2 variables of {stack.name}/staging without a terminal" in refused.stderr
    assert writes(site) == 0
    home = commands.terminal.home
    with on_terminal(80, "env", "apply", stack.uid, "web.env", "--no-wait", environment=access, home=home) as started:
        started.wait_for("[y/N]")
        started.type("y\n")
        assert started.exit_code() == 0
    found = values_of(site, stack)
    assert (found["LOG_LEVEL"], found["NEW"], found["OLD"]) == ("hush", "x y", "1")
    assert found["DATABASE_URL"] != "mine"


def test_apply_from_standard_input_with_a_strategy(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack(OLD="1")
    options = ("--yes", "--delete", "--apply-strategy", "deployment", "--no-wait")
    done = commands.run("env", "apply", stack, "-", *options, stdin='{"NEW": "1", "RAILS_ENV": "staging"}')
    assert "1 added, 2 deleted, with effect from the next deployment (action " in done.stdout
    site.fake.assert_called("environment_variables.replace_all", apply_strategy="deployment")
    assert {"OLD", "NEW"} & values_of(site, stack).keys() == {"NEW"}
    assert "--yes is required to " in commands.run("env", "apply", stack, "-", stdin="A=1", code=2).stderr


def test_apply_as_json(commands: Commands, site: SandboxServer) -> None:
    stack = commands.stack()
    name = f"{stack.name}/staging"
    planned = json.loads(commands.run("env", "apply", stack, "-", "--dry-run", "--json", stdin="A=hush").stdout)
    assert (planned["name"], planned["state"], planned["added"], planned["actions"]) == (
        name,
        "planned",
        {"A": "********"},
        [],
    )
    done = json.loads(commands.run("env", "apply", stack, "-", "--yes", "--json", stdin="A=hush").stdout)
    assert done["state"] == "succeeded"
    assert len(done["actions"]) == 1
    started = json.loads(commands.run("env", "set", stack, "B=1", "--json", "--no-wait").stdout)
    assert (started["state"], len(started["actions"])) == ("running", 1)
    deleted = json.loads(commands.run("env", "unset", stack, "B", "--json", "--yes").stdout)
    assert (deleted["state"], deleted["actions"], deleted["deleted"]) == ("done", [], ["B"])
    site.fake.faults.fail(500, operation="environment_variables.update_all", times=9, allow_unused=True)
    failed = commands.run("env", "apply", stack, "-", "--yes", "--json", stdin="A=other", code=1)
    assert json.loads(failed.stdout)["state"] == "failed"
    same = json.loads(commands.run("env", "apply", stack, "-", "--json", stdin="A=hush").stdout)
    assert same["state"] == "unchanged"


def test_quiet_prints_errors_only(commands: Commands) -> None:
    stack = commands.stack()
    done = commands.run("env", "apply", stack, "-", "--yes", "--quiet", stdin="A=1")
    assert (done.stdout, done.stderr) == ("", "")


# --- copy ----------------------------------------------------------------------------------------


def test_copy_to_several_stacks(commands: Commands, site: SandboxServer, access: dict[str, str]) -> None:
    source = commands.stack("base", name="source", LOG_LEVEL="debug", WORKERS="4", TOKEN="hush")
    first, second = commands.stack(LOG_LEVEL="info"), commands.stack(OWN="1")
    arguments = ("env", "copy", "source/base", first, second, "--except", "RAILS_ENV,SECRET_KEY_BASE")
    refused = commands.run(*arguments, code=2)
    assert "--yes is required to change 3 variables on 2 stacks without a terminal" in refused.stderr
    assert "Left out: 2 variables, which are generated or read-only in source/base" in refused.stderr
    assert writes(site) == 0
    words = [word if isinstance(word, str) else word.uid for word in arguments]
    with on_terminal(80, *words, environment=access) as started:
        started.wait_for("Type 2 to confirm:")
        started.type("2\n")
        assert started.exit_code() == 0, started.shown
        assert "hush" not in started.shown
    for stack in (first, second):
        found = values_of(site, stack)
        assert (found["LOG_LEVEL"], found["WORKERS"], found["TOKEN"]) == ("debug", "4", "hush")
        assert found["SECRET_KEY_BASE"] != values_of(site, source)["SECRET_KEY_BASE"]
    assert values_of(site, second)["OWN"] == "1"
    again = commands.run(*arguments)
    assert again.stdout.count("nothing to do, 3 variables already equal") == 2


def test_copy_of_some_variables(commands: Commands, site: SandboxServer) -> None:
    source, target = commands.stack(A="1", B="2", C="3"), commands.stack()
    commands.run("env", "copy", source, target, "--only", "A,B", "--only", "C", "--except", "B", "--yes", "--no-wait")
    assert {"A", "B", "C"} & values_of(site, target).keys() == {"A", "C"}


def test_copy_refuses(commands: Commands, site: SandboxServer) -> None:
    source, target = commands.stack(LOG_LEVEL="1"), commands.stack()
    unknown = commands.run("env", "copy", source, target, "--only", "LOG_LEVLE", "--yes", code=1)
    assert "Did you mean LOG_LEVEL?" in unknown.stderr
    assert (
        "Did you mean LOG_LEVEL?" in commands.run("env", "copy", source, target, "--except", "LOG_LEVLE", code=1).stderr
    )
    fixed = commands.run("env", "copy", source, target, "--only", "STACK_UID", "--yes", code=1)
    assert "STACK_UID (read-only); nothing was changed" in fixed.stderr
    assert "to itself" in commands.run("env", "copy", source, source, "--yes", code=2).stderr
    assert writes(site) == 0


def test_one_of_several_targets_fails(commands: Commands, site: SandboxServer) -> None:
    source, *targets = commands.stack(A="1"), commands.stack(), commands.stack(), commands.stack()
    site.fake.faults.fail(409, operation="environment_variables.update_all")
    done = commands.run("env", "copy", source, *targets, "--only", "A", "--yes", code=1)
    assert done.stderr.count("nothing was changed: Cloud 66 answered 409") == 1
    assert sum(f"{stack.name}/staging: 1 added (action " in done.stdout for stack in targets) == 2
    assert "2 stacks: 2 succeeded" in done.stdout
    assert sum("A" in values_of(site, stack) for stack in targets) == 2


def test_nothing_is_changed_if_a_target_cannot_be_read(commands: Commands, site: SandboxServer) -> None:
    source, first, second = commands.stack(A="1"), commands.stack(), commands.stack()
    site.fake.remove_stack(second)
    done = commands.run("env", "copy", source, first, second, "--yes", code=1)
    assert done.stdout == ""
    assert writes(site) == 0


def test_a_plan_has_colors(commands: Commands, access: dict[str, str]) -> None:
    stack = commands.stack()
    shown = run_on_terminal(80, "env", "set", stack.uid, "A=1", "--no-wait", environment=access)
    assert shown.exit_code == 0
    assert "\x1b[32m  + A=********\x1b[0m" in shown.raw
    plain = run_on_terminal(80, "env", "set", stack.uid, "A=2", "--no-wait", environment={**access, "NO_COLOR": "1"})
    assert "\x1b[3" not in plain.raw
