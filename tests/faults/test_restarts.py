"""A client behind nginx, while nginx and the server behind it restart: every call ends, and no write is doubled."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cloud66_async import Cloud66, Retry, Timeouts
from cloud66_async.sandbox import SandboxServer

from ..conftest import PoolName
from ..pool.test_connector import closed_port
from ..pool.test_real_servers import nginx_configuration, running
from .chaos import ChaosSandbox
from .chaos_client import HurriedClock
from .load import Load, slow_writes

pytestmark = pytest.mark.slow
pytest.importorskip("uvicorn", reason="the sandbox's server needs the extra `sandbox`")

WORKERS = 8
STEP = 100
"""Operations between two restarts."""


class Front:
    """nginx with TLS as a reverse proxy, which can be killed and started again."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder = folder
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            pytest.skip("nginx is not installed")
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(folder / "chain.pem"), append=True)
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)  # pyright: ignore[reportUnknownMemberType]
        self.port = closed_port()
        text = nginx_configuration(folder, closed_port(), self.port)
        text = text.replace("access_log off;", "access_log off; limit_req_zone $server_port zone=all:1m rate=300r/s;")
        location = f"""
            keepalive_timeout 1s; location /api/ {{
                limit_req zone=all burst=20 nodelay; proxy_pass http://127.0.0.1:{upstream};
                proxy_http_version 1.1; proxy_set_header Connection "";
            }}
            location /teapot"""
        (folder / "nginx.conf").write_text(text.replace("location /teapot", location))
        self._command = [program, "-c", str(folder / "nginx.conf")]
        self._running = running(self._command, self.port, tls=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._running = running(self._command, self.port, tls=True)
        self._running.__enter__()

    def stop(self) -> None:
        self._running.__exit__(None, None, None)

    def kill_workers(self) -> None:
        """Kill the processes that serve requests, which nginx replaces: every connection is reset."""
        master = (self.folder / "pid").read_text().strip()
        subprocess.run(["pkill", "-KILL", "-P", master], check=False)


@pytest.fixture
def upstream() -> Iterator[SandboxServer]:
    with SandboxServer(ChaosSandbox()) as server:
        yield server


@pytest.fixture
def front(upstream: SandboxServer, tmp_path: Path) -> Iterator[Front]:
    found = Front(tmp_path, int(upstream.url.rpartition(":")[2]))
    found.start()
    yield found
    found.stop()


async def test_restarts_under_load(front: Front, upstream: SandboxServer, transport: PoolName) -> None:
    fake = upstream.fake
    assert isinstance(fake, ChaosSandbox)
    slow_writes(fake)
    load = Load([fake.add_stack(f"s{number}").uid for number in range(10)], step=STEP)
    async with Cloud66(
        fake.add_token(), url=front.url, tls=front.tls, pool=transport, clock=HurriedClock(), limit=WORKERS,
        retry=Retry(attempts=5, base=1), timeout=Timeouts(connect=2, read=2, total=10),
    ) as c66:  # fmt: skip
        workers = [asyncio.create_task(load.work(c66)) for _ in range(WORKERS)]
        await load.more()
        for interrupt, resume in (
            (front.stop, front.start), (front.kill_workers, lambda: None), (upstream.stop, upstream.start),
        ):  # fmt: skip
            await asyncio.to_thread(interrupt)
            await asyncio.to_thread(resume)
            await load.more()
        load.stopped = True
        await asyncio.gather(*workers)
        await asyncio.sleep(1.1)  # longer than nginx keeps an idle connection
        assert (await c66.environment_variables.create(load.uids[0], "LAST", value="x")).stack == load.uids[0]
    assert load.wrong(fake.applied) == []
