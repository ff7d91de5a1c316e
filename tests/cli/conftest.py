"""Fixtures that run the command line as a separate process, with an empty home directory, against a local sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

TIMEOUT = 60
PROGRAM = (sys.executable, "-c", "from cloud66_async.cli import main; main()")


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
