"""Redis and PostgreSQL for the tests: on loopback and free ports, with their data in a temporary folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

POSTGRES_FOLDERS = "/usr/lib/postgresql"
START_SECONDS = 100


def require_package(module: str, extra: str) -> None:
    """Skip the test if a Python package is missing, except in CI, where that is a failure."""
    if find_spec(module) is None:
        missing(f"{module} is not installed; run: pip install 'cloud66-async[{extra}]'")


def require_program(name: str, package: str, *folders: str) -> str:
    """Return the path of a program. Skip the test if it is missing, except in CI, where that is a failure."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *folders)))
    if found is None:
        missing(f"{name} is not installed; run: apt-get install {package}")
    return found


def missing(reason: str) -> NoReturn:
    """Skip the test. In a CI session that has installed everything, fail instead."""
    if os.environ.get("CLOUD66_TESTS_REQUIRE_SERVERS"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def free_port() -> int:
    """Return a port of the loopback interface that no program uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A server process that is started, stopped by its ID, killed and frozen."""

    def __init__(self, command: list[str], port: int, log: Path, *, user: str | None = None) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, user=self._user)
        wait_for(self._accepts, f"{self._command[0]} did not start; see {self._log}")

    def stop(self) -> None:
        """End the process in order, which keeps its data."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, as a crash does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process without ending it: connections stay open, and nothing is answered."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue a frozen process."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not been ended."""
        return self._process is not None

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server is not running"
        return self._process

    def _end(self, number: signal.Signals) -> None:
        self._running.send_signal(number)
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(signal.SIGCONT)
        self._running.wait(START_SECONDS)
        self._process = None

    def _accepts(self) -> bool:
        if self._running.poll() is not None:
            pytest.fail(f"{self._command[0]} ended at its start; see {self._log}:\n{self._log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class TLSFiles(NamedTuple):
    """Files in PEM format: the certificate of the authority, and a certificate from it with its key."""

    authority: Path
    certificate: Path
    key: Path


class RedisServer(Server):
    """A Redis that stores nothing on disk, unless `persistent`.

    With `tls`, it accepts only TLS, and only clients with a certificate.
    """

    def __init__(self, folder: Path, *, persistent: bool = False, tls: TLSFiles | None = None) -> None:
        require_package("redis", "redis")
        program = require_program("redis-server", "redis-server", "/usr/sbin")
        port = free_port()
        self._scheme = "redis" if tls is None else "rediss"
        options = ["--port", str(port)] if tls is None else _redis_tls(port, tls)
        options += ["--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always"] if persistent else ["--appendonly", "no"]
        super().__init__([program, *options], port, folder / "redis.log")

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        return f"{self._scheme}://127.0.0.1:{self.port}/0"

    @property
    def patient_url(self) -> str:
        """The URL with long time limits: a machine that is busy for half a second looks like a frozen server."""
        return f"{self.url}?socket_timeout=20&socket_connect_timeout=20"

    def _accepts(self) -> bool:
        """Return whether it runs commands. Before that, it loads its data, and refuses them."""
        if not super()._accepts():
            return False
        if self._scheme == "rediss":
            return True  # it has no data
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        return False


class PostgresServer(Server):
    """A PostgreSQL cluster of its own. The server does not run as root, so another user owns its files then.

    With `tls`, it accepts only TLS, and for the database `template1` only clients with a certificate.
    """

    PASSWORD = "postgres-of-the-tests"

    def __init__(self, folder: Path, *, tls: TLSFiles | None = None) -> None:
        require_package("asyncpg", "postgres")
        require_package("sqlalchemy", "postgres")
        versions = sorted(Path(POSTGRES_FOLDERS).glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
        folders = [str(path) for path in versions]
        program = require_program("postgres", "postgresql", *folders)
        initdb = require_program("initdb", "postgresql", str(Path(program).resolve().parent), *folders)
        user = "nobody" if os.geteuid() == 0 else None
        data = folder / "data"
        data.mkdir()
        password = folder / "password"
        password.write_text(self.PASSWORD)
        for path in (folder, data, password):
            if user is not None:
                shutil.chown(path, user)
        options = ["--username=cloud66", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync", "--no-locale"]
        subprocess.run(
            [initdb, "-D", data, "--encoding=UTF8", *options], check=True, capture_output=True, user=user, cwd="/"
        )
        port = free_port()
        settings: Mapping[str, object] = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
            "max_connections": 60, **({} if tls is None else _postgres_tls(folder, tls, user)),
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        super().__init__([program, "-D", str(data), *options], port, folder / "postgres.log", user=user)
        self._number = 0

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://cloud66:{self.PASSWORD}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Disconnect all clients and end the server."""
        self._end(signal.SIGINT)

    def _accepts(self) -> bool:
        """Return whether a client is asked for its password. Before that, the server refuses all clients."""
        if not super()._accepts():
            return False
        start = b"\0\x03\0\0user\0cloud66\0\0"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as client:
            client.sendall((len(start) + 4).to_bytes(4) + start)
            return client.recv(1) == b"R"
        return False

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        self._number += 1
        name = f"test_{self._number}"
        asyncpg: Any = import_module("asyncpg")  # partly untyped

        async def create() -> None:
            connection = await asyncpg.connect(self.url())
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.close()

        # In a thread: the test may run in an event loop.
        with ThreadPoolExecutor(1) as executor:
            executor.submit(asyncio.run, create()).result()
        return self.url(name)


def _redis_tls(port: int, tls: TLSFiles) -> list[str]:
    files = {"cert": tls.certificate, "key": tls.key, "ca-cert": tls.authority}
    options = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "yes"]
    return options + [part for name, path in files.items() for part in (f"--tls-{name}-file", str(path))]


def _postgres_tls(folder: Path, tls: TLSFiles, user: str | None) -> dict[str, object]:
    """Return the settings. The server refuses a key that it does not own, so it gets copies."""
    rules = folder / "hba.conf"
    rules.write_text(
        "hostssl template1 all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
        "hostssl postgres all 127.0.0.1/32 scram-sha-256\n"
        "hostnossl cloud66 all 127.0.0.1/32 scram-sha-256\n"  # does not exist; what `_accepts` asks for
    )
    files = [*(Path(shutil.copy2(path, folder)) for path in tls), rules]
    for path in files:
        path.chmod(0o600)
        if user is not None:
            shutil.chown(path, user)
    names = ("ssl_ca_file", "ssl_cert_file", "ssl_key_file", "hba_file")
    return {"ssl": "on", **dict(zip(names, files, strict=True))}


def wait_for(condition: Callable[[], bool], problem: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(problem)
        time.sleep(0.02)
