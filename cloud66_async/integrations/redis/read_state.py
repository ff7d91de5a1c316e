"""What Redis knows about shared reads: the values, the scripts that change them, and whether Redis works."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from ...errors import StoreError
from .connection import TIMEOUT, RedisConnection

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from ...reads import Read

__all__ = ["FREE", "KEPT", "LEASED", "TOO_LARGE", "Found", "ReadState"]

_logger = logging.getLogger("cloud66_async")

T = TypeVar("T")

# The value of a read begins with one of these letters and the generation of its user. Then follows the encrypted
# response, the ID of the lease, or nothing. A write gives its user another generation, and older values are ignored.
KEPT: Final = b"K"
LEASED: Final = b"L"
TOO_LARGE: Final = b"N"
FREE: Final = b""
"""Not stored: the caller has leased the read."""

_RETRY_SECONDS: Final = 1.0  # after a failure of Redis
_LONGEST_REQUEST: Final = 3600.0  # seconds after which a response is not stored any more
_GENERATION: Final = 16  # characters


class _Script(NamedTuple):
    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> _Script:
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())  # Redis' name for a script


# Returns the value with the milliseconds for which it is kept, or leases the read and returns the generation.
_LOOK = _Script.of("""
local generation = redis.call('GET', KEYS[1]) or '0000000000000000'
local value = redis.call('GET', KEYS[2])
if value and string.sub(value, 2, 17) == generation then
  return {value, redis.call('PTTL', KEYS[2])}
end
redis.call('SET', KEYS[2], 'L' .. generation .. ARGV[1], 'PX', ARGV[2])
return {generation}
""")
# Replaces a lease by a value or sets its time, but not if another process has taken over. 0 milliseconds delete it.
_SETTLE = _Script.of("""
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 1) ~= 'L' or string.sub(value, 18) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")


class Found(NamedTuple):
    """What Redis knows about a read, and for how many milliseconds."""

    kind: bytes
    generation: bytes
    content: bytes = b""
    milliseconds: int | None = None


class ReadState:
    """The values in Redis. Methods raise StoreError if it fails; then `is_usable` is false for a second."""

    def __init__(self, connection: RedisConnection, prefix: str, *, lease: float, kept: float) -> None:
        self._connection = connection
        self._prefix = prefix
        self._lease = _milliseconds(lease)
        self._generation = _milliseconds(kept + _LONGEST_REQUEST)
        self._failed = False
        self._retry_at = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    def is_usable(self) -> bool:
        """Return whether to use Redis: always if it works, and once a second if it has failed."""
        if not self._failed:
            return True
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + _RETRY_SECONDS  # one caller tries; the others do not wait for the result
        return True

    async def look(self, read: Read, lease: bytes) -> Found:
        """Return what is known about a read. If it is nothing, lease the read and return that it is free."""
        keys = (self._user_key(read.user), self._read_key(read))
        redis = self._connection.client()
        task = self.start(self._run("share a read", _call(redis, _LOOK, keys, (lease, self._lease))))
        try:
            found = await self._wait(task)
        except BaseException:
            self.start(self._return(task, read, lease))
            raise
        return Found(FREE, found[0]) if len(found) == 1 else _parse(found[0], found[1])

    async def _return(self, task: asyncio.Task[Any], read: Read, lease: bytes) -> None:
        """Return a lease of which nobody knows: whoever looked was cancelled, or Redis was slow."""
        await asyncio.wait((task,))
        if task.exception() is None:
            with suppress(StoreError):
                await self.settle(read, lease, b"", 0.0)

    async def peek(self, read: Read) -> Found | None:
        """Return what is known about a read, of any generation, without leasing it."""
        redis = self._connection.client()
        value: Any = await self._do("wait for a shared read", redis.get(self._read_key(read)))
        return None if value is None else _parse(value, None)

    async def settle(self, read: Read, lease: bytes, value: bytes, seconds: float) -> bool:
        """Replace a lease by `value`, or else let it end after `seconds`. Return whether this lease was there."""
        keys, arguments = (self._read_key(read),), (lease, value, _milliseconds(seconds))
        redis = self._connection.client()
        return bool(await self._do("store a shared read", _call(redis, _SETTLE, keys, arguments)))

    async def renew(self, user: str) -> None:
        """Give the user a new generation."""
        generation = secrets.token_hex(_GENERATION // 2)
        redis = self._connection.client()
        await self._do("discard shared reads", redis.set(self._user_key(user), generation, px=self._generation))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 2 * TIMEOUT  # tasks of other clients may go on
        await asyncio.sleep(0)  # tasks that were just cancelled may start others
        while loop.time() < deadline and (tasks := [task for task in self._tasks if task.get_loop() is loop]):
            await asyncio.wait(tasks, timeout=deadline - loop.time())
        await self._connection.aclose()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that `aclose` waits for."""
        # An empty context: the task may outlive the caller, so it must not have the caller's deadline.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # mark as retrieved: perhaps nobody waits any more

    async def _do(self, action: str, command: Awaitable[T]) -> T:
        return await self._wait(self.start(self._run(action, command)))

    async def _wait(self, task: asyncio.Task[T]) -> T:
        """Return the result of a command, without cancelling it: redis-py loses a connection that is being opened."""
        await asyncio.wait((task,), timeout=2 * TIMEOUT)
        if not task.done():  # it still waits for a connection, for example
            error = StoreError("Redis did not respond in time")
            self._fail(error)
            raise error
        return task.result()

    def _user_key(self, user: str) -> str:
        return f"{self._prefix}:reads:{{{user}}}"  # braces: in a cluster, all keys of a user are on one server

    def _read_key(self, read: Read) -> str:
        return f"{self._prefix}:reads:{{{read.user}}}:{read.key}"

    async def _run(self, action: str, command: Awaitable[T]) -> T:
        """Return what Redis returns. The first failure and the first success after it are logged."""
        try:
            with self._connection.errors(action):
                found = await command
        except StoreError as error:
            self._fail(error)
            raise
        if self._failed:
            self._failed = False
            _logger.info("reads are shared again")
        return found

    def _fail(self, error: StoreError) -> None:
        if not self._failed:
            _logger.warning("reads are not shared until Redis works again: %s", error)
        self._failed, self._retry_at = True, time.monotonic() + _RETRY_SECONDS


async def _call(redis: Redis, script: _Script, keys: tuple[str, ...], arguments: tuple[Any, ...]) -> Any:
    """Run a script, which Redis forgets when it is restarted."""
    from redis.exceptions import NoScriptError

    client = cast("Any", redis)  # partly untyped
    try:
        return await client.evalsha(script.digest, len(keys), *keys, *arguments)
    except NoScriptError:
        return await client.eval(script.text, len(keys), *keys, *arguments)


def _parse(value: bytes, milliseconds: int | None) -> Found:
    return Found(value[:1], value[1 : 1 + _GENERATION], value[1 + _GENERATION :], milliseconds)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
