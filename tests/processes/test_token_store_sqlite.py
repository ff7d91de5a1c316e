"""Shared logins in a SQLite file: its permissions, and other programs that use it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from cloud66_async import Cloud66Error, ConfigError, StoreError
from cloud66_async.integrations.sql.store import SQLStore

from .logins import PLAIN, TOKEN, closing
from .servers import require_package


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    for package in ("sqlalchemy", "aiosqlite"):
        require_package(package, "sql")
    return tmp_path / "private" / "cloud66.db"


async def test_sqlite_files_are_private(sqlite_path: Path) -> None:
    store = SQLStore(f"sqlite:///{sqlite_path}")
    before = os.umask(0)
    try:
        async with closing(store):
            await asyncio.gather(*(store.save(TOKEN) for _ in range(20)))
            files = sorted(sqlite_path.parent.iterdir())
            assert [file.name for file in files] == ["cloud66.db", "cloud66.db-shm", "cloud66.db-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
            assert stat.S_IMODE(sqlite_path.parent.stat().st_mode) == 0o700
            await store.aclose()
            for file in sqlite_path.parent.iterdir():
                file.unlink()
            await store.save(TOKEN)
            assert {stat.S_IMODE(file.stat().st_mode) for file in sqlite_path.parent.iterdir()} == {0o600}
    finally:
        os.umask(before)


async def test_sqlite_file_that_was_deleted(sqlite_path: Path) -> None:
    store = SQLStore(f"sqlite:///{sqlite_path}")
    async with closing(store):
        await store.save(TOKEN)
        await store.aclose()
        for file in sqlite_path.parent.iterdir():
            file.unlink()
        assert await _outcome(store) in ("StoreError", None)
        await store.save(PLAIN)
        assert await store.load() == PLAIN


async def _outcome(store: SQLStore) -> str | None:
    try:
        found = await store.load()
    except Cloud66Error as error:
        return type(error).__name__
    return None if found is None else "a login"


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"\0" * 100])
async def test_file_that_is_not_a_database(sqlite_path: Path, content: bytes) -> None:
    sqlite_path.parent.mkdir(mode=0o700)
    sqlite_path.write_bytes(content)
    sqlite_path.chmod(0o600)
    store = SQLStore(f"sqlite:///{sqlite_path}")
    async with closing(store):
        with pytest.raises(StoreError, match="DatabaseError: file is not a database"):
            await store.load()
    assert sqlite_path.read_bytes() == content


async def test_paths_that_cannot_hold_a_database(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir(mode=0o700)
    sqlite_path.mkdir()
    (sqlite_path.parent / "file").write_text("")
    os.mkfifo(sqlite_path.parent / "pipe")
    for path in (
        sqlite_path,
        sqlite_path / ("x" * 300),
        sqlite_path.parent / "file" / "a.db",
        sqlite_path.parent / "pipe",
    ):
        store = SQLStore(f"sqlite:///{path}")
        with pytest.raises(ConfigError, match=r"cannot (create|use) "):
            await store.load()


async def test_directory_where_others_can_replace_files(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.parent.chmod(0o777)
    store = SQLStore(f"sqlite:///{sqlite_path}")
    with pytest.raises(ConfigError, match=r"other users can replace files in .*; run: chmod 700"):
        await store.load()


async def test_other_program_writes_for_too_long(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading goes on meanwhile."""
    from cloud66_async.integrations.sql import engines

    monkeypatch.setattr(engines, "TIMEOUT", 0.2)
    store = SQLStore(f"sqlite:///{sqlite_path}")
    async with closing(store):
        await store.save(TOKEN)
        other = sqlite3.connect(sqlite_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        new = SQLStore(f"sqlite:///{sqlite_path}")
        try:
            assert await store.load() == TOKEN
            async with closing(new):
                assert await new.load() == TOKEN  # it looks for the table without a lock
            with pytest.raises(StoreError, match=r"cannot save the login.*OperationalError: database is locked"):
                await store.save(PLAIN)
            assert await store.load() == TOKEN
        finally:
            other.close()
        await store.save(PLAIN)
        assert await store.load() == PLAIN


async def test_other_program_reads_for_long(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing goes on meanwhile."""
    from cloud66_async.integrations.sql import engines

    monkeypatch.setattr(engines, "TIMEOUT", 0.2)
    store = SQLStore(f"sqlite:///{sqlite_path}")
    async with closing(store):
        await store.save(TOKEN)
        other = sqlite3.connect(sqlite_path, isolation_level=None)
        try:
            other.execute("BEGIN")
            before = other.execute("SELECT sealed FROM cloud66_logins").fetchall()
            await store.save(PLAIN)
            assert await store.load() == PLAIN
            assert other.execute("SELECT sealed FROM cloud66_logins").fetchall() == before
        finally:
            other.close()
