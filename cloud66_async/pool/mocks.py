"""Detection of libraries that mock HTTP requests, but not those of this connection pool."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .._core.origin import is_loopback
from ..errors import ConfigError

if TYPE_CHECKING:
    from .._core.origin import Origin

__all__ = ["active_mock", "check_unmocked"]


def active_mock() -> str | None:
    """Return the name of the library that mocks httpx at this time, or None. Two lookups if none is installed."""
    respx: Any = sys.modules.get("respx.mocks")
    if respx is not None and any(mocker._patches for mocker in respx.Mocker.registry.values()):  # noqa: SLF001  no public way
        return "respx"
    if "pytest_httpx" in sys.modules:
        httpx: Any = sys.modules["httpx"]
        if httpx.AsyncHTTPTransport.handle_async_request.__module__.partition(".")[0] == "pytest_httpx":
            return "pytest-httpx"
    return None


def check_unmocked(origin: Origin) -> None:
    """Raise ConfigError if a mock is active that does not see a connection to `origin`: a test must not send it.

    The same applies to tests with a sandbox. A server on the loopback interface belongs to the test.
    """
    name, network = active_mock(), sys.modules.get("cloud66_async.testing.network")
    advice: str | None = None if network is None else network.advice()
    if (name is None and advice is None) or is_loopback(origin.host):
        return
    if name is not None:
        problem = f"{name} is active, but it does not see the SDK's connection pool"
        advice = "pass transport=cloud66_async.testing.mocks.MockedTransport() to Cloud66"
    else:
        problem = "this test has a sandbox, but the client does not use it"
    raise ConfigError(f"cannot connect to {origin.host}:{origin.port}: {problem}; {advice}")
