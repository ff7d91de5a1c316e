"""Stacks, servers, redeployments, and how errors are told."""

from __future__ import annotations

import json

import pytest

from cloud66_async.sandbox import SandboxServer

from .conftest import Terminal


@pytest.fixture
def access(server: SandboxServer) -> dict[str, str]:
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}


def test_stacks_are_listed_whole_in_a_pipe(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.seed(70)
    done = terminal.run("stacks", environment=access)
    assert done.returncode == 0, done.stderr
    for uid in server.fake.world.stacks:
        assert uid in done.stdout
    assert done.stdout.strip().endswith("70 stacks")


def test_stacks_as_json_lines_mask_secrets(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.seed(35)
    done = terminal.run("stacks", "--json", "--environment", "production", environment=access)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found
    assert {stack["environment"] for stack in found} == {"production"}
    assert "hooks.cloud66.com" not in done.stdout
    assert {stack["redeploy_hook"] for stack in found} <= {"********", None}


def test_servers_of_a_stack_by_name_and_by_uid(
    terminal: Terminal, server: SandboxServer, access: dict[str, str]
) -> None:
    stack = server.fake.add_stack("web")
    by_name = terminal.run("servers", "WEB", environment=access)
    by_uid = terminal.run("servers", stack.uid, environment=access)
    assert by_name.returncode == by_uid.returncode == 0, by_name.stderr
    assert by_name.stdout == by_uid.stdout
    for machine in stack.servers:
        assert machine["uid"] in by_name.stdout


def test_an_ambiguous_name_says_which_there_are(
    terminal: Terminal, server: SandboxServer, access: dict[str, str]
) -> None:
    for environment in ("production", "staging"):
        server.fake.add_stack("web", environment=environment)
    done = terminal.run("servers", "web", environment=access)
    assert done.returncode == 1
    assert "production" in done.stderr
    assert "staging" in done.stderr


def test_redeploy_waits_and_succeeds(terminal: Terminal, server: SandboxServer, access: dict[str, str]) -> None:
    server.fake.add_stack("web")
    done = terminal.run("redeploy", "web", environment=access)
    assert done.returncode == 0, done.stderr
    assert "succeeded after" in done.stdout


def test_redeploy_exits_with_1_when_the_action_fails(
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
        ({}, ["Cloud66(token=...)", "CLOUD66_ACCESS_TOKEN", "cloud66-async login"]),
        ({"CLOUD66_ACCESS_TOKEN": "to ken"}, ["character"]),
        ({"CLOUD66_ACCESS_TOKEN": "t", "CLOUD66_URL": "http://cloud66.example"}, ["https"]),
        ({"CLOUD66_ACCESS_TOKEN": "t", "CLOUD66_URL": "http://127.0.0.1:9"}, ["127.0.0.1"]),
    ],
)
def test_a_bad_setting_is_one_line(terminal: Terminal, environment: dict[str, str], words: list[str]) -> None:
    done = terminal.run("stacks", environment=environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_a_bad_token_says_what_to_do(terminal: Terminal, server: SandboxServer) -> None:
    done = terminal.run("stacks", environment={"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": "not-a-good-one"})
    assert done.returncode == 1
    assert "log in again" in done.stderr
    assert "not-a-good-one" not in done.stderr + done.stdout


def test_a_wrong_call_exits_with_2(terminal: Terminal) -> None:
    assert terminal.run("stacks", "--colour", "red").returncode == 2
