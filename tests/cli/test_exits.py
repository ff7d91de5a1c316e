"""Exit codes, and what errors tell the user. Colors, and warnings of the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from cloud66_async.cli.exits import FAILED, NOT_LOGGED_IN, THROTTLED, UNFINISHED, worst
from cloud66_async.cli.terminal.console import has_colors
from cloud66_async.cli.terminal.streams import Stream
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .answers import answering
from .conftest import Terminal

UNKNOWN = "0" * 32


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.add_stack("web")
        yield running


@pytest.fixture
def access(server: SandboxServer) -> Mapping[str, str]:
    return {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": server.fake.add_token(scopes=["public"]).reveal()}


def test_token_that_is_refused_is_named_by_its_origin(terminal: Terminal, server: SandboxServer) -> None:
    given = terminal.run("stacks", environment={"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": "revoked-one"})
    assert given.returncode == NOT_LOGGED_IN
    assert given.stderr == (
        "error: Cloud 66 does not accept this token (from CLOUD66_ACCESS_TOKEN)\n"
        "  Correct or unset CLOUD66_ACCESS_TOKEN, then: cloud66-async login\n"
    )
    token = server.fake.add_token()
    site = {"CLOUD66_URL": server.url}
    assert terminal.run("login", "--token", stdin=token.reveal(), environment=site).returncode == 0
    server.fake.revoke(token)
    stored = terminal.run("stacks", environment=site)
    assert stored.returncode == NOT_LOGGED_IN
    assert stored.stderr == (
        'error: Cloud 66 does not accept this token (from stored login, profile "default")\n'
        "  Log in: cloud66-async login\n"
    )


def test_missing_scope_names_those_of_the_login(terminal: Terminal, server: SandboxServer) -> None:
    home = terminal.home / "config" / "cloud66-async"
    home.mkdir(mode=0o700, parents=True)
    file = home / "logins.json"
    token = server.fake.add_token(scopes=["public"]).reveal()
    login = f'{{"access_token": "{token}", "scopes": ["public"], "expires_at": null}}'
    file.write_text(f'{{"version": 1, "logins": {{"{server.url}": {{"default": {{"": {login}}}}}}}}}')
    file.chmod(0o600)
    done = terminal.run("accounts", environment={"CLOUD66_URL": server.url})
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == (
        'error: this token lacks the scope "users"; it has public\n  Log in: cloud66-async login --scope public,users\n'
    )


def test_missing_scope_of_a_token_in_the_environment(terminal: Terminal, access: Mapping[str, str]) -> None:
    done = terminal.run("accounts", environment=access)
    assert done.returncode == FAILED
    assert done.stderr.splitlines() == [
        'error: this token lacks the scope "users"',
        "  Set CLOUD66_ACCESS_TOKEN to a token with this scope, or unset it and log in with --scope public,users",
    ]


def test_quota_that_is_used_up_tells_when_there_is_more(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str]
) -> None:
    server.fake.faults.throttle(times=9, allow_unused=True)
    try:
        done = terminal.run("accounts", environment=access)
    finally:
        server.fake.faults.clear()
    assert done.returncode == THROTTLED
    assert re.fullmatch(r"error: the hourly quota is used up; more at \d\d:\d\d, in \d+m\n", done.stderr)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:9", "cannot reach 127.0.0.1:9 (connection refused)"),
        ("https://nowhere.invalid", r"cannot reach nowhere\.invalid \([a-z ]+\)"),
    ],
)
def test_server_that_cannot_be_reached(terminal: Terminal, url: str, text: str) -> None:
    done = terminal.run("quota", environment={"CLOUD66_URL": url, "CLOUD66_ACCESS_TOKEN": "t"})
    assert done.returncode == FAILED
    first, advice = done.stderr.splitlines()
    assert re.fullmatch(f"error: {text.replace('(c', '[(]c').replace('d)', 'd[)]')}", first)
    assert advice == "  Find out why: cloud66-async doctor"


def test_what_is_not_found_is_told_without_the_path(terminal: Terminal, access: Mapping[str, str]) -> None:
    done = terminal.run("api", "GET", f"/stacks/{UNKNOWN}.json", environment=access)
    assert done.returncode == FAILED
    assert done.stderr == "error: not found: There is no such stack, or you do not have access to it\n"
    shown = terminal.run("api", "GET", f"/stacks/{UNKNOWN}.json", "--debug", environment=access)
    assert re.search(r"access to it \(request [0-9a-f-]{36}\)\n$", shown.stderr)
    assert access["CLOUD66_ACCESS_TOKEN"] not in shown.stderr


def test_number_of_the_request_is_shown_if_the_server_fails(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str]
) -> None:
    server.fake.faults.fail(500, operation="stacks.redeploy")
    path = f"/stacks/{next(iter(server.fake.world.stacks))}/deployments.json"
    done = terminal.run("api", "POST", path, environment=access)
    server.fake.faults.clear()
    assert done.returncode == FAILED
    assert re.search(r"^error: Cloud 66 answered 500: .* \(request [0-9a-f-]{36}\)$", done.stderr, re.MULTILINE)


@pytest.mark.parametrize("filters", ["default", "error", "ignore"])
def test_warnings_of_the_api_are_lines_for_people(terminal: Terminal, filters: str) -> None:
    body = b'{"response":[],"count":0,"pagination":{"previous":null,"next":null,"current":1}}'
    with answering(body, {"X-Cloud66-Warning": "This version ends soon"}) as url:
        environment = {"CLOUD66_URL": url, "CLOUD66_ACCESS_TOKEN": "t", "PYTHONWARNINGS": filters}
        done = terminal.run("stacks", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == "Cloud 66 says: This version ends soon\n"


def test_failure_comes_before_time_that_is_up() -> None:
    assert worst([0, THROTTLED, UNFINISHED, FAILED]) == FAILED
    assert worst([THROTTLED, 0, UNFINISHED]) == UNFINISHED
    assert worst([0, THROTTLED]) == THROTTLED
    assert worst([]) == 0


class Screen(Stream):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "terminal_has", "pipe_has"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colors_follow_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], terminal_has: bool, pipe_has: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_colors(Screen(None)) is terminal_has
    assert has_colors(Stream(None)) is pipe_has
