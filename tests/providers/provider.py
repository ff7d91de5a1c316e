"""Third-party OAuth servers that the tests start, and their differences."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["KINDS", "NODE", "RAILS", "Kind", "Provider", "running", "secret_of"]

HERE = Path(__file__).parent
NODE_SITE = HERE / "node"
SITES = HERE / "servers"
# One thread: with several, SQLite would block while it waits for another thread of the same process.
PUMA = ["puma", "--quiet", "--environment", "production", "--threads", "1:1"]


def secret_of(client_id: str) -> str:
    """Return the secret of this application, which is the same at every server."""
    return f"{client_id}-SECRET-4b1d"


class Kind(NamedTuple):
    """One kind of server.

    `command` returns its command line for a folder and a port. `missing` returns why it cannot be started, or None.
    `clients` are its registered applications besides `app` and `other`.
    """

    name: str
    command: Callable[[Path, int], list[str]]
    missing: Callable[[], str | None]
    clients: tuple[str, ...] = ()
    pkce: bool = True
    out_of_band: bool = True
    environment: dict[str, str] = {}  # noqa: RUF012


class Provider(NamedTuple):
    """A running server."""

    kind: Kind
    url: str


def _no_rails() -> str | None:
    if shutil.which("puma") is None or shutil.which("ruby") is None:
        return (
            "Doorkeeper is not installed (Debian: apt-get install ruby-activerecord ruby-doorkeeper ruby-sqlite3 puma)"
        )
    found = subprocess.run(
        ["ruby", "-e", "%w[railties activerecord doorkeeper sqlite3].each { gem _1 }"], capture_output=True, check=False
    )
    return "Rails, Doorkeeper or SQLite is missing for Ruby" if found.returncode else None


def _no_node() -> str | None:
    if shutil.which("node") is None:
        return "Node is not installed"
    if not (NODE_SITE / "node_modules").exists():
        return "oidc-provider is not installed (npm ci --prefix tests/providers/node)"
    return None


def _without(*modules: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        return f"{' and '.join(absent)} not installed" if absent else None

    return missing


def _rails(folder: Path, port: int) -> list[str]:
    return [*PUMA, "--bind", f"tcp://127.0.0.1:{port}", str(SITES / "doorkeeper.ru")]


def _node(module: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: ["node", str(NODE_SITE / "server.js"), module, str(port)]


def _python(site: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: [sys.executable, str(SITES / site), str(folder), str(port)]


RAILS = Kind("doorkeeper", _rails, _no_rails, ("public",))
NODE = Kind("oidc-provider", _node("oidc-provider"), _no_node, ("basic", "strict", "public"), out_of_band=False)
KINDS = (
    RAILS,
    RAILS._replace(name="doorkeeper-without-pkce", pkce=False, environment={"PKCE": "no"}),
    NODE,
    NODE._replace(name="oidc-provider-8", command=_node("oidc-provider-8")),
    Kind("django", _python("django_site.py"), _without("django", "oauth2_provider"), ("strict", "public")),
    Kind(
        "flask",
        _python("flask_site.py"),
        _without("flask"),
        ("public",),
        environment={"AUTHLIB_INSECURE_TRANSPORT": "1"},
    ),
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(kind: Kind, folder: Path) -> Generator[Provider]:
    """Start the server as a process and wait until it listens. Skips the test if it is not installed."""
    reason = kind.missing()
    if reason is not None:
        pytest.skip(reason)
    port, log = _free_port(), folder / "log"
    environment = os.environ | {"FOLDER": str(folder)} | kind.environment
    with log.open("wb") as output:
        process = subprocess.Popen(
            kind.command(folder, port), cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{kind.name} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Provider(kind, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
