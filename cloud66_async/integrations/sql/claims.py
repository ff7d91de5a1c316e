"""Claims of the writes of a cluster in a database."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from ...clock import Clock, read_clock
from ...cluster import Claim
from ..sealed_claims import SealedClaims, check_lifetime
from ..sealing import KEY_VARIABLE
from .database import Database, default_url

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["SQLClaims"]


class SQLClaims:
    """Store of claims in a database for `cluster.each(claims=...)` and `cluster.rollout(claims=...)`.

    Results are encrypted. The table `cloud66_claims` is created on first use. Claims that have expired are deleted when
    a run is cleared.

    Args:
        url: `sqlite:///` and the path of a file, or `postgresql://user:password@host/name`. The default is a SQLite
            file beside the stored logins, which serves workers on this machine.
        lifetime: How long after a write its run can be continued.
        key_variable: Name of the environment variable that holds the encryption key; see `new_key`. Every worker needs
            it.
        clock: Source of the current time.

    Its methods raise StoreError if the database fails, and ConfigError if there is no encryption key or no key fits.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        lifetime: timedelta = timedelta(days=7),
        key_variable: str = KEY_VARIABLE,
        clock: Clock | None = None,
    ) -> None:
        self._database = Database(default_url() if url is None else url)
        del url  # it may hold a password, and a traceback may show local variables
        self._sealed = SealedClaims(key_variable)
        self._lifetime = check_lifetime(lifetime)
        self._clock = read_clock(clock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._database.url}>"

    async def begin(self, run: str, number: int, mark: str) -> Claim | None:
        """Claim an item. Return None if that is new, and otherwise the earlier claim."""
        self._sealed.check()
        table, now = _table(), self._clock.now()
        row = {"run": run, "number": number, "mark": mark, "until": (now + self._lifetime).timestamp()}
        same = _same(table, run, number)
        async with self._database.begin("claim a write", table) as connection:
            await connection.execute(table.delete().where(*same, table.c.until <= now.timestamp()))
            inserted = await connection.execute(_insert_missing(connection.dialect.name, row))
            if inserted.rowcount == 1:
                return None
            found = (await connection.execute(table.select().where(*same))).first()
        if found is None or found.result is None:  # no row: withdrawn at this moment
            return Claim(mark if found is None else found.mark)
        return self._sealed.open(run, number, found.result)

    async def finish(self, run: str, number: int, mark: str, result: bytes) -> None:
        """Store the result of a claimed item."""
        sealed, table = self._sealed.seal(run, number, mark, result), _table()
        async with self._database.begin("store the result of a write", table) as connection:
            await connection.execute(table.update().where(*_same(table, run, number)).values(result=sealed))

    async def withdraw(self, run: str, number: int) -> None:
        """Delete the claim of an item that was certainly not changed."""
        table = _table()
        async with self._database.begin("withdraw the claim of a write", table) as connection:
            await connection.execute(table.delete().where(*_same(table, run, number)))

    async def clear(self, run: str) -> None:
        """Delete every claim of a run, and those of other runs that have expired."""
        table, now = _table(), self._clock.now().timestamp()
        async with self._database.begin("delete the claims of a run", table) as connection:
            await connection.execute(table.delete().where((table.c.run == run) | (table.c.until <= now)))

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._database.aclose()


@cache
def _table() -> Table:
    from sqlalchemy import BigInteger, Column, Double, LargeBinary, MetaData, String, Table

    return Table(
        "cloud66_claims",
        MetaData(),
        Column("run", String, primary_key=True),
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("mark", String, nullable=False),
        Column("result", LargeBinary),
        Column("until", Double, nullable=False, index=True),  # seconds since 1970, for the deletion of old rows
    )


def _same(table: Table, run: str, number: int) -> tuple[Any, ...]:
    return table.c.run == run, table.c.number == number


def _insert_missing(dialect: str, row: dict[str, Any]) -> Any:
    """Return the statement that inserts a row unless its primary key exists."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # the same methods
    return insert(_table()).values(**row).on_conflict_do_nothing()
