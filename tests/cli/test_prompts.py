"""Prompts on a terminal: Ctrl+C, empty input, and a browser that does not return."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async.sandbox import SandboxServer, consent

from .conftest import PROGRAM, TIMEOUT, Terminal, browser_command
from .test_login import stored

pytest.importorskip("termios")

from ..pseudo_terminal import PseudoTerminal

Start = Callable[[list[str], Mapping[str, str]], PseudoTerminal]


@pytest.fixture
def start(terminal: Terminal, request: pytest.FixtureRequest) -> Start:
    def run(arguments: list[str], environment: Mapping[str, str]) -> PseudoTerminal:
        started = PseudoTerminal(
            [*PROGRAM, *arguments], environment={**terminal.environment, **environment}, directory=terminal.home
        )
        request.addfinalizer(started.close)
        return started

    return run


def identity_lines(server: SandboxServer, scopes: str) -> list[str]:
    """Return the lines with which a login ends."""
    return ["User     ada@example.com (id 101)", "Account  Acme (id 1)", f"Server   {server.url}", f"Scopes   {scopes}"]


PROMPTS = {
    "token": (["login", "--token"], "access token: ", True),
    "secret": (["login"], "Client secret: ", False),
    "code": (["login", "--no-browser"], "Code: ", True),
    "logout": (["logout"], "Client secret: ", False),
}


@pytest.fixture(params=PROMPTS)
def prompt(
    request: pytest.FixtureRequest,
    start: Start,
    terminal: Terminal,
    application: dict[str, str],
    server: SandboxServer,
) -> PseudoTerminal:
    arguments, text, has_secret = PROMPTS[request.param]
    environment = dict(application)
    if request.param == "logout":
        token = server.fake.add_token().reveal()
        terminal.run("login", "--token", stdin=f"{token}\n", environment=application)
    if not has_secret:
        del environment["CLOUD66_CLIENT_SECRET"]
    started = start(arguments, environment)
    started.wait_for_prompt(text)
    return started


def test_ctrl_c_at_a_prompt(prompt: PseudoTerminal, terminal: Terminal) -> None:
    before = stored(terminal).read_text() if stored(terminal).exists() else None
    prompt.type("typed\x03")
    assert prompt.exit_code() == 130
    assert prompt.echoes
    assert "Interrupted" in prompt.shown
    assert "Traceback" not in prompt.shown
    assert (stored(terminal).read_text() if stored(terminal).exists() else None) == before


@pytest.mark.parametrize("keys", ["\n", "  \n", "\x04"], ids=["enter", "spaces", "ctrl-d"])
def test_empty_input_is_refused_immediately(prompt: PseudoTerminal, keys: str) -> None:
    prompt.type(keys)
    assert prompt.exit_code() in (0, 1)
    assert prompt.echoes
    assert "the input was empty" in prompt.shown
    assert "Traceback" not in prompt.shown
    # A logout deletes the login in any case.
    assert prompt.exit_code() == (0 if "Login deleted" in prompt.shown else 1)


def test_pasted_code_is_not_echoed(start: Start, application: dict[str, str], server: SandboxServer) -> None:
    started = start(["login", "--no-browser"], application)
    started.wait_for_prompt("Code: ")
    url = next(line for line in started.shown.splitlines() if line.startswith("http"))
    code = parse_qs(urlsplit(asyncio.run(consent(url))).query)["code"][0]
    started.type(f"{code}\n")
    assert started.exit_code() == 0, started.shown
    assert code not in started.shown
    assert started.shown.splitlines()[-4:] == identity_lines(server, "public redeploy")


def test_browser_that_stays_open_does_not_delay_the_login(
    terminal: Terminal, server: SandboxServer, application: dict[str, str]
) -> None:
    environment = {**terminal.environment, **application, "BROWSER": browser_command(terminal, stays=True)}
    output = terminal.home / "output.txt"  # not a pipe, which the browser would keep open
    with output.open("w") as file:
        command = [*PROGRAM, "login", "--timeout", "50"]
        try:
            done = subprocess.run(
                command, env=environment, cwd=terminal.home, stdout=file, stderr=file, timeout=TIMEOUT, check=False
            )
        finally:
            (terminal.home / "closed").touch()
    assert done.returncode == 0, output.read_text()
    assert f"Server   {server.url}" in output.read_text()


@pytest.mark.parametrize("program", ["/nonexistent/browser", "'", "'%s", '"%s', "%s\\"])
def test_browser_that_does_not_start_prints_the_url(
    terminal: Terminal, application: dict[str, str], program: str
) -> None:
    done = terminal.run("login", "--timeout", "0.5", environment={**application, "BROWSER": program})
    assert done.returncode == 1
    assert "http://127.0.0.1:" in done.stdout
    assert "no callback received" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_while_a_browser_runs_in_the_foreground(start: Start, application: dict[str, str]) -> None:
    started = start(["login"], {**application, "BROWSER": "sh -c 'echo opened; sleep 60' %s"})
    started.wait_for("opened")
    started.type("\x03")  # reaches every process of the terminal
    assert started.exit_code() == 130
    assert "Interrupted" in started.shown
    assert "Traceback" not in started.shown


def test_personal_token_is_checked_once_before_it_is_stored(terminal: Terminal, server: SandboxServer) -> None:
    site = {"CLOUD66_URL": server.url}
    refused = terminal.run("login", "--token", stdin="an-invalid-token\n", environment=site)
    assert refused.returncode == 3
    assert "error:" in refused.stderr
    assert "an-invalid-token" not in refused.stderr + refused.stdout
    assert not stored(terminal).exists()
    before, checks = server.fake.calls(), server.fake.calls("ping.check_token")
    token = server.fake.add_token().reveal()
    done = terminal.run("login", "--token", stdin=f"{token}\n", environment=site)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == identity_lines(server, "public redeploy jobs users admin")
    assert server.fake.calls() == before + 1
    assert server.fake.calls("ping.check_token") == checks + 1


def test_personal_token_is_not_stored_if_the_api_is_unreachable(terminal: Terminal) -> None:
    done = terminal.run("login", "--token", stdin="some-token\n", environment={"CLOUD66_URL": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert not stored(terminal).exists()


@pytest.mark.parametrize("text", [b"\xff\xfe\n", b"", b"\n"])
def test_unreadable_or_empty_pipe(terminal: Terminal, text: bytes) -> None:
    done = subprocess.run(
        [*PROGRAM, "login", "--token"],
        input=text,
        env=terminal.environment | {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:strict"},
        cwd=terminal.home,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"personal access token" in done.stderr


def test_token_that_was_issued_but_not_stored_is_reported(
    terminal: Terminal, server: SandboxServer, application: dict[str, str]
) -> None:
    (terminal.home / "config").write_text("not a directory")
    done = terminal.run("login", environment={**application, "BROWSER": browser_command(terminal)})
    assert done.returncode == 1
    assert "was issued but not stored" in done.stderr
    assert "Traceback" not in done.stderr
