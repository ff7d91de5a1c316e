"""Logins in Redis that several processes share."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import quote

from ...config import URL
from ...oauth.store import DEFAULT
from ...token import Token
from ..sealed_logins import SealedLogins
from ..sealing import KEY_VARIABLE
from .connection import RedisConnection, key_prefix

__all__ = ["RedisStore"]

_PAGE: Final = 200  # logins
# Only if it has not been saved or deleted in between: that must not be undone.
_REPLACE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
    return 1
end
return 0
"""


class RedisStore:
    """Store of logins in Redis, for all processes with the same server and prefix. Tokens are encrypted.

    Each login is one key, and is replaced as a whole. An application with one login for each of its users passes the
    name of the user as `profile`. A token with an expiry is removed when it expires. Connections open on first use.
    Requires the extra `redis`, and Redis 6.2 or newer.

    Redis must not evict keys (`maxmemory-policy noeviction`), and without persistence (AOF or RDB) its restart deletes
    all logins.

    Args:
        url: URL of the server: `redis://host:6379/0`, with TLS `rediss://`, or `unix://` and the path of a socket.
        site: Server of the logins: a token of one server is never returned for another.
        key_variable: Name of the environment variable that holds the encryption key; see `new_key`.
        prefix: First part of every key in Redis.

    Its methods raise StoreError if Redis fails, and ConfigError if there is no encryption key or no key fits.
    """

    def __init__(self, url: str, *, site: str = URL, key_variable: str = KEY_VARIABLE, prefix: str = "cloud66") -> None:
        self._connection = RedisConnection(url)
        del url  # it may hold a password, and a traceback may show local variables
        self._logins = SealedLogins(site, key_variable)
        self._prefix = key_prefix(prefix)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._connection.url)!r}, site={self._logins.site!r})"

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this login, or None if there is none."""
        row = self._logins.row(profile, account)
        with self._connection.errors("load the login"):
            sealed: Any = await self._connection.client().get(self._key(*row))
        return self._logins.open(row, sealed)

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Store the token and replace an earlier one."""
        row = self._logins.row(profile, account)
        sealed = self._logins.seal(row, token)
        expiry = None if token.expires_at is None else max(1, int(token.expires_at.timestamp() * 1000))
        with self._connection.errors("save the login"):
            await self._connection.client().set(self._key(*row), sealed, pxat=expiry)

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Delete the login. Return whether there was one."""
        row = self._logins.row(profile, account)
        with self._connection.errors("delete the login"):
            return bool(await self._connection.client().delete(self._key(*row)))

    async def reseal(self) -> int:
        """Encrypt every login of this site with the newest key. Return how many.

        Raises ConfigError if there are logins that no key fits, after the others have been encrypted.
        """
        done = failed = 0
        seen: set[bytes] = set()  # SCAN may return a key more than once
        with self._connection.errors("encrypt logins again"):
            client: Any = self._connection.client()  # partly untyped
            async for key in client.scan_iter(match=self._key(self._logins.site) + ":*", count=_PAGE):
                sealed = None if key in seen else await client.get(key)
                seen.add(key)
                if sealed is None:
                    continue
                resealed = self._logins.reseal(cast("bytes", sealed))
                if resealed is None:
                    failed += 1
                else:
                    done += await client.eval(_REPLACE, 1, key, sealed, resealed)
        self._logins.check_resealed(failed)
        return done

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._connection.aclose()

    def _key(self, *parts: str) -> str:
        # Quoted, so that no user name contains the separator, or a character that SCAN gives a meaning.
        return ":".join((self._prefix, "login", *(quote(part, safe="@") for part in parts)))
