"""Sessions of a web login in Redis, for several processes that serve the same users."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ...clock import Clock, read_clock
from ...secret import Secret
from ...token import Token
from ..sealed_sessions import LOGIN, SESSION, SealedSessions
from ..sealing import KEY_VARIABLE
from .connection import RedisConnection, key_prefix

__all__ = ["RedisSessions"]


class RedisSessions:
    """Session store in Redis for `WebLogin(sessions=...)`, shared by all processes with the same server and prefix.

    Tokens are encrypted. A session that expires is removed by Redis. The connections open on first use and are closed
    by `WebLogin.lifespan`. Requires Redis 6.2 or newer. Redis must not evict keys (`maxmemory-policy noeviction`), and
    without persistence (AOF or RDB) its restart logs all users out.

    Args:
        url: URL of the server: `redis://host:6379/0`, with TLS `rediss://`, or `unix://` and the path of a socket.
        key_variable: Name of the environment variable that holds the encryption key; see `new_key`.
        prefix: First part of every key in Redis.
        clock: Source of the current time.

    Its methods raise StoreError if Redis fails, and ConfigError if there is no encryption key or no key fits.
    """

    def __init__(
        self, url: str, *, key_variable: str = KEY_VARIABLE, prefix: str = "cloud66", clock: Clock | None = None
    ) -> None:
        self._connection = RedisConnection(url)
        del url  # it may hold a password, and a traceback may show local variables
        self._sealed = SealedSessions(key_variable)
        self._prefix = key_prefix(prefix)
        self._clock = read_clock(clock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._connection.url}>"

    async def load(self, key: str) -> Token | None:
        """Return the token of this session, or None if there is no such session or it has expired."""
        with self._connection.errors("load the session"):
            sealed: Any = await self._connection.client().get(self._name(SESSION, key))
        return self._sealed.open_token(key, sealed, self._clock.now())

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Store the token, which expires after `lifetime`."""
        sealed = self._sealed.seal_token(key, token, self._clock.now() + lifetime)
        with self._connection.errors("save the session"):
            await self._connection.client().set(self._name(SESSION, key), sealed, px=_milliseconds(lifetime))

    async def delete(self, key: str) -> None:
        """Delete the session, if it exists."""
        with self._connection.errors("delete the session"):
            await self._connection.client().delete(self._name(SESSION, key))

    async def take(self, key: str) -> Token | None:
        """Delete the session and return its token. If several processes do so at once, one of them receives it."""
        with self._connection.errors("end the session"):
            sealed: Any = await self._connection.client().getdel(self._name(SESSION, key))
        return self._sealed.open_token(key, sealed, self._clock.now())

    async def claim(self, key: str, lifetime: timedelta) -> bool:
        """Return True to the first caller with this key, and False to all others for at least `lifetime`."""
        sealed = self._sealed.seal_outcome(key, None, self._clock.now() + lifetime)
        with self._connection.errors("claim the login"):
            claimed = await self._connection.client().set(
                self._name(LOGIN, key), sealed, nx=True, px=_milliseconds(lifetime)
            )
        return bool(claimed)

    async def settle(self, key: str, outcome: Secret, lifetime: timedelta) -> None:
        """Store the outcome of a claim for the other callers, until `lifetime` has passed."""
        sealed = self._sealed.seal_outcome(key, outcome, self._clock.now() + lifetime)
        with self._connection.errors("save the outcome of the login"):
            await self._connection.client().set(self._name(LOGIN, key), sealed, px=_milliseconds(lifetime))

    async def outcome(self, key: str) -> Secret | None:
        """Return the outcome of a claim, or None if there is none yet."""
        with self._connection.errors("load the outcome of the login"):
            sealed: Any = await self._connection.client().get(self._name(LOGIN, key))
        return self._sealed.open_outcome(key, sealed, self._clock.now())

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._connection.aclose()

    def _name(self, kind: str, key: str) -> str:
        return f"{self._prefix}:{kind}:{key}"


def _milliseconds(lifetime: timedelta) -> int:
    return max(1, int(lifetime / timedelta(milliseconds=1)))
