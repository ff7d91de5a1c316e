"""Fixtures that run the command line as a separate process, with an empty home directory, against a local sandbox."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

TIMEOUT = 60
PROGRAM = (sys.executable, "-c", "from cloud66_async.cli import main; main()")


# Stands in for the user and their browser: opens the page, presses a button, follows the redirect, and may stay open.
_BROWSER = """
import asyncio, os, sys, time, urllib.error, urllib.request
from cloud66_async.sandbox import consent

class Stop(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None

try:
    urllib.request.build_opener(Stop).open(sys.argv[1], timeout=10)
except urllib.error.HTTPError as response:
    page = response.headers["Location"]
target = asyncio.run(consent(page, decision={decision!r}))
try:
    urllib.request.urlopen(target, timeout=10).read()
except urllib.error.HTTPError:
    pass
if {stays}:
    os.closerange(0, 3)
    while not os.path.exists("closed"):
        time.sleep(0.05)
"""


def browser_command(terminal: Terminal, decision: str = "authorize", *, stays: bool = False) -> str:
    """Return the value of BROWSER for a browser that decides. If it stays, a file `closed` closes it."""
    script = terminal.home / "browser.py"
    script.write_text(_BROWSER.format(decision=decision, stays=stays))
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} %s"


class Terminal:
    """Runner for `cloud66-async` with piped output."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "COLUMNS": "100",
            "PYTHONWARNINGS": "error",
            "CLOUD66_POOL": os.environ.get("CLOUD66_POOL", ""),
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
        }

    def run(
        self, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env={**self.environment, **(environment or {})},
            cwd=self.home,
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=1.5)) as running:
        yield running


@pytest.fixture
def application(server: SandboxServer) -> dict[str, str]:
    """Return the environment of the command line for an application that is registered at the server."""
    registered = server.fake.add_application()
    return {
        "CLOUD66_URL": server.url,
        "CLOUD66_CLIENT_ID": registered.client_id,
        "CLOUD66_CLIENT_SECRET": registered.client_secret,
    }
