from __future__ import annotations

import os
from typing import Literal

import pytest
from hypothesis import settings

from cloud66_async._core import tolerant

from .support import Recorder

# How long an example takes says more of the machine than of the code.
settings.register_profile("cloud66", deadline=None)
settings.load_profile("cloud66")

PoolName = Literal["own", "httpx"]


@pytest.fixture(autouse=True)
def _untouched_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, address or proxy of the person who runs the tests; CLOUD66_POOL is for whole runs and stays."""
    for name in os.environ:
        if (name.startswith("CLOUD66_") and name != "CLOUD66_POOL") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The fields that the codec has reported; empty at first, since each is reported once a process."""
    found: set[str] = set()
    monkeypatch.setattr(tolerant, "_reported", found)
    return found


@pytest.fixture
def recorder() -> Recorder:
    """A clock on which every sleep ends at once."""
    return Recorder()


@pytest.fixture(params=["own", "httpx"])
def transport(request: pytest.FixtureRequest) -> PoolName:
    """Each way to the wire in turn, as `Cloud66(pool=transport)`."""
    name: PoolName = request.param
    return name
