"""Logins in a database that several processes share."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ...config import URL
from ...oauth.store import DEFAULT
from ...token import Token
from ..sealed_logins import SealedLogins
from ..sealing import KEY_VARIABLE
from .database import Database, default_url

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

__all__ = ["SQLStore"]

_PAGE: Final = 200  # logins


class SQLStore:
    """Store of logins in a database, for all processes that use it. Tokens are encrypted.

    Each login is one row of the table `cloud66_logins`, which is created on first use, and is replaced as a whole. An
    application with one login for each of its users passes the name of the user as `profile`. Connections open on
    first use. Requires the extra `sql`, and `postgres` for PostgreSQL.

    Args:
        url: `sqlite:///` and the path of a file, or `postgresql://user:password@host/name`. The default is a SQLite
            file beside the logins of `FileStore`. A SQLite file must be on a local disk.
        site: Server of the logins: a token of one server is never returned for another.
        key_variable: Name of the environment variable that holds the encryption key; see `new_key`.

    Its methods raise StoreError if the database fails, and ConfigError if there is no encryption key or no key fits.
    """

    def __init__(self, url: str | None = None, *, site: str = URL, key_variable: str = KEY_VARIABLE) -> None:
        self._database = Database(default_url() if url is None else url)
        del url  # it may hold a password, and a traceback may show local variables
        self._logins = SealedLogins(site, key_variable)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._database.url)!r}, site={self._logins.site!r})"

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this login, or None if there is none."""
        from sqlalchemy import select

        row, table = self._logins.row(profile, account), _table()
        rows = await self._database.fetch("load the login", select(table.c.sealed).where(_is_row(table, row)), table)
        return self._logins.open(row, rows[0][0] if rows else None)

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Store the token and replace an earlier one."""
        from sqlalchemy import func

        row, table = self._logins.row(profile, account), _table()
        values: dict[str, Any] = dict(zip(("site", "profile", "account"), row, strict=True))
        values |= {"sealed": self._logins.seal(row, token), "changed": func.now()}
        await self._database.change("save the login", self._database.upsert(table, values), table)

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Delete the login. Return whether there was one."""
        table = _table()
        statement = table.delete().where(_is_row(table, self._logins.row(profile, account)))
        return await self._database.change("delete the login", statement, table) > 0

    async def create(self) -> None:
        """Create the table if it does not exist, for example before the processes start."""
        await self._database.create(_table())

    async def reseal(self) -> int:
        """Encrypt every login of this site with the newest key. Return how many.

        Raises ConfigError if there are logins that no key fits, after the others have been encrypted.
        """
        from sqlalchemy import select, tuple_

        table, last = _table(), ("", "")
        done = failed = 0
        names = tuple_(table.c.profile, table.c.account)
        statement = select(table.c.profile, table.c.account, table.c.sealed).where(table.c.site == self._logins.site)
        statement = statement.order_by(table.c.profile, table.c.account).limit(_PAGE)
        while page := await self._database.fetch("encrypt logins again", statement.where(names > last), table):
            for profile, account, sealed in page:
                last = profile, account
                resealed = self._logins.reseal(sealed)
                if resealed is None:
                    failed += 1
                    continue
                # Only if it has not been saved or deleted in between: that must not be undone.
                is_row = _is_row(table, (self._logins.site, profile, account)) & (table.c.sealed == sealed)
                update = table.update().where(is_row).values(sealed=resealed)
                done += await self._database.change("encrypt logins again", update, table)
        self._logins.check_resealed(failed)
        return done

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._database.aclose()


def _is_row(table: Table, row: tuple[str, str, str]) -> ColumnElement[bool]:
    site, profile, account = row
    return (table.c.site == site) & (table.c.profile == profile) & (table.c.account == account)


@cache
def _table() -> Table:
    from sqlalchemy import Column, DateTime, LargeBinary, MetaData, String, Table

    return Table(
        "cloud66_logins",
        MetaData(),
        Column("site", String(255), primary_key=True),
        Column("profile", String(255), primary_key=True),
        Column("account", String(255), primary_key=True),  # "" for none: NULLs in a key are never equal
        Column("sealed", LargeBinary, nullable=False),
        Column("changed", DateTime(timezone=True), nullable=False),  # for administrators: when it was saved
    )
