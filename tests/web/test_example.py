"""The example as its README line starts it: one command, one process, ended by ctrl-c."""

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
    """The callback's address, and the names of the stacks that are seen after it."""
    url = example.wait_for(r"The dashboard: (\S+)")
    example.wait_for("(Uvicorn running)")
    async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        begun = await browser.get("/login")
        callback = await consent(begun.headers["location"])
        page = await browser.get(callback, follow_redirects=True)
        assert page.status_code == 200
        return callback, [stack["name"] for stack in (await browser.get("/api/stacks")).json()]


async def test_one_command_serves_it_and_ctrl_c_ends_it() -> None:
    with running() as example:
        callback, stacks = await log_in(example)
        assert len(stacks) == 40
        assert example.end() == 0
    assert "/callback?(hidden)" in example.output
    assert "Traceback" not in example.output
    secrets = parse_qs(urlsplit(callback).query)
    for secret in (*secrets["code"], *secrets["state"]):
        assert secret not in example.output


async def test_the_environment_names_another_cloud66() -> None:
    with SandboxServer() as server:
        server.fake.add_stack("elsewhere")
        address = "https://dash.example"
        application = server.fake.add_application(client_id="mine", redirect_urls=[f"{address}/callback"])
        with running(
            CLOUD66_URL=server.url,
            CLOUD66_CLIENT_ID=application.client_id,
            CLOUD66_CLIENT_SECRET=application.client_secret,
            DASHBOARD_URL=address,
        ) as example:
            # It believes that it stands behind a proxy which speaks TLS.
            assert example.wait_for(r"The dashboard: (\S+)") == address
            url = example.wait_for(r"Uvicorn running on (\S+)")
            async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
                begun = await browser.get("/login")
                callback = await consent(begun.headers["location"])
                assert callback.startswith(f"{address}/callback?")
                sealed = begun.headers["set-cookie"].partition(";")[0]
                done = await browser.get(callback.removeprefix(address), headers={"cookie": sealed})
                session = done.headers["set-cookie"].partition(";")[0]
                stacks = await browser.get("/api/stacks", headers={"cookie": session})
            assert [stack["name"] for stack in stacks.json()] == ["elsewhere"]
            assert example.end() == 0
