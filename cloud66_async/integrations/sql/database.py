"""Database: an engine of SQLAlchemy's async core for each event loop, and one statement per change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from ...errors import ConfigError, StoreError
from ...oauth.private_files import create_private_directory
from ..server_url import ServerURL

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["Database", "default_url"]

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_LOCK_TIMEOUT = 5.0  # seconds that a writer waits for another one
_CREATE_LOCK = 6_600_366  # any number: PostgreSQL's advisory lock while tables are created
_NEEDS_EXTRA = "databases require optional packages; run: pip install 'cloud66-async[sql]'"
_NEEDS_POSTGRES = "PostgreSQL requires optional packages; run: pip install 'cloud66-async[postgres]'"


def default_url() -> str:
    """Return the URL of a SQLite file beside the stored logins. Raises ConfigError if there is no such directory."""
    from ...oauth.file_store import default_path

    return f"sqlite:///{default_path().with_name('cloud66.db')}"


class Database:
    """One database, whose tables are created on first use.

    Args:
        url: `sqlite:///` and the path of a file, or `postgresql://user:password@host/name`. A SQLite file is created
            with permissions for its owner only. It must be on a local disk: its locks do not work over networks.
    """

    def __init__(self, url: str | ServerURL) -> None:
        self.url: ServerURL = url if isinstance(url, ServerURL) else ServerURL(url)
        del url  # it may hold a password, and a traceback may show local variables
        self._engines: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine] = WeakKeyDictionary()
        self._process = os.getpid()
        self._created: set[str] = set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.url)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url,)

    @asynccontextmanager
    async def begin(self, action: str, *tables: Table) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction in which `tables` exist. Errors become StoreError: "cannot `action`"."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            await self._create_missing(tables)
            async with self._engine().begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            reason = _reason(error)
        else:
            return
        raise StoreError(f"cannot {action}: the database {self.url} failed ({reason})")

    async def create(self, *tables: Table) -> None:
        """Create the tables that do not exist. Several processes may do so at the same time. Raises StoreError."""
        async with self.begin("create tables", *tables):
            pass

    def upsert(self, table: Table, values: dict[str, Any]) -> Any:
        """Return the statement that inserts a row, or replaces the one with the same primary key."""
        if self._url().get_backend_name() == "sqlite":
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # the same methods
        keys = [column.name for column in table.primary_key]
        changed = {name: value for name, value in values.items() if name not in keys}
        return insert(table).values(**values).on_conflict_do_update(index_elements=keys, set_=changed)

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        engine = self._engines.pop(asyncio.get_running_loop(), None)
        if engine is not None:
            await engine.dispose()

    async def _create_missing(self, tables: Sequence[Table]) -> None:
        missing = [table for table in tables if table.name not in self._created]
        if not missing:
            return
        async with self._engine().begin() as connection:
            # One process at a time: `checkfirst` alone fails where two create the same table.
            if connection.dialect.name == "postgresql":
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATE_LOCK})")
            for table in missing:
                await connection.run_sync(table.create, checkfirst=True)
        self._created.update(table.name for table in missing)

    def _url(self) -> URL:
        try:
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError
        except ImportError:
            raise ConfigError(_NEEDS_EXTRA) from None
        try:
            url = make_url(self.url.reveal())
        except (ArgumentError, ValueError):
            url = None
        name = "" if url is None else url.get_backend_name()
        if url is None or name not in _DRIVERS:
            raise ConfigError("invalid URL of a database: expected sqlite:///path or postgresql://user@host/name")
        return url.set(drivername=_DRIVERS[name]) if "+" not in url.drivername else url

    def _engine(self) -> AsyncEngine:
        if self._process != os.getpid():  # forked: the parent's connections must not be used
            self._engines, self._process = WeakKeyDictionary(), os.getpid()
        loop = asyncio.get_running_loop()
        found = self._engines.get(loop)
        if found is None:
            found = self._engines[loop] = self._connect()
        return found

    def _connect(self) -> AsyncEngine:
        from sqlalchemy import event
        from sqlalchemy.ext.asyncio import create_async_engine

        url = self._url()
        is_sqlite = url.get_backend_name() == "sqlite"
        if is_sqlite:
            _create_private_file(url.database)
        try:
            # `hide_parameters`: an error must not show what is stored.
            engine = create_async_engine(
                url, hide_parameters=True, connect_args={"timeout": _LOCK_TIMEOUT}, pool_pre_ping=not is_sqlite
            )
        except ImportError:
            raise ConfigError(_NEEDS_EXTRA if is_sqlite else _NEEDS_POSTGRES) from None
        if is_sqlite:
            event.listen(engine.sync_engine, "connect", _configure_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_immediate)
        return engine


def _configure_sqlite(connection: Any, _: object) -> None:
    """Let readers and one writer work at the same time (WAL), and leave transactions to `_begin_immediate`."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    """Lock at the beginning: a transaction that reads and then writes would fail at once if another one wrote."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _create_private_file(name: str | None) -> None:
    """Create the file for its owner only. SQLite gives its other files, `-wal` and `-shm`, the same permissions."""
    if not name or name == ":memory:":
        raise ConfigError("a SQLite database in memory cannot be shared; use sqlite:/// and the path of a file")
    path = Path(name)
    try:
        create_private_directory(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
    except OSError as error:
        raise ConfigError(f"cannot create {path}: {error.strerror}") from None


def _reason(error: BaseException) -> str:
    """Return the kind of the error and the first line of its message: later lines show the statement."""
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {(str(origin).splitlines() or ['no response'])[0][:200]}"
