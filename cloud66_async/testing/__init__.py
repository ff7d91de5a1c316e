"""Pytest fixtures for code that uses the SDK, and the types of these fixtures.

pytest finds the fixtures by itself. Import the types to annotate your tests::

    from cloud66_async.testing import Cloud66, FakeCloud66, SandboxServer
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..client import Cloud66
    from ..sandbox.clock import ClockFrozen, FakeClock
    from ..sandbox.fake import FakeCloud66
    from ..sandbox.serving.server import SandboxServer
    from .mocks import MockedTransport
    from .recorder import Recorder, UnknownRequest

# Imported on first use: pytest imports this package in every test run, also if no test uses it.
_LAZY = {
    "ClockFrozen": "sandbox.clock",
    "Cloud66": "client",
    "FakeClock": "sandbox.clock",
    "FakeCloud66": "sandbox.fake",
    "MockedTransport": "testing.mocks",
    "Recorder": "testing.recorder",
    "SandboxServer": "sandbox.serving.server",
    "UnknownRequest": "testing.recorder",
}

__all__ = [
    "ClockFrozen",
    "Cloud66",
    "FakeClock",
    "FakeCloud66",
    "MockedTransport",
    "Recorder",
    "SandboxServer",
    "UnknownRequest",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"..{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
