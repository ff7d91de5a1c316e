"""The pytest plugin. It is loaded in every run of pytest, so it imports the sandbox only when a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..sandbox import FakeCloud66

__all__ = ["cloud66"]


@pytest.fixture
def cloud66() -> FakeCloud66:
    """A fresh Cloud 66 without stacks, on a clock that stands still: `cloud66.client()` is a client of it."""
    from ..sandbox import FakeCloud66

    return FakeCloud66()
