from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cloud66_async import Cloud66

from ..sandbox.conftest import call, connected, fake, server, web
from ..support import ONCE, client, iterations, tasks_left
from .polling import ScriptedActions
from .watching import Fleet

__all__ = ["call", "connected", "fake", "server", "web"]


@pytest.fixture
async def actions() -> AsyncIterator[ScriptedActions]:
    """Scripted actions. No task may be left at the end of the test."""
    before = tasks_left()
    yield ScriptedActions()
    await iterations()
    assert tasks_left() <= before


@pytest.fixture
async def c66(actions: ScriptedActions) -> AsyncIterator[Cloud66]:
    """A client of the scripted actions that does not retry."""
    async with client(actions.transport, clock=actions.clock, retry=ONCE) as opened:
        yield opened


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """60 stacks on two pages of the list, whose deployments take 5 minutes. No task may be left at the end."""
    before = tasks_left()
    yield Fleet()
    await iterations()
    assert tasks_left() <= before
