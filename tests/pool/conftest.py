from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import pytest_asyncio
import trustme

from cloud66_async.pool import Pool

from .servers import Clock, open_sockets

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class DebugLoop(asyncio.SelectorEventLoop):
    """Event loop that stays in debug mode, even if the runner disables it."""

    slow_callback_duration = 60.0

    def set_debug(self, enabled: bool) -> None:
        super().set_debug(True)


def pytest_asyncio_loop_factories() -> Mapping[str, LoopFactory]:
    """Run every test on the asyncio event loop in debug mode, and on uvloop if it is installed."""
    factories: dict[str, LoopFactory] = {"asyncio": DebugLoop}
    if uvloop is not None:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> None:
    """Freeze what other tests have left in memory. Searching it twice for each test takes up to 0.4 s each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a socket open. ResourceWarnings are raised here, in the test that caused them."""
    gc.collect()
    before = open_sockets()
    yield
    gc.collect()
    assert open_sockets() <= before


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    opened = Pool(4)
    yield opened
    await opened.aclose()
    assert opened.live == 0
    assert opened._limiter.free == opened.limit


@pytest_asyncio.fixture
async def clock() -> Clock:
    return Clock(asyncio.get_running_loop())


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    return context
