"""Database: SQLite or PostgreSQL through SQLAlchemy's async core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from ..._core.text import clean
from ...errors import StoreError
from ..per_loop import PerLoop
from ..server_url import ServerURL
from .engines import MAX_CONNECTIONS, TIMEOUT, check_database_url, check_packages, connect, driver_errors
from .turns import Turns

if TYPE_CHECKING:
    from sqlalchemy import Connection, Executable, Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["Database", "default_url"]

_CREATE_LOCK: Final = 6_600_366  # any number: PostgreSQL's advisory lock while tables are created


def default_url() -> str:
    """Return the URL of a SQLite file beside the stored logins.

    Raises ConfigError without the extra `sql`, and without a home directory.
    """
    from ...oauth.file_store import default_path

    check_packages("sql", "platformdirs")
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
        check_database_url(self.url)
        self._is_sqlite = self.url.scheme.startswith("sqlite")
        check_packages("sql" if self._is_sqlite else "postgres")
        self._opened: PerLoop[_Opened] = PerLoop(lambda: _Opened(connect(self.url)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.url)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url,)

    async def fetch(self, action: str, statement: Executable, *tables: Table) -> Sequence[Any]:
        """Run one statement, which is a transaction of its own, and return its rows. Raises StoreError."""
        return (await self._run(action, statement, tables))[0]

    async def change(self, action: str, statement: Executable, *tables: Table) -> int:
        """Run one statement, which is a transaction of its own. Return how many rows it changed. Raises StoreError."""
        return (await self._run(action, statement, tables))[1]

    @asynccontextmanager
    async def begin(self, action: str, *tables: Table) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction in which `tables` exist. Errors become StoreError: "cannot `action`".

        For several statements that belong together. On SQLite, it excludes other writers from its beginning: a
        transaction that reads and then writes would fail at once if another one wrote in between.
        """
        opened = self._opened.get()
        errors = _errors()
        try:
            await self._create_missing(opened, tables)
            async with opened.turns.take(), opened.transactions.begin() as connection:
                if self._is_sqlite:
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except errors as error:
            reason = opened.examine(error)
        else:
            return
        raise self._failure(action, reason) from None

    async def create(self, *tables: Table) -> None:
        """Create the tables that do not exist. Several processes may do so at the same time. Raises StoreError."""
        async with self.begin("create tables", *tables):
            pass

    def upsert(self, table: Table, values: dict[str, Any], *, where: Any = None) -> Any:
        """Return the statement that inserts a row, or replaces the one with the same primary key.

        With `where`, a row that does not meet this condition is left as it is.
        """
        if self._is_sqlite:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # the same methods
        keys = [column.name for column in table.primary_key]
        changed = {name: value for name, value in values.items() if name not in keys}
        return insert(table).values(**values).on_conflict_do_update(index_elements=keys, set_=changed, where=where)

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        opened = self._opened.pop()
        if opened is not None:
            await opened.engine.dispose()

    async def _run(self, action: str, statement: Executable, tables: Sequence[Table]) -> tuple[Sequence[Any], int]:
        opened = self._opened.get()
        try:
            await self._create_missing(opened, tables)
            async with opened.turns.take(), opened.engine.connect() as connection:
                result = await connection.execute(statement)
                return result.all() if result.returns_rows else (), result.rowcount
        except _errors() as error:
            reason = opened.examine(error)
        raise self._failure(action, reason)

    async def _create_missing(self, opened: _Opened, tables: Sequence[Table]) -> None:
        if all(table.name in opened.existing for table in tables):
            return
        async with opened.creating:  # one task at a time
            missing = [table for table in tables if table.name not in opened.existing]
            async with opened.turns.take(), opened.engine.connect() as connection:
                missing = await connection.run_sync(_without_existing, missing)
            if missing:
                await self._create(opened, missing)
            opened.existing.update(table.name for table in tables)

    async def _create(self, opened: _Opened, tables: Sequence[Table]) -> None:
        """Create tables, one process at a time: `checkfirst` alone fails if two create the same table."""
        async with opened.turns.take(), opened.transactions.begin() as connection:
            lock = "BEGIN IMMEDIATE" if self._is_sqlite else f"SELECT pg_advisory_xact_lock({_CREATE_LOCK})"
            await connection.exec_driver_sql(lock)
            for table in tables:
                await connection.run_sync(table.create, checkfirst=True)

    def _failure(self, action: str, reason: str) -> StoreError:
        return StoreError(f"cannot {action}: the database {self.url} failed ({reason})")


class _Opened:
    """What one event loop uses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine  # its connections are in autocommit mode
        self.transactions = engine
        if engine.dialect.name == "postgresql":
            self.transactions = engine.execution_options(isolation_level="READ COMMITTED")
        self.existing: set[str] = set()
        self.creating = asyncio.Lock()
        self.turns = Turns(MAX_CONNECTIONS, TIMEOUT)

    def examine(self, error: BaseException) -> str:
        """Return the kind of an error and the first line of its message: later lines show the statement."""
        origin = getattr(error, "orig", None) or error
        origin = origin.__cause__ or origin  # SQLAlchemy wraps errors of asyncpg twice
        lines = str(origin).splitlines() or ["no response"]
        if type(origin).__name__ == "UndefinedTableError" or lines[0].startswith("no such table"):
            self.existing.clear()  # a table was dropped: the next call creates it again
        return f"{type(origin).__name__}: {clean(lines[0], max_length=200)}"


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of SQLAlchemy, of its drivers and of the network."""
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError, OSError, UnicodeError, *driver_errors()


def _without_existing(connection: Connection, tables: Sequence[Table]) -> list[Table]:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    return [table for table in tables if not inspector.has_table(table.name)]
