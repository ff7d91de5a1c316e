"""The commands `login` and `logout`, with a script in place of the browser."""

from __future__ import annotations

import shlex
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloud66_async.sandbox import SandboxServer
from cloud66_async.token import Token

from .conftest import PROGRAM, Terminal, browser_command


def browser(terminal: Terminal, decision: str) -> dict[str, str]:
    return {"BROWSER": browser_command(terminal, decision)}


def stored(terminal: Terminal) -> Path:
    return terminal.home / "config" / "cloud66-async" / "logins.json"


def newest_token(server: SandboxServer) -> Token:
    return server.fake.tokens[-1].token


def test_login_through_a_browser_then_stacks_then_logout(
    terminal: Terminal, server: SandboxServer, application: dict[str, str]
) -> None:
    server.fake.add_stack("web")
    done = terminal.run("login", environment={**application, **browser(terminal, "authorize")})
    assert done.returncode == 0, done.stderr
    token = newest_token(server).reveal()
    assert stat.S_IMODE(stored(terminal).stat().st_mode) == 0o600
    assert stat.S_IMODE(stored(terminal).parent.stat().st_mode) == 0o700
    assert token in stored(terminal).read_text()
    for secret in (token, application["CLOUD66_CLIENT_SECRET"]):
        assert secret not in done.stdout + done.stderr

    listed = terminal.run("stacks", environment={"CLOUD66_URL": server.url})
    assert listed.returncode == 0, listed.stderr
    assert "web" in listed.stdout

    logged_out = terminal.run("logout", environment=application)
    assert logged_out.returncode == 0, logged_out.stderr
    assert "was revoked" in logged_out.stdout
    assert server.fake.tokens[-1].revoked
    assert token not in stored(terminal).read_text()
    assert terminal.run("stacks", environment={"CLOUD66_URL": server.url}).returncode == 3


@pytest.mark.parametrize(("options", "scopes"), [([], ("public", "redeploy")), (["--scope", "public"], ("public",))])
def test_login_requests_the_scopes_that_the_commands_need(
    terminal: Terminal,
    server: SandboxServer,
    application: dict[str, str],
    options: list[str],
    scopes: tuple[str, ...],
) -> None:
    done = terminal.run("login", *options, environment={**application, **browser(terminal, "authorize")})
    assert done.returncode == 0, done.stderr
    assert server.fake.tokens[-1].scopes == scopes


def test_login_is_not_used_for_another_server(
    terminal: Terminal, server: SandboxServer, application: dict[str, str]
) -> None:
    terminal.run("login", environment={**application, **browser(terminal, "authorize")})
    elsewhere = terminal.run("stacks", environment={"CLOUD66_URL": "http://127.0.0.1:9"})
    assert elsewhere.returncode == 3
    assert "you are not logged in" in elsewhere.stderr


def test_denied_login_is_an_error_without_a_token_request(
    terminal: Terminal, server: SandboxServer, application: dict[str, str]
) -> None:
    done = terminal.run("login", environment={**application, **browser(terminal, "deny")})
    assert done.returncode == 1
    assert server.fake.calls("oauth.token") == 0
    assert not stored(terminal).exists()


def test_login_with_a_pasted_code(terminal: Terminal, server: SandboxServer, application: dict[str, str]) -> None:
    script = terminal.home / "paste.py"
    script.write_text(
        "import asyncio, os, re, subprocess, sys\n"
        "from cloud66_async.sandbox import consent\n"
        "from urllib.parse import parse_qs, urlsplit\n"
        "process = subprocess.Popen([sys.executable, '-c', 'from cloud66_async.cli import main; main()', 'login',"
        " '--no-browser'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "for line in process.stdout:\n"
        "    if line.startswith('http'):\n"
        "        break\n"
        "target = asyncio.run(consent(line.strip()))\n"
        "code = parse_qs(urlsplit(target).query)['code'][0]\n"
        "process.communicate(code + '\\n', timeout=30)\n"
        "sys.exit(process.returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**terminal.environment, **application},
        cwd=terminal.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert newest_token(server).reveal() in stored(terminal).read_text()


def test_personal_token_is_stored_under_a_profile(terminal: Terminal, server: SandboxServer) -> None:
    server.fake.add_stack("web")
    token = server.fake.add_token().reveal()
    site = {"CLOUD66_URL": server.url}
    done = terminal.run("login", "--token", "--profile", "work", stdin=f"{token}\n", environment=site)
    assert done.returncode == 0, done.stderr
    assert token not in done.stdout + done.stderr
    assert terminal.run("stacks", environment=site).returncode == 3
    assert terminal.run("stacks", "--profile", "work", environment=site).returncode == 0
    # An explicit profile takes precedence over the token in the environment.
    other = terminal.run("stacks", "--profile", "none", environment={**site, "CLOUD66_ACCESS_TOKEN": token})
    assert other.returncode == 3
    assert "'none'" in other.stderr


def test_login_without_an_application_tells_what_to_do(terminal: Terminal) -> None:
    done = terminal.run("login")
    assert done.returncode == 1
    assert "CLOUD66_CLIENT_ID" in done.stderr
    assert "--token" in done.stderr


def test_logout_without_a_stored_login(terminal: Terminal) -> None:
    done = terminal.run("logout")
    assert done.returncode == 1
    assert "no login is stored" in done.stderr


def test_logout_deletes_the_login_if_the_revocation_fails(
    terminal: Terminal, server: SandboxServer, application: dict[str, str]
) -> None:
    terminal.run("login", environment={**application, **browser(terminal, "authorize")})
    token = newest_token(server).reveal()
    server.fake.faults.fail(
        500, operation="oauth.revoke", times=10, body=f'{{"error":"x","error_description":"{token}"}}'.encode()
    )
    done = terminal.run("logout", environment=application)
    assert done.returncode == 0, done.stderr
    assert "was not revoked" in done.stdout
    assert server.fake.calls("oauth.revoke") == 1
    assert not server.fake.tokens[-1].revoked
    assert token not in done.stdout + done.stderr + stored(terminal).read_text()


def test_printed_url_leads_to_the_consent_page(terminal: Terminal, application: dict[str, str]) -> None:
    command = [*PROGRAM, "login", "--timeout", "30"]
    environment = {**terminal.environment, **application, "BROWSER": "true", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, cwd=terminal.home, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url: str = next(line.strip() for line in process.stdout if line.startswith("http"))
        # "true" does not open it. The URL redirects once, so that no process shows the state in its arguments.
        assert urlsplit(url).hostname == "127.0.0.1"
        assert "state" not in url
        script = shlex.split(browser_command(terminal, "authorize").replace("%s", url))
        subprocess.run(script, check=True, timeout=30)
        assert process.wait(60) == 0
