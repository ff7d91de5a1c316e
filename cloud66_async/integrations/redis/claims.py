"""Claims of the writes of a cluster in Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ...cluster import Claim
from ..sealed_claims import SealedClaims, check_lifetime
from ..sealing import KEY_VARIABLE
from .connection import RedisConnection, key_prefix

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["RedisClaims"]

_BEGUN: Final = b"begun:"


class RedisClaims:
    """Store of claims in Redis for `cluster.each(claims=...)` and `cluster.rollout(claims=...)`.

    A run is one hash, with a field for each item. Results are encrypted. Redis must not evict keys
    (`maxmemory-policy noeviction`), and must not lose them while a run lasts: after that, writes may be made twice.

    Args:
        url: URL of the server: `redis://host:6379/0`, with TLS `rediss://`, or `unix://` and the path of a socket.
        lifetime: How long a run can be continued after its last write.
        key_variable: Name of the environment variable that holds the encryption key; see `new_key`. Every worker needs
            it.
        prefix: First part of every key in Redis.

    Its methods raise StoreError if Redis fails, and ConfigError if there is no encryption key or no key fits.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime: timedelta = timedelta(days=7),
        key_variable: str = KEY_VARIABLE,
        prefix: str = "cloud66",
    ) -> None:
        self._connection = RedisConnection(url)
        del url  # it may hold a password, and a traceback may show local variables
        self._sealed = SealedClaims(key_variable)
        self._milliseconds = check_lifetime(lifetime) // timedelta(milliseconds=1)
        self._prefix = key_prefix(prefix)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._connection.url}>"

    async def begin(self, run: str, number: int, mark: str) -> Claim | None:
        """Claim an item. Return None if that is new, and otherwise the earlier claim."""
        self._sealed.check()
        name, field = self._name(run), str(number)
        with self._connection.errors("claim a write"):
            client: Any = self._connection.client()
            async with client.pipeline(transaction=False) as pipeline:
                pipeline.hsetnx(name, field, _BEGUN + mark.encode())
                pipeline.pexpire(name, self._milliseconds)
                created, _ = await pipeline.execute()
            found: bytes | None = None if created else await client.hget(name, field)
        if created:
            return None
        if found is None or found.startswith(_BEGUN):  # None: withdrawn at this moment
            return Claim(mark if found is None else found.removeprefix(_BEGUN).decode())
        return self._sealed.open(run, number, found)

    async def finish(self, run: str, number: int, mark: str, result: bytes) -> None:
        """Store the result of a claimed item."""
        sealed = self._sealed.seal(run, number, mark, result)
        with self._connection.errors("store the result of a write"):
            await _wait(self._connection.client().hset(self._name(run), str(number), sealed))

    async def withdraw(self, run: str, number: int) -> None:
        """Delete the claim of an item that was certainly not changed."""
        with self._connection.errors("withdraw the claim of a write"):
            await _wait(self._connection.client().hdel(self._name(run), str(number)))

    async def clear(self, run: str) -> None:
        """Delete every claim of a run."""
        with self._connection.errors("delete the claims of a run"):
            await self._connection.client().delete(self._name(run))

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later command opens new ones."""
        await self._connection.aclose()

    def _name(self, run: str) -> str:
        return f"{self._prefix}:claims:{run}"


async def _wait(command: Awaitable[Any] | Any) -> None:
    await command  # redis-py types some commands as synchronous or asynchronous
