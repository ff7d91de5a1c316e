"""Shared reads: equal reads at about the same time become one request."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from ._core.arguments import MAX_NUMBER, brief, check_number
from ._core.flights import Flights
from ._core.response import BufferedResponse
from .clock import Clock

__all__ = ["MAX_BODY", "MemoryReads", "Read", "SharedReads", "SharedResponse", "check_reads", "check_seconds"]

MAX_BODY = 1_000_000
"""The longest body in bytes that is kept for later reads."""

_MAX_SECONDS = 3600.0
_MAX_ENTRIES = 4096
_MAX_BYTES = 64_000_000
_MAX_USERS = 10_000


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A read whose response may be shared.

    Args:
        key: Digest of everything that the response depends on: the API, the token, the account, the extra headers, the
            path and the query.
        user: Digest of whose reads a write makes obsolete.
        timeout: Seconds that the caller allows for the whole request, or None.
        clock: Clock of the client.
    """

    key: str
    user: str
    timeout: float | None
    clock: Clock


class SharedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A successful response to a read. `age` is the number of seconds since it was received."""

    response: BufferedResponse
    request_id: str
    age: float = 0.0


class SharedReads(Protocol):
    """What a client needs to share reads. `Cloud66(shared_reads=...)` accepts an implementation of your own."""

    async def read(self, read: Read, send: Callable[[], Awaitable[SharedResponse]]) -> SharedResponse:
        """Return the response to an equal read, or else that of `send`, whose errors propagate unchanged.

        Do not return a response that was requested before a later call of `changed` for the same user. `send` works
        for this caller: if it is cancelled, the response must not be missing for others.
        """
        ...

    async def changed(self, user: str) -> None:
        """Discard every response of this user. It is called after each write, also if it failed or was cancelled."""
        ...

    async def aclose(self) -> None:
        """Close every connection. A later call may open new ones, because other clients may use this object."""
        ...


class _Entry(msgspec.Struct, frozen=True):
    response: SharedResponse
    received_at: datetime


class MemoryReads:
    """Shared reads of one process. Clients that have the same object share them.

    Equal reads of one user that run at the same time become one request, and its response is kept for `seconds`. A
    write of this process discards what is kept for its user.

    Args:
        seconds: How long a response is kept. With 0, only reads at the same time are shared.
        wait: Maximum seconds to wait for the request of another task.
    """

    def __init__(self, *, seconds: float = 5.0, wait: float = 10.0) -> None:
        self._seconds = check_seconds("seconds", seconds, minimum=0.0)
        self._wait = check_seconds("wait", wait, minimum=0.0)
        self._flights: Flights[SharedResponse] = Flights()
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()  # the oldest first
        self._bytes = 0
        # A write gives its user a new number, which is part of the keys: earlier responses are not found any more.
        self._numbers: dict[str, int] = {}
        self._number = self._first = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(seconds={self._seconds:g}, wait={self._wait:g})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _memory_reads, (self._seconds, self._wait)  # empty: another process shares nothing with this one

    async def read(self, read: Read, send: Callable[[], Awaitable[SharedResponse]]) -> SharedResponse:
        """Return a response to an equal read, or else that of `send`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._wait if read.timeout is None else min(self._wait, read.timeout))
        while True:
            key = (read.key, self._numbers.get(read.user, self._first))
            found = self._find(key, read.clock.now())
            if found is not None:
                return found
            flight = self._flights.find(key)
            if flight is None:
                found = await self._flights.lead(key, self._send(key, read, send))
            elif loop.time() >= deadline:
                return await send()
            else:
                found = await self._flights.wait(flight, deadline - loop.time())
            if found is not None:
                return found

    async def changed(self, user: str) -> None:
        """Discard every response of this user."""
        self._number += 1
        if len(self._numbers) >= _MAX_USERS:
            self._numbers.clear()
            self._first = self._number  # discards the responses of all users
        self._numbers[user] = self._number

    async def aclose(self) -> None:
        """Discard every response."""
        self._entries.clear()
        self._bytes = 0

    async def _send(
        self, key: tuple[str, int], read: Read, send: Callable[[], Awaitable[SharedResponse]]
    ) -> SharedResponse:
        response = await send()
        self._keep(key, response, read.clock.now())
        return response

    def _find(self, key: tuple[str, int], now: datetime) -> SharedResponse | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        age = (now - entry.received_at).total_seconds()
        return msgspec.structs.replace(entry.response, age=max(0.0, age)) if age < self._seconds else None

    def _keep(self, key: tuple[str, int], response: SharedResponse, now: datetime) -> None:
        size = len(response.response.body)
        if not self._seconds or size > MAX_BODY:
            return
        self._discard(key)
        self._entries[key] = _Entry(response, now)
        self._bytes += size
        expired = now - timedelta(seconds=self._seconds)
        while self._entries:
            oldest, entry = next(iter(self._entries.items()))
            surplus = len(self._entries) > _MAX_ENTRIES or self._bytes > _MAX_BYTES
            if not surplus and entry.received_at > expired:
                return
            self._discard(oldest)

    def _discard(self, key: tuple[str, int]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.response.response.body)


def check_seconds(name: str, value: float, *, minimum: float) -> float:
    """Return the argument. Raises TypeError if it is not a number, and ValueError if it is out of range."""
    check_number(name, value)
    if not minimum <= value <= _MAX_SECONDS:  # also rejects NaN
        shown = brief(value) if abs(value) <= MAX_NUMBER else "that is not finite"
        raise ValueError(f"invalid {name} {shown}: must be between {minimum:g} and {_MAX_SECONDS:g} seconds")
    return float(value)


def check_reads(reads: SharedReads) -> SharedReads:
    """Return the argument, or raise TypeError if it does not have the methods of `SharedReads`."""
    given: Any = reads
    if not all(callable(getattr(given, name, None)) for name in ("read", "changed", "aclose")):
        raise TypeError(
            "invalid shared_reads: expected an object with the methods `read`, `changed` and `aclose`, "
            f"not {type(given).__name__}"
        )
    return reads


def _memory_reads(seconds: float, wait: float) -> MemoryReads:
    return MemoryReads(seconds=seconds, wait=wait)
