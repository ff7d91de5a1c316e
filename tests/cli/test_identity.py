"""The commands `whoami`, `accounts`, `quota` and `profiles`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.token import Token

from .conftest import TIMEOUT, Terminal
from .terminal import access_to, run_on_terminal

USES_THE_SDK = """
from cloud66_async import Cloud66
import asyncio
async def main():
    async with Cloud66() as c66:
        print((await c66.ping.check_token()).scope)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.add_stack("web")
        yield running


@pytest.fixture(scope="module")
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


def log_in(terminal: Terminal, server: SandboxServer, profile: str, scopes: list[str]) -> Token:
    """Store a login and return its token."""
    token = server.fake.add_token(scopes=scopes)
    arguments = ("login", "--token", "--profile", profile)
    done = terminal.run(*arguments, stdin=token.reveal(), environment={"CLOUD66_URL": server.url})
    assert done.returncode == 0, done.stderr
    return token


@pytest.mark.parametrize("columns", [80, 120])
def test_whoami_on_a_terminal(server: SandboxServer, access: Mapping[str, str], columns: int) -> None:
    shown = run_on_terminal(columns, "whoami", environment=access)
    assert shown.exit_code == 0
    assert max(map(len, shown.lines)) <= columns
    assert shown.lines[:3] == ["User     ada@example.com (id 101)", "Account  Acme (id 1)", f"Server   {server.url}"]
    end = access["CLOUD66_ACCESS_TOKEN"][-4:]
    assert shown.lines[3:5] == [
        f"Token    CLOUD66_ACCESS_TOKEN (ends in …{end})",
        "Scopes   public redeploy jobs users admin",
    ]
    assert re.fullmatch(r"Quota    3,\d{3} of 3,600 requests left until \d\d:00", shown.lines[5])
    assert access["CLOUD66_ACCESS_TOKEN"][:-4] not in shown.raw


def test_whoami_as_json_and_by_its_other_name(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str]
) -> None:
    done = terminal.run("auth", "status", "--json", environment=access)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["user_name"] == "ada@example.com"
    assert found["server"] == server.url
    assert (found["token_origin"], found["profile"]) == ("CLOUD66_ACCESS_TOKEN", None)
    assert found["scopes"] == ["public", "redeploy", "jobs", "users", "admin"]
    assert access["CLOUD66_ACCESS_TOKEN"][-4:] not in done.stdout


def test_whoami_tells_which_login_is_used(terminal: Terminal, server: SandboxServer) -> None:
    token = log_in(terminal, server, "work", ["public"])
    site = {"CLOUD66_URL": server.url}
    stored = terminal.run("whoami", environment={**site, "CLOUD66_PROFILE": "work"})
    assert f'Token    stored login, profile "work" (ends in …{token.reveal()[-4:]})' in stored.stdout
    assert f"File     {terminal.home}/config/cloud66-async/logins.json" in stored.stdout
    assert "Note" not in stored.stdout
    variable = {**site, "CLOUD66_ACCESS_TOKEN": server.fake.add_token().reveal()}
    assert "Note     CLOUD66_ACCESS_TOKEN is set and comes before the stored login" in (
        terminal.run("whoami", environment=variable).stdout
    )
    named = terminal.run("whoami", "--profile", "work", environment=variable)
    assert 'profile "work"' in named.stdout
    assert "Note     CLOUD66_ACCESS_TOKEN is set, but --profile comes first" in named.stdout


def test_whoami_without_a_login(terminal: Terminal, server: SandboxServer) -> None:
    done = terminal.run("whoami", environment={"CLOUD66_URL": server.url})
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: you are not logged in")


def test_profiles_are_listed_and_chosen(terminal: Terminal, server: SandboxServer) -> None:
    site = {"CLOUD66_URL": server.url}
    log_in(terminal, server, "default", ["public"])
    secret = log_in(terminal, server, "work", ["public", "jobs"]).reveal()

    def listed() -> list[tuple[str, str]]:
        lines = terminal.run("profiles", "--columns", "name,used", "--no-header", environment=site).stdout.splitlines()
        return [(name, used) for name, used in map(str.split, lines)]

    assert listed() == [("default", "true"), ("work", "false")]
    chosen = terminal.run("profiles", "use", "work", environment=site)
    assert (chosen.returncode, chosen.stdout) == (0, 'The profile "work" is used from now on\n')
    assert listed() == [("default", "false"), ("work", "true")]
    # Programs that use the SDK follow.
    program = [sys.executable, "-c", USES_THE_SDK]
    environment = {**terminal.environment, **site}
    used = subprocess.run(program, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=environment)
    assert used.stdout == "public jobs\n"
    # A login without a name replaces the one in use, and a logout ends its use.
    assert terminal.run("logout", environment=site).returncode == 0
    assert listed() == [("default", "true")]
    whole = terminal.run("profiles", environment=site)
    assert secret not in whole.stdout + whole.stderr


def test_profile_that_is_not_stored(terminal: Terminal, server: SandboxServer) -> None:
    site = {"CLOUD66_URL": server.url}
    nothing = terminal.run("profiles", "use", "work", environment=site)
    assert (nothing.returncode, nothing.stdout) == (3, "")
    log_in(terminal, server, "work", ["public"])
    similar = terminal.run("profiles", "use", "works", environment=site)
    assert (similar.returncode, similar.stdout) == (2, "")
    assert similar.stderr.splitlines() == [
        'error: no login is stored for the profile "works"',
        "  Did you mean work?",
    ]


def test_login_file_of_an_earlier_version_stays_valid(terminal: Terminal, server: SandboxServer) -> None:
    log_in(terminal, server, "default", ["public"])
    file = Path(terminal.home, "config", "cloud66-async", "logins.json")
    assert set(json.loads(file.read_text())) == {"version", "logins"}
    content = json.loads(file.read_text()) | {"defaults": ["invalid"]}
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, json.dumps(content).encode())
    os.close(descriptor)
    done = terminal.run("whoami", environment={"CLOUD66_URL": server.url})
    assert done.returncode == 1
    assert "invalid login file" in done.stderr


def test_accounts(terminal: Terminal, access: Mapping[str, str]) -> None:
    done = terminal.run("accounts", "--csv", "--columns", "id,name,owner,current", environment=access)
    assert (done.returncode, done.stdout) == (0, "id,name,owner,current\n1,Acme,ada@example.com,true\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_accounts_on_a_terminal(access: Mapping[str, str], columns: int) -> None:
    shown = run_on_terminal(columns, "accounts", environment=access)
    assert shown.exit_code == 0
    assert max(map(len, shown.lines)) <= columns
    assert shown.lines[0].split()[:4] == ["ID", "NAME", "OWNER", "STACKS"]
    assert shown.lines[1].split()[:3] == ["1", "Acme", "ada@example.com"]
    assert shown.lines[-1].startswith("1 account")


def test_quota(terminal: Terminal, access: Mapping[str, str]) -> None:
    done = terminal.run("quota", environment=access)
    assert re.fullmatch(
        r"Limit      3,600 requests an hour\nRemaining  3,\d{3} requests\nResets     \d\d:00\n", done.stdout
    )
    found = json.loads(terminal.run("quota", "--json", environment=access).stdout)
    assert found["limit"] == 3600
    assert 3000 < found["remaining"] < 3600
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", found["resets_at"])
