"""The examples with several processes, each started by its command."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.sandbox import consent

from .servers import RedisServer, free_port, require_package, require_program

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
WORKERS = 3
SECONDS = 200


@contextmanager
def example(**environment: str) -> Generator[str]:
    """Run the example and return its URL. Ctrl+C ends all of its processes."""
    require_package("fastapi", "test")
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "workers" / "serve_workers.py"],
        env={**os.environ, "PORT": str(free_port()), "WEB_CONCURRENCY": str(WORKERS), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            shown = ""
            while (found := re.search(r"Workers:  (\S+)", shown)) is None:
                line = process.stdout.readline()
                assert line, shown
                shown += line
            yield found[1]
            os.killpg(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, rest
            assert "Traceback" not in rest
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


async def visit(url: str) -> None:
    """Log in once, and load the page until two workers have answered."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=SECONDS) as browser:
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    started = await browser.get("/login")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        page = await browser.get(await consent(started.headers["location"]), follow_redirects=True)
        assert page.status_code == 200
        workers: set[str] = set()
        async with asyncio.timeout(SECONDS):
            while len(workers) < 2:
                # A new connection each time: the kernel gives it to any of the workers.
                page = await browser.get("/", headers={"Connection": "close"})
                assert (page.status_code, "<h1>40 stacks</h1>" in page.text) == (200, True)
                workers.update(re.findall(r"Worker (\d+)", page.text))


async def test_with_the_servers_that_it_starts() -> None:
    require_package("redis", "redis")
    require_package("aiosqlite", "sql")
    require_program("redis-server", "redis-server", "/usr/sbin")
    with example() as url:
        await visit(url)


async def test_with_redis_and_postgresql_that_run_already(redis_server: RedisServer, postgres_url: str) -> None:
    with example(REDIS_URL=redis_server.patient_url, DATABASE_URL=postgres_url) as url:
        await visit(url)


def test_cluster(redis_server: RedisServer, tmp_path: Path) -> None:
    require_package("distributed", "dask")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "cluster" / "health.py"],
        env={**os.environ, "REDIS_URL": redis_server.patient_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["healthy", "190", "impaired", "10"]), done.stderr
    assert "21/21" in done.stderr
    assert "Traceback" not in done.stderr
