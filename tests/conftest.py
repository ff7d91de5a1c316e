from __future__ import annotations

import gc
import os
import signal
from typing import Literal

import pytest
from hypothesis import find, settings
from hypothesis.strategies import none

from cloud66_async._core import tolerant

from .browser import chromium
from .leaks import LeakCheck
from .support import RecordingClock

__all__ = ["PoolName", "chromium"]

# The time an example takes depends on the machine, not on the code.
settings.register_profile("cloud66", deadline=None)
settings.load_profile("cloud66")

PoolName = Literal["own", "httpx"]


def pytest_configure(config: pytest.Config) -> None:
    """Search what each test logs, and the errors that it catches, for secrets."""
    config.pluginmanager.register(LeakCheck(frames=True), "leaks")
    # A shell lets what it starts in the background ignore Ctrl+C, and so would the processes that the tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Freeze all modules and tests: `gc.collect`, which the pool's tests call twice each, then takes 3 ms, not 60."""
    # Hypothesis registers a random generator at first use, and looks for references that the collector must still see.
    find(none(), lambda _: True)
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's own settings and proxies. CLOUD66_POOL stays: it applies to a whole test run."""
    for name in os.environ:
        if (name.startswith("CLOUD66_") and name != "CLOUD66_POOL") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Fields that the tolerant decoder has logged. Empty at first: each field is logged once per process."""
    found: set[str] = set()
    monkeypatch.setattr(tolerant, "_reported", found)
    return found


@pytest.fixture
def recorder() -> RecordingClock:
    """A clock whose `sleep` returns immediately."""
    return RecordingClock()


@pytest.fixture(params=["own", "httpx"])
def transport(request: pytest.FixtureRequest) -> PoolName:
    """The name of each transport in turn, for `Cloud66(pool=transport)`."""
    name: PoolName = request.param
    return name
