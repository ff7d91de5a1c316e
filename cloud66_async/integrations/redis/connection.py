"""Connections to Redis: one client of redis-py for each event loop, with short timeouts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from ..._core.arguments import check_text
from ..._core.text import clean
from ...errors import ConfigError, StoreError
from ..per_loop import PerLoop
from ..server_url import ServerURL

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisConnection", "key_prefix"]

TIMEOUT: Final = 0.5
_MAX_CONNECTIONS: Final = 16
_MAX_WAIT: Final = 5.0  # seconds for one of these connections
_MAX_PREFIX: Final = 100
_SCHEMES: Final = ("redis", "rediss", "unix")
# Others would change what redis-py returns (decode_responses), or are unknown to it.
_PARAMETERS: Final = (
    "client_name", "db", "health_check_interval", "protocol", "socket_connect_timeout", "socket_timeout"
)  # fmt: skip
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_TLS_PARAMETERS: Final = ("ssl_cert_reqs", "ssl_check_hostname", *_TLS_FILES)
_NEEDS_EXTRA: Final = "Redis requires optional packages; run: pip install 'cloud66-async[redis]'"


class RedisConnection:
    """Connections to one Redis server, which open on first use: at most 16 for each event loop.

    A command fails after `timeout` seconds and is not retried: with redis-py's defaults, a server that is down would
    delay every command by seconds, and one that is frozen would block it forever.

    Args:
        url: URL of the server: `redis://host:6379/0`, with TLS `rediss://`, or `unix://` and the path of a socket.
        timeout: Seconds to wait for a connection, and for a response.
    """

    def __init__(self, url: str | ServerURL, *, timeout: float = TIMEOUT) -> None:
        self.url: ServerURL = url if isinstance(url, ServerURL) else ServerURL(url)
        del url  # it may hold a password, and a traceback may show local variables
        example = "redis://host:6379/0, rediss://host:6379/0 or unix:///path"
        parameters = _PARAMETERS + (_TLS_PARAMETERS if self.url.scheme == "rediss" else ())
        self.url.check("Redis", schemes=_SCHEMES, query=parameters, files=_TLS_FILES, example=example)
        self._timeout = timeout
        self._clients: PerLoop[Redis] = PerLoop(self._open)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.url)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _connect, (self.url, self._timeout)

    def client(self) -> Redis:
        """Return the client of the running event loop. Raises ConfigError without the extra `redis`."""
        return self._clients.get()

    def _open(self) -> Redis:
        try:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ConfigError(_NEEDS_EXTRA) from None
        try:
            # The default pool raises an error if more than 100 commands run at the same time.
            pool = cast("Any", BlockingConnectionPool).from_url(  # partly untyped
                self.url.reveal(),
                max_connections=_MAX_CONNECTIONS,
                timeout=_MAX_WAIT,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
            )
        except ValueError:
            raise ConfigError(f"invalid parameter in the URL of Redis {self.url}") from None
        client: Redis = cast("Any", Redis).from_pool(pool)
        return client

    @contextmanager
    def errors(self, action: str) -> Generator[None]:
        """Raise errors of redis-py as StoreError: "cannot `action`". Raises ConfigError without the extra `redis`."""
        try:
            from redis.exceptions import RedisError
        except ImportError:
            raise ConfigError(_NEEDS_EXTRA) from None
        try:
            yield
        except (RedisError, OSError) as error:
            kind, reason = type(error).__name__, _reason(error)
        else:
            return
        raise StoreError(f"cannot {action}: Redis at {self.url} failed ({kind}: {reason})") from None

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later command opens new ones."""
        client = self._clients.pop()
        if client is not None:
            await client.aclose()


def key_prefix(prefix: str) -> str:
    """Return a checked prefix of Redis keys. Raises ConfigError if it is empty or contains braces or spaces."""
    check_text("prefix", prefix)
    if not prefix or len(prefix) > _MAX_PREFIX or not prefix.isprintable() or not set(prefix).isdisjoint(" {}*?[]\\"):
        raise ConfigError(f"invalid prefix {prefix[:30]!r}: expected letters, digits and punctuation such as : and -")
    return prefix


def _connect(url: ServerURL, timeout: float) -> RedisConnection:
    return RedisConnection(url, timeout=timeout)


def _reason(error: BaseException) -> str:
    """Return the message without what may hold a command's arguments: only its first line, shortened."""
    return clean((str(error).splitlines() or ["no response"])[0], max_length=200)
