"""Engines of SQLAlchemy for SQLite files and for PostgreSQL."""

from __future__ import annotations

import asyncio
import math
import os
import stat
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from ...errors import ConfigError
from ...oauth.private_files import create_private_directory
from ..server_url import ServerURL

if TYPE_CHECKING:
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["MAX_CONNECTIONS", "TIMEOUT", "check_database_url", "check_packages", "connect", "driver_errors"]

TIMEOUT: Final = 5.0  # seconds for a connection, a statement, or the lock of another writer
MAX_CONNECTIONS: Final = 4  # statements take tenths of a millisecond, so a few connections serve many tasks
_MAX_IDLE: Final = 1.0  # seconds after which a connection is tested before it is used
_WAL_ATTEMPTS: Final = 50
_WAL_PAUSE: Final = 0.02
_SCHEMES: Final = ("sqlite", "postgresql", "postgres")
_TLS_FILES: Final = ("sslcert", "sslkey", "sslrootcert")
_TLS_PARAMETERS: Final = ("sslmode", *_TLS_FILES)
_PARAMETERS: Final = ("host", "port", "ssl", *_TLS_PARAMETERS)
# SQLAlchemy's async core needs greenlet.
_PACKAGES: Final = {
    "sql": ("sqlalchemy", "greenlet", "aiosqlite"),
    "postgres": ("sqlalchemy", "greenlet", "asyncpg"),
}


def check_database_url(url: ServerURL) -> None:
    """Raise ConfigError if this is not the URL of a SQLite file or of PostgreSQL."""
    scheme = url.scheme.partition("+")[0]
    if scheme == "sqlite" and url.path in ("/", "/:memory:"):
        raise ConfigError("a SQLite database in memory cannot be shared; use sqlite:/// and the path of a file")
    example = "sqlite:///path or postgresql://user:password@host/name"
    parameters = () if scheme == "sqlite" else _PARAMETERS
    # The name of a driver, as in postgresql+psycopg://, is for other programs that use the same URL.
    schemes = [url.scheme] if scheme in _SCHEMES else []
    url.check("a database", schemes=schemes, query=parameters, files=_TLS_FILES, example=example)


def check_packages(extra: str, *more: str) -> None:
    """Raise ConfigError if a package of this extra, or one of `more`, is not installed."""
    if any(find_spec(package) is None for package in (*_PACKAGES[extra], *more)):
        raise ConfigError(f"the database requires optional packages; run: pip install 'cloud66-async[{extra}]'")


def connect(url: ServerURL) -> AsyncEngine:
    """Return an engine whose connections commit each statement."""
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine

    is_sqlite = url.scheme.startswith("sqlite")
    target, tls = _driver_url(url)
    options: dict[str, Any] = {"connect_args": {"timeout": TIMEOUT}}
    if not is_sqlite:
        arguments = {"timeout": TIMEOUT, "command_timeout": TIMEOUT, "dsn": f"postgresql://?{urlencode(tls)}"}
        options = {"connect_args": arguments, "isolation_level": "AUTOCOMMIT"}
    engine = create_async_engine(
        target,
        hide_parameters=True,  # an error must not show what is stored
        pool_size=MAX_CONNECTIONS,
        max_overflow=0,
        pool_timeout=TIMEOUT,  # a cancelled task may return its connection after its turn
        **options,
    )
    if is_sqlite:
        path = Path(url.path[1:])
        event.listen(engine.sync_engine, "do_connect", lambda *_: _create_private_file(path))
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
    else:
        event.listen(engine.sync_engine, "checkin", _note_time)
        event.listen(engine.sync_engine, "checkout", _test_idle)
    return engine


def driver_errors() -> tuple[type[Exception], ...]:
    """Return the errors of asyncpg, which SQLAlchemy 2.0 does not translate while it connects."""
    asyncpg: Any = sys.modules.get("asyncpg")
    return () if asyncpg is None else (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def _driver_url(url: ServerURL) -> tuple[URL, dict[str, str]]:
    """Return the URL with our driver, and libpq's parameters for TLS, which SQLAlchemy does not pass on to asyncpg."""
    from sqlalchemy.engine import make_url

    driver = "sqlite+aiosqlite" if url.scheme.startswith("sqlite") else "postgresql+asyncpg"
    found = make_url(url.reveal()).set(drivername=driver)
    tls = {name: str(found.query[name]) for name in _TLS_PARAMETERS if name in found.query}
    return found.difference_update_query(_TLS_PARAMETERS), tls


def _note_time(_: object, record: Any) -> None:
    record.info["idle since"] = time.monotonic()


def _test_idle(connection: Any, record: Any, _: object) -> None:
    """Replace a connection that the server has closed, for example in a restart, before a statement fails."""
    from sqlalchemy.exc import InvalidatePoolError

    if time.monotonic() - record.info.get("idle since", math.inf) > _MAX_IDLE:
        try:
            connection.ping()
        except Exception:  # noqa: BLE001 (the next connection attempt reports the reason)
            raise InvalidatePoolError from None


def _configure_sqlite(connection: Any, _: object) -> None:
    """Commit each statement outside of transactions, and let readers work while another process writes (WAL)."""
    from sqlalchemy.util import await_only

    connection.isolation_level = None
    cursor = connection.cursor()
    for left in range(_WAL_ATTEMPTS, 0, -1):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except Exception as error:
            # SQLite does not wait for another connection that makes the same change to a new file.
            if left == 1 or "locked" not in str(error):
                raise
            await_only(asyncio.sleep(_WAL_PAUSE))
    cursor.close()


def _create_private_file(path: Path) -> None:
    """Create the file for its owner only. SQLite gives its other files, `-wal` and `-shm`, the same permissions.

    Before each connection: SQLite would create a file that was deleted again with permissions for all users.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        create_private_directory(path.parent)
        with suppress(FileExistsError):
            # Only a new file is opened: to close any descriptor of a file ends all locks that this process has on it.
            os.close(os.open(path, flags, 0o600))
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise ConfigError(f"cannot create {path}: {error.strerror}") from None
    if not is_file:
        raise ConfigError(f"cannot use {path}: not a regular file")
