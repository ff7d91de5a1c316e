"""The pytest plugin in test suites of users, each in a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloud66_async import testing
from cloud66_async.sandbox import FakeCloud66

from ..support import count_calls

SUITE = """
import asyncio, pytest
from cloud66_async.testing import Cloud66, FakeCloud66, SandboxServer


async def test_redeploy(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    stack = cloud66.add_stack("web", environment="production")
    cloud66.faults.throttle(times=2)
    action = await cloud66_client.actions.wait(await cloud66_client.stacks.redeploy(stack.uid))
    assert action.succeeded
    assert cloud66.calls("stacks.redeploy") == 3


async def test_each_test_has_its_own_sandbox(cloud66: FakeCloud66) -> None:
    assert cloud66.calls() == 0
    async with cloud66.client() as c66:
        assert await c66.stacks.list() == []


async def test_client_of_the_test(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    assert cloud66.calls() == 0
    async with cloud66_client as c66:
        assert await c66.stacks.list() == []


async def test_over_a_socket(cloud66_server: SandboxServer) -> None:
    cloud66_server.fake.add_stack("web")
    async with Cloud66(cloud66_server.fake.add_token(), url=cloud66_server.url) as c66:
        assert len(await c66.stacks.list()) == 1
    assert cloud66_server.connections_opened == 1


async def test_login_opens_the_library(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    transport = cloud66_client.transport
    assert await cloud66_client.stacks.list() == []


def test_without_an_event_loop(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    assert len(cloud66.seed(40)) == 40


def test_in_an_event_loop_of_the_test(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    async def main() -> None:
        assert await cloud66_client.stacks.list() == []

    with asyncio.Runner() as runner:
        runner.run(main())
"""
COUNT = 7

ASYNCIO_MARK = "pytestmark = pytest.mark.asyncio"
ANYIO_MARK = """
@pytest.fixture
def anyio_backend():
    return {backend!r}


pytestmark = pytest.mark.anyio
"""

# Fixtures whose client lives as long as the module's event loop.
SHARED = """
import pytest, {plugin}
from cloud66_async.testing import Cloud66, FakeCloud66

{mark}

@pytest.fixture(scope="module")
def sandbox():
    return FakeCloud66()


@{plugin}.fixture({scopes})
async def c66(sandbox):
    async with sandbox.client() as client:
        yield client


async def test_first(sandbox, c66):
    assert await c66.stacks.list() == []


async def test_second(sandbox, c66):
    assert await c66.stacks.list() == []
    assert sandbox.calls("stacks.list") >= 1
"""

OUTLIVING = """
import pytest
from cloud66_async.testing import FakeCloud66


@pytest.fixture(scope="module")
def c66():
    client = FakeCloud66().client()
    yield client
    client.aclose().close()


async def test_first(c66):
    await c66.stacks.list()


async def test_second(c66):
    await c66.stacks.list()
"""

UNITTEST = """
import unittest
from cloud66_async.testing import Cloud66, FakeCloud66, SandboxServer


class Redeployment(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.cloud66 = FakeCloud66()
        self.c66 = await self.enterAsyncContext(self.cloud66.client())

    async def test_redeploy(self):
        stack = self.cloud66.add_stack("web")
        action = await self.c66.actions.wait(await self.c66.stacks.redeploy(stack.uid))
        self.assertTrue(action.succeeded)

    async def test_over_a_socket(self):
        server = self.enterContext(SandboxServer())
        async with Cloud66(server.fake.add_token(), url=server.url) as c66:
            self.assertEqual(list(await c66.stacks.list()), [])
"""


def run(folder: Path, suite: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_suite.py").write_text(suite)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    if "no:asyncio" not in options:  # pytest-asyncio warns if its default is not chosen
        options = ("-o", "asyncio_default_fixture_loop_scope=function", *options)
    return run_module(folder, "pytest", "-q", *options)


def run_module(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def with_mark(mark: str) -> str:
    """Return the suite with a mark on its async tests."""
    return SUITE.replace("\n\n\nasync def", f"\n{mark}\n\n\nasync def", 1)


def passed(done: subprocess.CompletedProcess[str], count: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} passed" in done.stdout


# --- ways to run async tests ----------------------------------------------------------------------

AUTO = ["-o", "asyncio_mode=auto"]


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["function", pytest.param("module", marks=pytest.mark.slow), "session"])
def test_asyncio_auto(tmp_path: Path, scope: str) -> None:
    scopes = [f"asyncio_default_{kind}_loop_scope={scope}" for kind in ("fixture", "test")]
    passed(run(tmp_path, SUITE, *AUTO, "-o", scopes[0], "-o", scopes[1]), COUNT)


@pytest.mark.parametrize("scope", ["function", "session"])
def test_asyncio_strict(tmp_path: Path, scope: str) -> None:
    marked = SUITE.replace("\nasync def", f"\n@pytest.mark.asyncio(loop_scope={scope!r})\nasync def")
    passed(run(tmp_path, marked, "-o", "asyncio_mode=strict"), COUNT)


@pytest.mark.parametrize("backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
def test_anyio(tmp_path: Path, backend: object) -> None:
    if backend != "asyncio":
        pytest.importorskip("uvloop", exc_type=ImportError)
    passed(run(tmp_path, with_mark(ANYIO_MARK.format(backend=backend)), "-p", "no:asyncio"), COUNT)


@pytest.mark.slow
def test_parallel_and_in_random_order(tmp_path: Path) -> None:
    passed(run(tmp_path, SUITE, *AUTO, "-n", "2", "-p", "randomly", "-p", "xdist"), COUNT)


@pytest.mark.slow
def test_unittest(tmp_path: Path) -> None:
    passed(run(tmp_path, UNITTEST), 2)
    done = run_module(tmp_path, "unittest", "-q")
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr


# --- a client that several tests share ------------------------------------------------------------


def shared(scopes: str, mark: str = "", plugin: str = "pytest_asyncio") -> str:
    return SHARED.format(plugin=plugin, mark=mark, scopes=scopes)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["module", pytest.param("session", marks=pytest.mark.slow)])
def test_shared_client_with_pytest_asyncio(tmp_path: Path, scope: str) -> None:
    suite = shared(f'scope="module", loop_scope="{scope}"', f'pytestmark = pytest.mark.asyncio(loop_scope="{scope}")')
    passed(run(tmp_path, suite), 2)
    settings = [f"asyncio_default_{kind}_loop_scope={scope}" for kind in ("fixture", "test")]
    passed(run(tmp_path, shared('scope="module"'), *AUTO, "-o", settings[0], "-o", settings[1]), 2)


@pytest.mark.slow
def test_shared_client_with_anyio(tmp_path: Path) -> None:
    mark = ANYIO_MARK.format(backend="asyncio").replace("fixture", 'fixture(scope="module")')
    passed(run(tmp_path, shared('scope="module"', mark, "pytest"), "-p", "no:asyncio"), 2)


@pytest.mark.slow
def test_client_that_outlives_its_event_loop_names_the_problem(tmp_path: Path) -> None:
    done = run(tmp_path, OUTLIVING, *AUTO)
    assert "1 failed, 1 passed" in done.stdout
    assert "ConfigError: this client belongs to another event loop; create one client per event loop" in done.stdout
    done = run(tmp_path, shared('scope="module"'), *AUTO)
    assert "ScopeMismatch: You tried to access the function scoped fixture" in done.stdout


HTTPS = """
import os, ssl, subprocess, sys, pytest
from cloud66_async.testing import Cloud66, SandboxServer


async def check(server):
    tls = None if server.ca_file is None else ssl.create_default_context(cafile=server.ca_file)
    async with Cloud66(server.fake.add_token(), url=server.url, tls=tls) as c66:
        assert await c66.stacks.list() == []


@pytest.mark.cloud66_server("https")
async def test_marker(cloud66_server):
    assert cloud66_server.url.startswith("https://127.0.0.1:")
    await check(cloud66_server)


@pytest.mark.parametrize("cloud66_server", ["http", "https"], indirect=True)
async def test_parameter(cloud66_server):
    await check(cloud66_server)


@pytest.mark.cloud66_server("https")
def test_other_process(cloud66_server):
    code = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, cloud66_server.url], check=True)


def test_default(cloud66_server):
    assert cloud66_server.url.startswith("http://")
    assert os.environ.get("SSL_CERT_FILE") != str(cloud66_server.ca_file)
"""


def test_https(tmp_path: Path) -> None:
    passed(run(tmp_path, HTTPS, *AUTO), 5)


def test_invalid_scheme(tmp_path: Path) -> None:
    suite = "import pytest\n@pytest.mark.cloud66_server('ftp')\ndef test_server(cloud66_server): pass\n"
    done = run(tmp_path, suite)
    assert done.returncode != 0
    assert "invalid scheme 'ftp' for cloud66_server: must be 'http' or 'https'" in done.stdout + done.stderr


# --- the plugin itself ----------------------------------------------------------------------------


def test_fixtures_are_found_and_described(tmp_path: Path) -> None:
    done = run(tmp_path, "", "--fixtures")
    for name, text in {
        "cloud66": "Yield a new sandbox without stacks, in this process.",
        "cloud66_client": "Yield a client for the sandbox of the fixture `cloud66`",
        "cloud66_server": "Serve a new sandbox on a free local port",
    }.items():
        assert f"{name} -- " in done.stdout
        assert text in done.stdout


def test_server_without_the_extra_names_it(tmp_path: Path) -> None:
    suite = "import sys\nsys.modules['uvicorn'] = None\ndef test_server(cloud66_server): pass\n"
    done = run(tmp_path, suite)
    assert done.returncode == 1
    assert 'pip install "cloud66-async[sandbox]"' in done.stdout


def test_sandbox_takes_few_calls_to_create() -> None:
    assert 0 < count_calls(lambda: FakeCloud66().client()) < 400  # about 160: tests can create one each


def test_types_of_the_fixtures_are_public() -> None:
    assert {getattr(testing, name).__name__ for name in testing.__all__} == set(testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="has no attribute 'Missing'"):
        _ = testing.Missing


def test_plugin_imports_nothing_slow() -> None:
    probe = (
        "import sys, pytest\n"
        "import cloud66_async.testing.plugin\n"
        "slow = {'httpx', 'httpx2', 'authlib', 'starlette', 'uvicorn', 'trustme', 'cloud66_async.sandbox'}\n"
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
