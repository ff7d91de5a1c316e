"""`cloud66-async login` as a process, with third-party servers."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..cli.conftest import Terminal
from .browser import Browser, code_on
from .conftest import Vault
from .provider import NODE, RAILS, Provider, secret_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("provider", [RAILS, NODE], indirect=True, ids=lambda kind: kind.name),
]

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from cloud66_async.cli import main; main()"]

# The actions of a user with a browser: open the page, submit it, follow the redirect.
SCRIPT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.providers.browser import Browser

async def main():
    browser = Browser({user!r})
    await browser.visit((await browser.{decision}(sys.argv[1])).url)

asyncio.run(main())
"""


@pytest.fixture
def transport() -> str:
    """Use the SDK's pool: the command line has no other transport."""
    return "own"


@pytest.fixture
def terminal(tmp_path: Path, provider: Provider) -> Terminal:
    terminal = Terminal(tmp_path)
    terminal.environment |= {
        "CLOUD66_URL": provider.url,
        "CLOUD66_CLIENT_ID": "app",
        "CLOUD66_CLIENT_SECRET": secret_of("app"),
    }
    return terminal


def with_browser(terminal: Terminal, user: str, decision: str) -> dict[str, str]:
    script = terminal.home / "browser.py"
    script.write_text(SCRIPT.format(root=str(ROOT), user=user, decision=decision))
    return {"BROWSER": f"{sys.executable} {script} %s"}


def stored_token(terminal: Terminal) -> str | None:
    path = terminal.home / "config" / "cloud66-async" / "logins.json"
    found = re.search(r'"access_token": *"([^"]+)"', path.read_text()) if path.exists() else None
    return found and found[1]


def output_of(*done: subprocess.CompletedProcess[str]) -> str:
    return "".join(each.stdout + each.stderr for each in done)


def test_login_stacks_and_logout(terminal: Terminal, browser: Browser, vault: Vault) -> None:
    done = terminal.run("login", environment=with_browser(terminal, browser.user, "consent"))
    assert done.returncode == 0, done.stderr
    token = stored_token(terminal)
    assert token is not None
    vault.add(token)
    listed = terminal.run("stacks")
    assert listed.returncode == 0, listed.stderr
    assert browser.user in listed.stdout
    left = terminal.run("logout")
    assert left.returncode == 0, left.stderr
    assert "was revoked" in left.stdout
    assert stored_token(terminal) is None
    rejected = terminal.run("stacks", environment={"CLOUD66_ACCESS_TOKEN": token})
    assert rejected.returncode == 3
    assert "Cloud 66 does not accept this token" in rejected.stderr
    assert vault.found_in(output_of(done, listed, left, rejected)) == set()


def test_denied_access(terminal: Terminal, browser: Browser) -> None:
    done = terminal.run("login", environment=with_browser(terminal, browser.user, "deny"))
    assert done.returncode == 1
    assert "access was refused" in done.stderr
    assert stored_token(terminal) is None


def test_wrong_client_secret(terminal: Terminal, browser: Browser, vault: Vault) -> None:
    vault.add(wrong := secret_of("wrong"))
    environment = {"CLOUD66_CLIENT_SECRET": wrong, **with_browser(terminal, browser.user, "consent")}
    done = terminal.run("login", environment=environment)
    assert done.returncode == 1
    assert "invalid_client" in done.stderr
    assert vault.found_in(output_of(done)) == set()


def test_login_with_pasted_code(provider: Provider, terminal: Terminal, browser: Browser, vault: Vault) -> None:
    if not provider.kind.out_of_band:
        pytest.skip("this server has no page that shows the code")
    process = subprocess.Popen(
        [*PROGRAM, "login", "--no-browser"],
        env=terminal.environment,
        cwd=terminal.home,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url = next(line for line in process.stdout if line.startswith("http"))
        code = code_on(asyncio.run(browser.consent(url.strip())))
        vault.add(code)
        output, errors = process.communicate(f"{code}\n", timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    vault.add(token := stored_token(terminal))
    assert token is not None
    assert vault.found_in(output + errors) == set()
