"""The example as its README line starts it: one command, one process, ended by ctrl-c."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.sandbox import consent

from .serving import EXAMPLE

PATIENCE = 60


class Running:
    """The example in a process group of its own, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""

    def wait_for(self, pattern: str) -> str:
        while (found := re.search(pattern, self.output)) is None:
            self._read_line()
        return found[1]

    def end(self) -> int:
        """Press ctrl-c."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.output += self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode

    def _read_line(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"it ended: {self.output}")
        self.output += line


@pytest.fixture
def example() -> Generator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, EXAMPLE / "run.py"],
        env={**os.environ, "PORT": str(port), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


async def test_one_command_serves_it_and_ctrl_c_ends_it(example: Running) -> None:
    url = example.wait_for(r"The dashboard: (\S+)")
    example.wait_for("(Uvicorn running)")
    async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        begun = await browser.get("/login")
        callback = await consent(begun.headers["location"])
        page = await browser.get(callback, follow_redirects=True)
        stacks = (await browser.get("/api/stacks")).json()
    assert page.status_code == 200
    assert len(stacks) == 40
    assert example.end() == 0
    assert "/callback?(hidden)" in example.output
    assert "Traceback" not in example.output
    secrets = parse_qs(urlsplit(callback).query)
    for secret in (*secrets["code"], *secrets["state"]):
        assert secret not in example.output
