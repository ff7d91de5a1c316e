"""Pytest plugin. It is loaded in every test run, so it imports the sandbox only when a test uses it.

The fixtures are not async, so they work with every plugin that runs async tests, and with every scope of event loops.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..client import Cloud66
    from ..sandbox.fake import FakeCloud66
    from ..sandbox.serving.server import SandboxServer

__all__ = ["cloud66", "cloud66_client", "cloud66_server"]

_ACTION_SECONDS = 0.2
_FAILED = pytest.StashKey[bool]()
_OPTIONS = ("action_seconds", "frozen", "hourly_limit", "network", "provider", "strict")
_TRANSPORT = "pass transport=cloud66.transport() to Cloud66, or mark the test with cloud66(network=True)"
_URL = "pass url=cloud66_server.url to Cloud66, or mark the test with cloud66(network=True)"
_MARKERS = (
    (
        f"cloud66({', '.join(f'{name}=...' for name in _OPTIONS)}): create the sandboxes of the fixtures cloud66 and "
        "cloud66_server with these options of FakeCloud66; with frozen=True, the clock of cloud66 stands still, and "
        "with network=True, clients may connect to other hosts"
    ),
    "cloud66_server(scheme): serve the fixture cloud66_server over 'http' (the default) or 'https'",
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last requests to every sandbox if a test fails, and remember the result for the fixtures."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
        if report.failed:
            for name, fake in _sandboxes(item):
                report.sections.append((f"requests to the sandbox `{name}`", fake.describe_calls(last=10)))
    return report


@pytest.fixture
def cloud66(request: pytest.FixtureRequest) -> Iterator[FakeCloud66]:
    """Yield a new sandbox without stacks, in this process. Its clock skips every pause.

    `cloud66.client()` returns a client for it, and `cloud66.clock.freeze()` stops the clock. The marker
    `cloud66(strict=True)` passes options to `FakeCloud66`.

    If the test passes, but a fault never applied or an expected write never happened, the test fails after all. A
    client that does not use the sandbox raises ConfigError instead of reaching the network.
    """
    from ..sandbox import FakeCloud66

    options = _options(request)
    frozen, network = options.pop("frozen", False), options.pop("network", False)
    fake = FakeCloud66(**options)
    if frozen:
        fake.clock.freeze()
    with _network(_TRANSPORT, allowed=network):
        yield fake
    _verify(request, fake)


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

    options: dict[str, Any] = {"action_seconds": _ACTION_SECONDS, **_options(request)}
    if options.pop("frozen", False):
        raise pytest.UsageError("invalid marker cloud66(frozen=True): the fixture cloud66_server runs in real time")
    network = options.pop("network", False)
    fake = FakeCloud66(clock=SystemClock(), **options)
    with SandboxServer(fake, tls=_scheme(request) == "https") as server, _network(_URL, allowed=network):
        if server.ca_file is not None:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield server
    _verify(request, fake)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options in the markers of the test. The closest marker has precedence."""
    found: dict[str, Any] = {}
    for marker in request.node.iter_markers("cloud66"):
        unknown = [*map(repr, marker.args), *(name for name in marker.kwargs if name not in _OPTIONS)]
        if unknown:
            raise pytest.UsageError(f"invalid marker cloud66({unknown[0]}): its options are {', '.join(_OPTIONS)}")
        found = {**marker.kwargs, **found}
    return found


def _network(instead: str, *, allowed: bool) -> AbstractContextManager[None]:
    """Return a context manager in which clients of the SDK connect to other hosts only if that is allowed."""
    from .network import without_network

    return nullcontext() if allowed else without_network(instead)


def _sandboxes(item: pytest.Item) -> Iterator[tuple[str, FakeCloud66]]:
    """Yield every sandbox among the fixtures of a test, with the name of its fixture."""
    sandbox: Any = sys.modules.get("cloud66_async.sandbox")
    if sandbox is not None:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, sandbox.FakeCloud66 | sandbox.SandboxServer):
                yield name, getattr(value, "fake", value)


def _verify(request: pytest.FixtureRequest, fake: FakeCloud66) -> None:
    if not request.node.stash.get(_FAILED, True):
        fake.verify()


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
