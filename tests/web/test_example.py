"""The example application, started by the command in the README and stopped by Ctrl+C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.sandbox import SandboxServer, consent

from .serving import EXAMPLE

TIMEOUT = 60


class Running:
    """The example in its own process group, and its output."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""

    def wait_for(self, pattern: str) -> str:
        while (found := re.search(pattern, self.output)) is None:
            self._read_line()
        return found[1]

    def stop(self) -> int:
        """Send Ctrl+C and return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.output += self.process.communicate(timeout=TIMEOUT)[0]
        return self.process.returncode

    def _read_line(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the example exited: {self.output}")
        self.output += line


@contextmanager
def running(**environment: str) -> Generator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, EXAMPLE / "run.py"],
        env={**os.environ, "PORT": str(port), "PYTHONUNBUFFERED": "1", **environment},
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


async def log_in(example: Running) -> tuple[str, list[str]]:
    """Log in, and return the callback URL and the names of the visible stacks."""
    url = example.wait_for(r"Dashboard: (\S+)")
    example.wait_for("(Uvicorn running)")
    async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        started = await browser.get("/login")
        callback = await consent(started.headers["location"])
        page = await browser.get(callback, follow_redirects=True)
        assert page.status_code == 200
        return callback, [stack["name"] for stack in (await browser.get("/api/stacks")).json()]


async def test_one_command_starts_it_and_ctrl_c_stops_it() -> None:
    with running() as example:
        callback, stacks = await log_in(example)
        assert len(stacks) == 40
        assert example.stop() == 0
    assert "/callback?(hidden)" in example.output
    assert "Traceback" not in example.output
    secrets = parse_qs(urlsplit(callback).query)
    for secret in (*secrets["code"], *secrets["state"]):
        assert secret not in example.output


async def test_environment_selects_another_server() -> None:
    with SandboxServer() as server:
        server.fake.add_stack("elsewhere")
        origin = "https://dash.example"
        application = server.fake.add_application(client_id="mine", redirect_urls=[f"{origin}/callback"])
        with running(
            CLOUD66_URL=server.url,
            CLOUD66_CLIENT_ID=application.client_id,
            CLOUD66_CLIENT_SECRET=application.client_secret,
            DASHBOARD_URL=origin,
        ) as example:
            # As if it were behind a proxy that terminates TLS.
            assert example.wait_for(r"Dashboard: (\S+)") == origin
            url = example.wait_for(r"Uvicorn running on (\S+)")
            async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
                started = await browser.get("/login")
                callback = await consent(started.headers["location"])
                assert callback.startswith(f"{origin}/callback?")
                cookie = started.headers["set-cookie"].partition(";")[0]
                done = await browser.get(callback.removeprefix(origin), headers={"cookie": cookie})
                session = done.headers["set-cookie"].partition(";")[0]
                stacks = await browser.get("/api/stacks", headers={"cookie": session})
            assert [stack["name"] for stack in stacks.json()] == ["elsewhere"]
            assert example.stop() == 0
