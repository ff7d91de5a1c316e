"""Fixtures: real Redis and PostgreSQL servers. Each worker of pytest-xdist starts its own on first use."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.integrations.sealing import KEY_VARIABLE

from .servers import PostgresServer, RedisServer, require_package

STORE_KEY = "c3RvcmUga2V5IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXM="


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, _clean_environment: None) -> None:
    """Set the key that stored values are encrypted with."""
    monkeypatch.setenv(KEY_VARIABLE, STORE_KEY)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where possible: a disk that is busy for seconds looks like a frozen server."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cloud66-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    if server.is_running:
        server.stop()


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """Return a running Redis without any data."""
    redis: Any = import_module("redis")  # partly untyped
    if not _redis.is_running:  # a test has stopped it
        _redis.start()
    _redis.thaw()
    with redis.Redis.from_url(_redis.url) as client:
        client.flushall()
    return _redis


@pytest.fixture
def persistent_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a Redis of this test's own whose data survives a restart."""
    server = RedisServer(tmp_path, persistent=True)
    server.start()
    yield server
    if server.is_running:
        server.stop()


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    # Not in a folder of pytest: another run of pytest makes these inaccessible for the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="cloud66-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        server.start()
        yield server
        if server.is_running:
            server.stop()


@pytest.fixture
def postgres_server(_postgres: PostgresServer) -> PostgresServer:
    """Return a running PostgreSQL."""
    if not _postgres.is_running:
        _postgres.start()
    return _postgres


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Return the URL of an empty PostgreSQL database."""
    return postgres_server.create_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database: a SQLite file, then PostgreSQL."""
    require_package("sqlalchemy", "sql")
    require_package("aiosqlite", "sql")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cloud66.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
