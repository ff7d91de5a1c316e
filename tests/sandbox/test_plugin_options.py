"""The pytest plugin: options of the fixtures, and what a failed test shows. Each suite runs in a separate process."""

from __future__ import annotations

from pathlib import Path

from .test_plugin import AUTO, passed, run

OPTIONS = """
import asyncio, pytest
from cloud66_async import Cloud66, Retry, TransportError
from cloud66_async.testing import FakeCloud66, SandboxServer

pytestmark = pytest.mark.cloud66(strict=True, action_seconds=5)


@pytest.mark.cloud66(frozen=True, hourly_limit=77)
async def test_closest_marker_has_precedence(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    cloud66.expect_writes("stacks.redeploy")
    stack = cloud66.add_stack("web")
    started = await cloud66_client.stacks.redeploy(stack.uid)
    waiting = asyncio.create_task(cloud66_client.actions.wait(started))
    while not cloud66.clock.sleepers:
        await asyncio.sleep(0)
    assert not waiting.done()
    cloud66.clock.advance(5)
    assert (await waiting).succeeded
    assert cloud66_client.quota.limit == 77


@pytest.mark.cloud66(strict=False)
async def test_options_of_the_module_can_be_overridden(cloud66: FakeCloud66, cloud66_client: Cloud66) -> None:
    await cloud66_client.stacks.redeploy(cloud66.add_stack("web").uid)


@pytest.mark.cloud66(network=True)
async def test_network_is_allowed(cloud66: FakeCloud66, monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*args, **options):
        raise OSError("no such host")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    async with Cloud66(cloud66.add_token(), retry=Retry(attempts=1)) as c66:
        with pytest.raises(TransportError, match="no such host"):
            await c66.stacks.list()


@pytest.mark.cloud66(action_seconds=0.1)
async def test_server_has_the_options_too(cloud66_server: SandboxServer) -> None:
    cloud66_server.fake.expect_writes("stacks.redeploy")
    stack = cloud66_server.fake.add_stack("web")
    async with Cloud66(cloud66_server.fake.add_token(), url=cloud66_server.url) as c66:
        assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded
"""

OVERRIDDEN = """
import pytest
from cloud66_async.testing import FakeCloud66


@pytest.fixture
def cloud66(cloud66: FakeCloud66) -> FakeCloud66:
    cloud66.clock.freeze()
    cloud66.add_stack("web")
    return cloud66


async def test_fixture_extends_the_one_of_the_plugin(cloud66: FakeCloud66) -> None:
    async with cloud66.client() as c66:
        assert [stack.name for stack in await c66.stacks.list()] == ["web"]
"""

MISTAKES = """
import pytest
from cloud66_async import Cloud66
from cloud66_async.testing import FakeCloud66, SandboxServer


@pytest.mark.cloud66(stict=True)
def test_misspelled_option(cloud66): pass


@pytest.mark.cloud66("frozen")
def test_positional_option(cloud66): pass


@pytest.mark.cloud66(frozen=True)
def test_frozen_server(cloud66_server): pass


def test_unused_fault_on_a_server(cloud66_server):
    cloud66_server.fake.faults.fail(500, operation="stacks.get")


def test_expected_write(cloud66):
    cloud66.expect_writes("stacks.redeploy")


@pytest.mark.cloud66(strict=True)
async def test_unexpected_write_that_is_caught(cloud66, cloud66_client):
    with pytest.raises(AssertionError):
        await cloud66_client.stacks.redeploy(cloud66.add_stack("web").uid)


async def test_network(cloud66):
    async with Cloud66(cloud66.add_token()) as c66:
        await c66.stacks.list()


async def test_network_beside_a_server(cloud66_server):
    async with Cloud66(cloud66_server.fake.add_token()) as c66:
        await c66.stacks.list()


@pytest.fixture
def two():
    return FakeCloud66()


async def test_failed(cloud66_server, two):
    async with two.client() as c66, Cloud66(cloud66_server.fake.add_token(), url=cloud66_server.url) as other:
        await c66.jobs.list("in-process").first()
"""


def test_options(tmp_path: Path) -> None:
    passed(run(tmp_path, OPTIONS, *AUTO), 4)


def test_fixture_can_be_overridden(tmp_path: Path) -> None:
    passed(run(tmp_path, OVERRIDDEN, *AUTO), 1)


def test_mistakes_are_reported(tmp_path: Path) -> None:
    done = run(tmp_path, MISTAKES, *AUTO)
    assert done.returncode == 1
    assert "3 failed, 3 passed, 6 errors" in done.stdout
    options = "its options are action_seconds, frozen, hourly_limit, network, provider, strict"
    for message in (
        f"invalid marker cloud66(stict): {options}",
        f"invalid marker cloud66('frozen'): {options}",
        "invalid marker cloud66(frozen=True): the fixture cloud66_server runs in real time",
        "fault rules that never applied: fail(operation='stacks.get'); correct the operation, or pass",
        "expected writes that never happened: stacks.redeploy; correct the test or the code",
        "unexpected requests:",
        "cannot connect to app.cloud66.com:443: this test has a sandbox, but the client does not use it; pass ",
        "pass transport=cloud66.transport() to Cloud66, or mark the test with cloud66(network=True)",
        "pass url=cloud66_server.url to Cloud66, or mark the test with cloud66(network=True)",
        "- requests to the sandbox `cloud66_server` -",
        "- requests to the sandbox `two` -",
        "jobs.list(stack='in-process', page=1) -> 404",
    ):
        assert message in done.stdout


def test_markers_are_described(tmp_path: Path) -> None:
    shown = run(tmp_path, "", "--markers").stdout
    assert "@pytest.mark.cloud66(action_seconds=..., frozen=..., hourly_limit=..., network=..., provider=..., " in shown
    assert "@pytest.mark.cloud66_server(scheme): " in shown
