"""The laboratory: the server on one core, each measurement in a fresh process on another."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import attrs

__all__ = ["Lab", "open_lab"]

_ROOT = Path(__file__).resolve().parent.parent
_LONGEST = 180.0


@attrs.frozen
class Lab:
    """Runs measurements. `httpx_python` is an interpreter whose environment has httpx and no httpx2, or None."""

    ports: dict[str, int]
    authority: str
    bundle: str
    """The system's roots and the server's own, for those who load what a program on the internet has to load."""
    httpx_python: str | None
    core: int | None

    def target(self, *, tls: bool = False, slow: bool = False) -> dict[str, Any]:
        """Where the server is, for a worker."""
        scheme, port = ("https", self.ports["tls"]) if tls else ("http", self.ports["plain"])
        url = f"{scheme}://127.0.0.1:{port}{'/slow' if slow else ''}"
        return {"url": url, "authority": self.authority if tls else None}

    def measure(self, kind: str, *, httpx_alone: bool = False, **asked: Any) -> dict[str, float]:
        """What a worker found."""
        interpreter = self.httpx_python if httpx_alone else sys.executable
        assert interpreter is not None
        order = json.dumps({"kind": kind, "core": self.core, **asked})
        done = self.run(interpreter, "-m", "benchmarks.worker", order)
        found: dict[str, float] = json.loads(done)
        return found

    def run(self, *command: str, pinned: bool = True) -> str:
        """The output of a command, on the client's core unless it may use all of them."""
        done = subprocess.run(
            _pinned(self.core if pinned else None, *command),
            cwd=_ROOT,
            env=_environment(self.bundle),
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)[:300]} failed:\n{done.stderr[-2000:]}")
        return done.stdout


def _environment(bundle: str) -> dict[str, str]:
    """This one, with the server's authority trusted, and compiled code kept as it is for everybody by default."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"SSL_CERT_FILE": bundle, "PYTHONPATH": str(_ROOT)}


def _pinned(core: int | None, *command: str) -> list[str]:
    """The command, started where the loading of its code counts on that core too."""
    return [*command] if core is None else ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def open_lab(httpx_python: str | None) -> Generator[Lab]:
    """A server, and what clients need to know of it."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with tempfile.TemporaryDirectory() as folder:
        certificate, authority, bundle = _certificates(Path(folder))
        command = [sys.executable, "-m", "benchmarks.server", str(certificate)]
        pinned = _pinned(cores[0] if len(cores) > 1 else None, *command)
        with subprocess.Popen(pinned, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            yield Lab(
                _ports(server.stdout), str(authority), str(bundle), httpx_python, cores[-1] if len(cores) > 1 else None
            )
            server.stdin.close()


def _ports(output: IO[bytes]) -> dict[str, int]:
    ports: dict[str, int] = json.loads(output.readline())
    return ports


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    import certifi
    import trustme

    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    certificate, own, bundle = folder / "server.pem", folder / "authority.pem", folder / "bundle.pem"
    server.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(own))
    bundle.write_bytes(Path(certifi.where()).read_bytes() + own.read_bytes())
    return certificate, own, bundle
