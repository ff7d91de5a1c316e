"""Pytest plugin. It is loaded in every test run, so it imports the sandbox only when a test uses it.

The fixtures are not async, so they work with every plugin that runs async tests, and with every scope of event loops.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..client import Cloud66
    from ..sandbox.fake import FakeCloud66
    from ..sandbox.serving.server import SandboxServer

__all__ = ["cloud66", "cloud66_client", "cloud66_server"]

_ACTION_SECONDS = 0.2
_FAILED = pytest.StashKey[bool]()
_MARKER = "cloud66_server(scheme): serve the fixture cloud66_server over 'http' (the default) or 'https'"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last requests to the sandbox if a test fails, and remember the result for the fixture."""
    report = yield
    fake = getattr(item, "funcargs", {}).get("cloud66")
    if report.when == "call" and fake is not None:
        item.stash[_FAILED] = report.failed
        if report.failed:
            report.sections.append(("requests to the sandbox", fake.describe_calls(last=10)))
    return report


@pytest.fixture
def cloud66(request: pytest.FixtureRequest) -> Iterator[FakeCloud66]:
    """Yield a new sandbox without stacks, in this process. Its clock skips every pause.

    `cloud66.client()` returns a client for it. If the test passes, but a fault never applied, the test fails after all.
    """
    from ..sandbox import FakeCloud66

    fake = FakeCloud66()
    yield fake
    if not request.node.stash.get(_FAILED, True):
        fake.verify()


@pytest.fixture
def cloud66_client(cloud66: FakeCloud66) -> Iterator[Cloud66]:
    """Yield a client for the sandbox of the fixture `cloud66`, and close it after the test.

    The client opens on its first call and belongs to the event loop of that call.
    """
    client = cloud66.client()
    yield client
    _close(client)


@pytest.fixture
def cloud66_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """Serve a new sandbox on a free local port, in real time. Needs the extra `sandbox`.

    `cloud66_server.url` is its URL, `cloud66_server.fake` the sandbox, and `cloud66_server.fake.add_token()` returns a
    token. Actions take 0.2 seconds.

    With the marker `cloud66_server("https")` or the indirect parameter "https", it serves HTTPS. Its certificate
    authority is in `cloud66_server.ca_file` and in the environment variable SSL_CERT_FILE.
    """
    from ..clock import SystemClock
    from ..sandbox import FakeCloud66, SandboxServer

    fake = FakeCloud66(clock=SystemClock(), action_seconds=_ACTION_SECONDS)
    with SandboxServer(fake, tls=_scheme(request) == "https") as server:
        if server.ca_file is not None:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield server


def _scheme(request: pytest.FixtureRequest) -> str:
    """Return the scheme in the indirect parameter, or else in the closest marker."""
    marker = request.node.get_closest_marker("cloud66_server")
    scheme: object = getattr(request, "param", marker.args[0] if marker is not None and marker.args else "http")
    if scheme not in {"http", "https"}:
        raise pytest.UsageError(f"invalid scheme {scheme!r} for cloud66_server: must be 'http' or 'https'")
    return str(scheme)


def _close(client: Cloud66) -> None:
    """Close a client whose event loop may have ended. A client without connections closes without awaiting anything."""
    with suppress(StopIteration):
        client.aclose().send(None)
