"""Shared reads on Redis: equal reads of all processes become one request. Requires the extra `redis`."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import secrets
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from ..._core.flights import Flights
from ..._core.response import BufferedResponse
from ...clock import SystemClock
from ...errors import ConfigError, StoreError
from ...reads import MAX_BODY, Read, SharedResponse, check_seconds
from ..sealing import KEY_VARIABLE, Sealer
from .connection import RedisConnection, key_prefix
from .read_state import KEPT, LEASED, TOO_LARGE, Found, ReadState

__all__ = ["RedisReads"]

_logger = logging.getLogger("cloud66_async")

_Send = Callable[[], Awaitable[SharedResponse]]

_LEASE: Final = 2.0  # seconds for which a process may send the request; extended while it waits for the response
_MIN_PAUSE: Final = 0.01
_MAX_PAUSE: Final = 0.5
_PAUSE_RATIO: Final = 0.25  # a pause as a part of the time that was waited before


class RedisReads:
    """Shared reads of all processes that use one Redis.

    Equal reads of one user that run at the same time become one request, whose response is kept for `seconds`. It is
    encrypted with the key in the environment variable `key_variable`. A write of any process discards what is kept for
    its user.

    If the process that sends the request ends, another one sends it after at most 2 seconds. If Redis fails, all reads
    go to the API, and after a second one of them tries Redis again.

    Args:
        url: URL of Redis.
        seconds: How long a response is kept. The same in all processes.
        wait: Maximum seconds to wait for the request of another process or task.
        key_variable: Environment variable that holds the keys for the encryption.
        prefix: Prefix of the keys in Redis.
    """

    def __init__(
        self,
        url: str,
        *,
        seconds: float = 5.0,
        wait: float = 10.0,
        key_variable: str = KEY_VARIABLE,
        prefix: str = "cloud66",
    ) -> None:
        connection = RedisConnection(url)
        del url  # it may hold a password, and a traceback may show local variables
        self._set_up(connection, seconds, wait, key_variable, prefix)

    def _set_up(self, connection: RedisConnection, seconds: float, wait: float, key_variable: str, prefix: str) -> None:
        self._seconds = check_seconds("seconds", seconds, minimum=0.1)
        self._wait = check_seconds("wait", wait, minimum=0.1)
        self._sealer = Sealer(key_variable)
        self._state = ReadState(connection, key_prefix(prefix), lease=_LEASE, kept=self._seconds)
        self._options = (connection, seconds, wait, key_variable, prefix)
        self._flights: Flights[SharedResponse] = Flights()
        self._changing: Counter[str] = Counter()  # users with writes that Redis does not know yet
        self._distrusted_until = 0.0
        self._has_key = False
        self._reported = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._options[0].url)!r}, seconds={self._seconds:g}, wait={self._wait:g})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, self._options  # the other process has the keys in its own environment

    async def read(self, read: Read, send: _Send) -> SharedResponse:
        """Return the response to an equal read of any process, or else that of `send`."""
        if not self._has_key:
            self._sealer.seal((), None)  # raises ConfigError before the first request, not after it
            self._has_key = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._wait if read.timeout is None else min(self._wait, read.timeout))
        while True:
            lease = secrets.token_hex(8).encode()
            seen = await self._look(read, lease) if self._is_usable(read.user) else None
            left = deadline - loop.time()
            if seen is None or seen.kind == TOO_LARGE or (left <= 0 and seen.kind == LEASED):
                return await send()
            if seen.kind == KEPT:
                found = self._open(read, seen.generation, seen.content, seen.milliseconds)
                return await send() if found is None else found
            key = (read.key, seen.generation)
            flight = self._flights.find(key)
            if seen.kind != LEASED:
                found = await self._flights.lead(key, self._send(read, seen.generation, lease, send))
            elif flight is None:
                found = await self._flights.lead(key, self._follow(read, seen.generation, left))
            else:
                found = await self._flights.wait(flight, left)
            if found is not None:
                return found

    async def changed(self, user: str) -> None:
        """Discard every response of this user, in all processes."""
        self._changing[user] += 1
        await asyncio.shield(self._state.start(self._change(user)))  # also if the write was cancelled

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._state.aclose()

    # --- reads -----------------------------------------------------------------------------------

    def _is_usable(self, user: str) -> bool:
        """Return whether Redis works, as far as is known, and knows of all writes of this process."""
        known = user not in self._changing and time.monotonic() >= self._distrusted_until
        return known and self._state.is_usable()

    async def _look(self, read: Read, lease: bytes) -> Found | None:
        """Return what Redis knows about a read, or None if it fails."""
        try:
            return await self._state.look(read, lease)
        except StoreError:
            return None

    async def _send(self, read: Read, generation: bytes, lease: bytes, send: _Send) -> SharedResponse:
        """Send the request and keep the response for others. An error lets another one try."""
        loop = asyncio.get_running_loop()
        slow: list[asyncio.Task[None]] = []
        timer = loop.call_later(_LEASE / 4, lambda: slow.append(self._state.start(self._extend(read, lease))))
        try:
            response = await send()
        except BaseException:
            self._state.start(self._settle(read, lease))
            raise
        finally:
            timer.cancel()
            for task in slow:
                task.cancel()
        large = len(response.response.body) > MAX_BODY
        content = TOO_LARGE + generation if large else KEPT + generation + self._seal(read, generation, response)
        await self._settle(read, lease, content)
        return response

    async def _follow(self, read: Read, generation: bytes, seconds: float) -> SharedResponse | None:
        """Wait for the response that another process requests. Return None if there is none."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (waited := loop.time() - start) < seconds:
            # Polled: a subscription would need another connection, and its messages can be lost.
            pause = min(max(_MIN_PAUSE, waited * _PAUSE_RATIO), _MAX_PAUSE)
            await asyncio.sleep(min(pause * random.uniform(0.5, 1.5), seconds - waited))  # noqa: S311  no secret
            try:
                seen = await self._state.peek(read)
            except StoreError:
                return None
            if seen is None or seen.generation != generation:
                return None
            if seen.kind != LEASED:
                return self._open(read, generation, seen.content, None) if seen.kind == KEPT else None
        return None

    async def _extend(self, read: Read, lease: bytes) -> None:
        """Extend the lease for as long as the request takes."""
        with suppress(StoreError):
            while True:
                if not await self._state.settle(read, lease, b"", _LEASE):
                    return  # another process has taken over
                await asyncio.sleep(_LEASE / 4)

    async def _settle(self, read: Read, lease: bytes, content: bytes = b"") -> None:
        """Replace a lease by what it was for. Without content, let another process send the request."""
        if self._state.is_usable():
            with suppress(StoreError):
                await self._state.settle(read, lease, content, self._seconds if content else 0.0)

    # --- writes ----------------------------------------------------------------------------------

    async def _change(self, user: str) -> None:
        """Give the user a new generation. If that fails, use nothing from before."""
        try:
            if not self._state.is_usable():
                raise StoreError("not tried: Redis has failed")
            await self._state.renew(user)
        except StoreError:
            self._distrusted_until = time.monotonic() + self._seconds
        finally:
            self._changing[user] -= 1
            if not self._changing[user]:
                del self._changing[user]

    # --- encryption ------------------------------------------------------------------------------

    def _seal(self, read: Read, generation: bytes, found: SharedResponse) -> bytes:
        response = found.response
        # Compressed first: it halves the time for a page of 30 stacks, and takes a fifth of the memory.
        body = base64.b64encode(zlib.compress(response.body, 1)).decode()
        received_at = read.clock.now().timestamp()
        values = [response.status, dict(response.headers), body, found.request_id, received_at, self._seconds]
        return self._sealer.seal(_place(read, generation), values)

    def _open(self, read: Read, generation: bytes, sealed: bytes, milliseconds: int | None) -> SharedResponse | None:
        """Return a response that is kept for this many more milliseconds. Return None if it cannot be used."""
        try:
            values = self._sealer.open(_place(read, generation), sealed)
        except ConfigError as error:
            if not self._reported:
                self._reported = True
                _logger.warning("a shared response is not used: %s", error)
            return None
        status, headers, body, request_id, received_at, seconds = values
        age = 0.0 if milliseconds is None else max(0.0, seconds - milliseconds / 1000)
        if not isinstance(read.clock, SystemClock):  # Redis does not know the time of tests
            age = read.clock.now().timestamp() - received_at
            if not 0 <= age < self._seconds:
                return None
        response = BufferedResponse(status, zlib.decompress(base64.b64decode(body)), headers)
        return SharedResponse(response=response, request_id=request_id, age=age)


def _place(read: Read, generation: bytes) -> tuple[str, str, str]:
    return "shared read", read.key, generation.decode()


def _restore(connection: RedisConnection, seconds: float, wait: float, key_variable: str, prefix: str) -> RedisReads:
    reads = RedisReads.__new__(RedisReads)
    reads._set_up(connection, seconds, wait, key_variable, prefix)  # noqa: SLF001  the same class
    return reads
