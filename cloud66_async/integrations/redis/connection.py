"""Connections to Redis: one client of redis-py for each event loop, with short timeouts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from ..._core.arguments import check_text
from ...errors import ConfigError, StoreError
from ..server_url import ServerURL

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisConnection", "key_prefix"]

TIMEOUT: Final = 0.5
_SCHEMES = ("redis", "rediss", "unix")
_NEEDS_EXTRA = "Redis requires optional packages; run: pip install 'cloud66-async[redis]'"


class RedisConnection:
    """Connections to one Redis server, which open on first use. Each event loop has its own.

    A command fails after `timeout` seconds, and is not repeated: with redis-py's defaults, a server that is down would
    delay every command by seconds, and one that is frozen for ever.

    Args:
        url: URL of the server: `redis://host:6379/0`, with TLS `rediss://`, or `unix://` and the path of a socket.
        timeout: Seconds to wait for a connection, and for a response.
    """

    def __init__(self, url: str | ServerURL, *, timeout: float = TIMEOUT) -> None:
        self.url: ServerURL = url if isinstance(url, ServerURL) else ServerURL(url)
        del url  # it may hold a password, and a traceback may show local variables
        if self.url.scheme not in _SCHEMES:
            raise ConfigError(f"invalid URL of Redis {self.url}: expected redis://, rediss:// or unix://")
        self._timeout = timeout
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.url)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _connect, (self.url, self._timeout)

    def client(self) -> Redis:
        """Return the client of the running event loop. Raises ConfigError without the extra `redis`."""
        if self._process != os.getpid():  # forked: the parent's sockets must not be used
            self._clients, self._process = WeakKeyDictionary(), os.getpid()
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            found = self._clients[loop] = self._open()
        return found

    def _open(self) -> Redis:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ConfigError(_NEEDS_EXTRA) from None
        try:
            client: Redis = cast("Any", Redis).from_url(  # partly untyped
                self.url.reveal(),
                retry=Retry(NoBackoff(), 0),
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
            )
        except ValueError:
            raise ConfigError(f"invalid URL of Redis {self.url}") from None
        return client

    @contextmanager
    def errors(self, action: str) -> Generator[None]:
        """Raise errors of redis-py as StoreError: "cannot `action`"."""
        from redis.exceptions import RedisError

        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            kind, reason = type(error).__name__, _reason(error)
        else:
            return
        raise StoreError(f"cannot {action}: Redis at {self.url} failed ({kind}: {reason})")

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later command opens new ones."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


def key_prefix(prefix: str) -> str:
    """Return a checked prefix of Redis keys. Raises ConfigError if it is empty or contains braces or spaces."""
    check_text("prefix", prefix)
    if not prefix or not prefix.isprintable() or any(character in prefix for character in " {}*?[]"):
        raise ConfigError(f"invalid prefix {prefix!r}: expected letters, digits and punctuation such as : and -")
    return prefix


def _connect(url: ServerURL, timeout: float) -> RedisConnection:
    return RedisConnection(url, timeout=timeout)


def _reason(error: BaseException) -> str:
    """Return the message without what may hold a command's arguments: only its first line, shortened."""
    return (str(error).splitlines() or ["no response"])[0][:200]
