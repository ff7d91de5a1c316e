"""Stores of logins for the tests, and processes that use them."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from cloud66_async import Token
from cloud66_async.integrations.redis import RedisStore
from cloud66_async.integrations.sql import SQLStore
from cloud66_async.oauth import FileStore, MemoryStore

from .servers import RedisServer, require_package

SharedStore: TypeAlias = SQLStore | RedisStore

TOKEN = Token("SHARED-TOKEN-1", scopes=("public", "redeploy"), expires_at=datetime(2030, 1, 1, tzinfo=UTC))
PLAIN = Token("SHARED-TOKEN-2")
OTHER_SITE = "http://127.0.0.1:8066"
OLD_KEY = "b2xkIGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzISE="
NEW_KEY = "bmV3IGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzISE="


MakeStore: TypeAlias = Callable[..., Any]  # its options are those of the store


def factory(kind: str, request: pytest.FixtureRequest) -> MakeStore:
    """Return a function that creates stores of this kind with the same content."""
    folder: Path = request.getfixturevalue("tmp_path")
    if kind == "memory":
        return MemoryStore
    if kind == "file":
        return partial(FileStore, folder / "settings" / "logins.json")
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        # A busy machine must not look like a frozen server.
        return partial(RedisStore, server.patient_url)
    for package in ("sqlalchemy", "aiosqlite"):
        require_package(package, "sql")
    url: str = f"sqlite:///{folder}/cloud66.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    return partial(SQLStore, url)


@contextlib.asynccontextmanager
async def closing(*stores: Any) -> AsyncGenerator[None]:
    """Close the stores at the end."""
    try:
        yield
    finally:
        for store in stores:
            await store.aclose()


def start(store: SharedStore, script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that unpickles the store and runs `async def main(store, *arguments)`."""
    program = f"""
import asyncio, pickle, sys
from cloud66_async import StoreError, Token
{textwrap.dedent(script)}
store = pickle.loads(bytes.fromhex(sys.argv[1]))
asyncio.run(main(store, *sys.argv[2:]))
"""
    command = [sys.executable, "-W", "error", "-c", program, pickle.dumps(store).hex(), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Wait for the processes, which must succeed, and return what they printed."""
    results = [process.communicate(timeout=100) for process in processes]
    for process, (_, errors) in zip(processes, results, strict=True):
        assert (process.returncode, errors) == (0, "")
    return [output for output, _ in results]


def release(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Let processes that print a line and then read one go on at the same time."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
