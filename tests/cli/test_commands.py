"""The commands `stacks`, `servers` and `redeploy`, and error messages of the command line."""

from __future__ import annotations

import json

import pytest

from cloud66_async.sandbox import SandboxServer

from .conftest import Terminal


@pytest.fixture
def access(server: SandboxServer) -> dict[str, str]:
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}


def test_stacks_are_not_wrapped_in_a_pipe(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.seed(70)
    done = terminal.run("stacks", environment=access)
    assert done.returncode == 0, done.stderr
    for uid in server.fake.world.stacks:
        assert uid in done.stdout
    assert len(done.stdout.splitlines()) == 71  # with the header


def test_stacks_as_json_lines_mask_secrets(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.seed(35)
    done = terminal.run("stacks", "--json", "--environment", "production", environment=access)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found
    assert {stack["environment"] for stack in found} == {"production"}
    assert "hooks.cloud66.com" not in done.stdout
    assert {stack["redeploy_hook"] for stack in found} <= {"********", None}


def test_servers_by_stack_name_and_by_uid(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    stack = server.fake.add_stack("web")
    by_name = terminal.run("servers", "WEB", environment=access)
    by_uid = terminal.run("servers", stack.uid, environment=access)
    assert by_name.returncode == by_uid.returncode == 0, by_name.stderr
    assert by_name.stdout == by_uid.stdout
    for machine in stack.servers:
        assert machine["uid"] in by_name.stdout


def test_ambiguous_name_lists_the_matches(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    for environment in ("production", "staging"):
        server.fake.add_stack("web", environment=environment)
    done = terminal.run("servers", "web", environment=access)
    assert done.returncode == 2
    assert "web/production" in done.stderr
    assert "web/staging" in done.stderr


def test_redeploy_waits_and_succeeds(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.add_stack("web")
    done = terminal.run("redeploy", "web", environment=access)
    assert done.returncode == 0, done.stderr
    assert "succeeded (took " in done.stdout


def test_redeploy_exits_with_1_if_the_action_fails(
    terminal: Terminal, server: SandboxServer, access: dict[str, str]
) -> None:
    server.fake.add_stack("web")
    server.fake.faults.action_fails(message="no space left on device")
    done = terminal.run("redeploy", "web", environment=access)
    assert done.returncode == 1
    assert "no space left on device" in done.stderr


def test_redeploy_without_waiting(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.add_stack("web")
    done = terminal.run("redeploy", "web", "--no-wait", environment=access)
    assert done.returncode == 0, done.stderr
    assert "succeeded" not in done.stdout
    assert server.fake.calls("stacks.redeploy") == 1


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CLOUD66_ACCESS_TOKEN": "to ken"}, ["character"]),
        ({"CLOUD66_ACCESS_TOKEN": "t", "CLOUD66_URL": "http://cloud66.example"}, ["https"]),
        ({"CLOUD66_ACCESS_TOKEN": "t", "CLOUD66_URL": "http://127.0.0.1:9"}, ["127.0.0.1"]),
    ],
)
def test_invalid_setting_is_reported_in_few_lines(
    terminal: Terminal, environment: dict[str, str], words: list[str]
) -> None:
    done = terminal.run("stacks", environment=environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == (2 if "127.0.0.1" in words else 1)  # with what to do
    for word in words:
        assert word in done.stderr


def test_missing_login_tells_what_to_do(terminal: Terminal) -> None:
    done = terminal.run("stacks")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "error: you are not logged in (no stored login, CLOUD66_ACCESS_TOKEN not set)\n"
        "  Log in: cloud66-async login\n"
        "  In CI, set CLOUD66_ACCESS_TOKEN\n"
        "  Try it without an account: cloud66-async demo\n"
    )


def test_invalid_token_tells_what_to_do(terminal: Terminal, server: SandboxServer) -> None:
    done = terminal.run("stacks", environment={"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": "an-invalid-token"})
    assert done.returncode == 3
    assert "Cloud 66 does not accept this token (from CLOUD66_ACCESS_TOKEN)" in done.stderr
    assert "an-invalid-token" not in done.stderr + done.stdout


def test_invalid_option_exits_with_2(terminal: Terminal) -> None:
    assert terminal.run("stacks", "--colour", "red").returncode == 2


def test_text_of_the_server_is_printed_literally(
    terminal: Terminal, server: SandboxServer, access: dict[str, str]
) -> None:
    server.fake.add_stack("web\x1b]0;title\x07\u202e\nsecond", environment="[red]qa[/]")
    done = terminal.run("stacks", environment=access)
    assert done.returncode == 0, done.stderr
    assert "web ]0;title second" in done.stdout
    assert "[red]qa[/]" in done.stdout
    failed = terminal.run("redeploy", "missing\x1b[2J", environment=access)
    assert failed.returncode == 1
    for character in "\x1b\x07\u202e":
        assert character not in done.stdout + failed.stderr
