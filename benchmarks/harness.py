"""Harness: the server runs on one core, and each measurement in a new process on another."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import attrs

__all__ = ["Harness", "open_harness"]

_ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT = 180.0


@attrs.frozen
class Harness:
    """A running server, and the means to measure clients of it."""

    ports: dict[str, int]
    authority: str
    """File with the server's CA certificate."""
    bundle: str
    """File with the usual CA certificates and the server's own: loading them is part of the cost of a real program."""
    httpx_python: str | None
    """Interpreter with httpx and without httpx2."""
    core: int | None
    """Processor core for the clients."""
    server_core: int | None
    """Processor core for the server, and for the load of an application."""

    def target(self, *, tls: bool = False, slow: bool = False, fleet: bool = False) -> dict[str, Any]:
        """Return the server's URL and CA certificate for a worker."""
        scheme, port = ("https", self.ports["tls"]) if tls else ("http", self.ports["plain"])
        url = f"{scheme}://127.0.0.1:{port}{'/slow' if slow else ''}{'/fleet' if fleet else ''}"
        return {"url": url, "authority": self.authority if tls else None}

    def measure(self, kind: str, *, httpx_alone: bool = False, **options: Any) -> dict[str, float]:
        """Run a measurement in a worker process and return its result."""
        interpreter = self.httpx_python if httpx_alone else sys.executable
        assert interpreter is not None
        job = json.dumps({"kind": kind, "core": self.core, **options})
        result: dict[str, float] = json.loads(self.run(interpreter, "-m", "benchmarks.worker", job))
        return result

    def run(self, *command: str, pinned: bool = True) -> str:
        """Run a command, by default on the clients' core only, and return its output."""
        done = subprocess.run(
            _pin(self.core if pinned else None, *command),
            cwd=_ROOT,
            env=_environment(self.bundle),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)[:300]} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def time_to_output(self, marker: str, *command: str, **variables: str) -> float:
        """Run a command, and return the milliseconds from its start until it has printed a line with this text."""
        start = time.monotonic()
        environment = _environment(self.bundle) | variables
        with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = next((time.monotonic() for line in process.stdout if marker in line), None)
            process.stdout.read()
        if found is None or process.returncode:
            raise RuntimeError(f"{' '.join(command)[:300]} failed, or did not print {marker!r}")
        return (found - start) * 1e3


def _environment(bundle: str) -> dict[str, str]:
    """Return an environment that trusts the server and that caches compiled code, as Python does by default."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {"SSL_CERT_FILE": bundle, "PYTHONPATH": str(_ROOT)}


def _pin(core: int | None, *command: str) -> list[str]:
    """Return the command, bound to a core from the start, so that this includes the imports."""
    return [*command] if core is None else ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def open_harness(httpx_python: str | None) -> Generator[Harness]:
    """Start the server, and stop it at the end of the block."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    several = len(cores) > 1
    with tempfile.TemporaryDirectory() as folder:
        certificate, authority, bundle = _create_certificates(Path(folder))
        command = _pin(cores[0] if several else None, sys.executable, "-m", "benchmarks.server", str(certificate))
        with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            ports = _read_ports(server.stdout)
            own, other = (cores[-1], cores[0]) if several else (None, None)
            yield Harness(ports, str(authority), str(bundle), httpx_python, own, other)
            server.stdin.close()


def _read_ports(output: IO[bytes]) -> dict[str, int]:
    ports: dict[str, int] = json.loads(output.readline())
    return ports


def _create_certificates(folder: Path) -> tuple[Path, Path, Path]:
    import certifi
    import trustme

    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    certificate, own, bundle = folder / "server.pem", folder / "authority.pem", folder / "bundle.pem"
    server.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(own))
    bundle.write_bytes(Path(certifi.where()).read_bytes() + own.read_bytes())
    return certificate, own, bundle
