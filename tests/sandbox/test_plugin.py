"""The pytest plugin in test suites of users, each in a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import anyio, asyncio, pytest


async def test_redeploy(cloud66):
    stack = cloud66.add_stack("web", environment="production")
    cloud66.faults.throttle(times=2)
    async with cloud66.client() as c66, cloud66.clock.running():
        action = await c66.actions.wait(await c66.stacks.redeploy(stack.uid))
    assert action.succeeded
    assert cloud66.calls("stacks.redeploy") == 3


async def test_each_test_has_its_own_sandbox(cloud66):
    assert cloud66.calls() == 0
    async with cloud66.client() as c66:
        assert await c66.stacks.list() == []


def test_without_an_event_loop(cloud66):
    assert len(cloud66.seed(40)) == 40
"""

SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]
STRICT_MARK = "\n@pytest.mark.asyncio\nasync def"
ANYIO_MARK = """
@pytest.fixture
def anyio_backend():
    return "asyncio"


pytestmark = pytest.mark.anyio
"""


def run(folder: Path, suite: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_suite.py").write_text(suite)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("suite", "options"),
    [
        (SUITE, [*SCOPE, "-o", "asyncio_mode=auto"]),
        (SUITE.replace("\nasync def", STRICT_MARK), [*SCOPE, "-o", "asyncio_mode=strict"]),
        (SUITE.replace("\n\n\nasync def", f"\n\n{ANYIO_MARK}\n\nasync def", 1), ["-p", "no:asyncio"]),
    ],
    ids=["asyncio auto", "asyncio strict", "anyio"],
)
def test_fixture_works(tmp_path: Path, suite: str, options: list[str]) -> None:
    done = run(tmp_path, suite, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_fixture_is_found_and_described(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "cloud66 -- " in done.stdout
    assert "a new sandbox without stacks" in done.stdout


def test_plugin_imports_nothing_slow() -> None:
    probe = (
        "import sys, pytest\n"
        "import cloud66_async.testing.plugin\n"
        "slow = {'httpx', 'httpx2', 'authlib', 'starlette', 'uvicorn', 'cloud66_async.sandbox'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_fixture_imports_no_http_library() -> None:
    probe = (
        "import sys, asyncio\n"
        "from cloud66_async.sandbox import FakeCloud66\n"
        "async def main():\n"
        "    fake = FakeCloud66()\n"
        "    fake.seed(3)\n"
        "    async with fake.client() as c66:\n"
        "        assert len(await c66.stacks.list()) == 3\n"
        "asyncio.run(main())\n"
        "print(sorted({'httpx', 'httpx2', 'authlib', 'starlette', 'uvicorn'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
