from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from ..support import iterations, tasks_left
from .planted import LIBRARIES, Planted


@pytest.fixture
async def no_tasks_left() -> AsyncIterator[None]:
    """Check that the test leaves no task running."""
    before = tasks_left()
    yield
    await iterations()
    assert tasks_left() <= before


@pytest.fixture
def planted() -> Iterator[Planted]:
    """Everything that any library logs, at the lowest level, and the secrets that must not be in it."""
    found = Planted()
    handler = logging.StreamHandler(found.log)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    loggers = [logging.getLogger(), *map(logging.getLogger, LIBRARIES)]
    levels = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(1)
    yield found
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
