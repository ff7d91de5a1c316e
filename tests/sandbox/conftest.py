"""Fixtures of the tests of the sandbox and of the resources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest

from cloud66_async import Cloud66, Retry
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer

from ..conftest import PoolName
from .caller import Caller

QUICK_RETRY = Retry(base=0.01)


class QuickClock(SystemClock):
    """A clock whose pauses take a tenth of their time: actions of the server finish after 0.2 seconds."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 10)


class Connected(NamedTuple):
    """A sandbox with 75 stacks, and a client for it."""

    fake: FakeCloud66
    c66: Cloud66


@pytest.fixture
def fake() -> FakeCloud66:
    """A sandbox without stacks."""
    return FakeCloud66()


@pytest.fixture
def call(fake: FakeCloud66) -> Caller:
    """A caller with a token of `fake`."""
    return Caller(fake)


@pytest.fixture
def web(fake: FakeCloud66) -> FakeStack:
    """A stack of `fake`."""
    return fake.add_stack("web")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server with 75 stacks, whose actions take 0.2 seconds."""
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.2)) as running:
        running.fake.seed(75)
        yield running


@pytest.fixture(params=["in process", "own", pytest.param("httpx", marks=pytest.mark.slow)])
async def connected(request: pytest.FixtureRequest) -> AsyncIterator[Connected]:
    """A sandbox and a client that is connected in this process, and by each of the two pools over a socket."""
    if request.param == "in process":
        fake = FakeCloud66()
        fake.seed(75)
        async with fake.clock.running(), fake.client() as c66:
            yield Connected(fake, c66)
        return
    running: SandboxServer = request.getfixturevalue("server")
    pool: PoolName = request.param
    async with Cloud66(
        running.fake.add_token(), url=running.url, pool=pool, retry=QUICK_RETRY, clock=QuickClock()
    ) as c66:
        yield Connected(running.fake, c66)
