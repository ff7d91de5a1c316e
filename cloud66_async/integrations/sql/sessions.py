"""Sessions of a web login in a database, for several processes that serve the same users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ...clock import Clock, read_clock
from ...secret import Secret
from ...token import Token
from ..sealed_sessions import LOGIN, SESSION, SealedSessions
from ..sealing import KEY_VARIABLE
from .database import Database, default_url

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["SQLSessions"]

_CLEANING_INTERVAL: Final = timedelta(minutes=10)


class SQLSessions:
    """Session store in a database for `WebLogin(sessions=...)`, shared by all processes that use this database.

    Tokens are encrypted. The table `cloud66_sessions` is created on first use. Rows that have expired are deleted
    every ten minutes at most, when a user logs in. The connections open on first use and are closed by
    `WebLogin.lifespan`.

    Args:
        url: `sqlite:///` and the path of a file, or `postgresql://user:password@host/name`. The default is a SQLite
            file beside the stored logins.
        key_variable: Name of the environment variable that holds the encryption key; see `new_key`.
        clock: Source of the current time.

    Its methods raise StoreError if the database fails, and ConfigError if there is no encryption key or no key fits.
    """

    def __init__(self, url: str | None = None, *, key_variable: str = KEY_VARIABLE, clock: Clock | None = None) -> None:
        self._database = Database(default_url() if url is None else url)
        del url  # it may hold a password, and a traceback may show local variables
        self._sealed = SealedSessions(key_variable)
        self._clock = read_clock(clock)
        self._next_cleaning: datetime | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._database.url}>"

    async def load(self, key: str) -> Token | None:
        """Return the token of this session, or None if there is no such session or it has expired."""
        sealed = await self._load(SESSION, key, "load the session")
        return self._sealed.open_token(key, sealed, self._clock.now())

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Store the token, which expires after `lifetime`."""
        until = self._clock.now() + lifetime
        await self._save("save the session", SESSION, key, self._sealed.seal_token(key, token, until), until)
        await self._clean()

    async def delete(self, key: str) -> None:
        """Delete the session, if it exists."""
        await self._take(key, "delete the session")

    async def take(self, key: str) -> Token | None:
        """Delete the session and return its token. If several processes do so at once, one of them receives it."""
        # Decrypted after the transaction: a session that no key fits is deleted, too.
        return self._sealed.open_token(key, await self._take(key, "end the session"), self._clock.now())

    async def claim(self, key: str, lifetime: timedelta) -> bool:
        """Return True to the first caller with this key, and False to all others until `lifetime` has passed."""
        table, now = _table(), self._clock.now()
        until = now + lifetime
        row = _row(LOGIN, key, self._sealed.seal_outcome(key, None, until), until)
        # Of several processes that insert at once, one receives a row. One that has expired is replaced.
        statement = self._database.upsert(table, row, where=table.c.until <= now.timestamp()).returning(table.c.key)
        claimed = await self._database.fetch("claim the login", statement, table)
        await self._clean()  # also here: logins that are started and never finished must not fill the table
        return bool(claimed)

    async def settle(self, key: str, outcome: Secret, lifetime: timedelta) -> None:
        """Store the outcome of a claim for the other callers, until `lifetime` has passed."""
        until = self._clock.now() + lifetime
        await self._save(
            "save the outcome of the login", LOGIN, key, self._sealed.seal_outcome(key, outcome, until), until
        )

    async def outcome(self, key: str) -> Secret | None:
        """Return the outcome of a claim, or None if there is none yet."""
        sealed = await self._load(LOGIN, key, "load the outcome of the login")
        return self._sealed.open_outcome(key, sealed, self._clock.now())

    async def create(self) -> None:
        """Create the table if it does not exist, for example before the processes start."""
        await self._database.create(_table())

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._database.aclose()

    async def _load(self, kind: str, key: str, action: str) -> bytes | None:
        from sqlalchemy import select

        table = _table()
        statement = select(table.c.sealed).where(table.c.kind == kind, table.c.key == key)
        return _sealed(await self._database.fetch(action, statement, table))

    async def _save(self, action: str, kind: str, key: str, sealed: bytes, until: datetime) -> None:
        table = _table()
        await self._database.change(action, self._database.upsert(table, _row(kind, key, sealed, until)), table)

    async def _take(self, key: str, action: str) -> bytes | None:
        table = _table()
        statement = table.delete().where(table.c.kind == SESSION, table.c.key == key).returning(table.c.sealed)
        return _sealed(await self._database.fetch(action, statement, table))

    async def _clean(self) -> None:
        """Delete rows that have expired, unless this was done in the last ten minutes."""
        table, now = _table(), self._clock.now()
        if self._next_cleaning is not None and now < self._next_cleaning:
            return
        self._next_cleaning = now + _CLEANING_INTERVAL
        statement = table.delete().where(table.c.until <= now.timestamp())
        await self._database.change("delete expired sessions", statement, table)


def _sealed(rows: Sequence[Any]) -> bytes | None:
    return rows[0].sealed if rows else None


def _row(kind: str, key: str, sealed: bytes, until: datetime) -> dict[str, Any]:
    return {"kind": kind, "key": key, "sealed": sealed, "until": until.timestamp()}


@cache
def _table() -> Table:
    from sqlalchemy import Column, Double, LargeBinary, MetaData, String, Table

    return Table(
        "cloud66_sessions",
        MetaData(),
        Column("kind", String(10), primary_key=True),
        Column("key", String(64), primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
        Column("until", Double, nullable=False, index=True),  # seconds since 1970, for the deletion of old rows
    )
