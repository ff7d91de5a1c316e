"""Pytest plugin. It is loaded in every test run, so it imports the sandbox only when a test uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..sandbox import FakeCloud66

__all__ = ["cloud66"]


@pytest.fixture
def cloud66() -> FakeCloud66:
    """Return a new sandbox without stacks whose clock is frozen. `cloud66.client()` returns a client for it."""
    from ..sandbox import FakeCloud66

    return FakeCloud66()
