"""Session stores: the access tokens of logged-in users, on the server and never in a cookie."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeGuard, TypeVar

from ..._core.arguments import check_limit
from ...clock import Clock, read_clock
from ...secret import Secret
from ...token import Token

__all__ = ["MemorySessions", "SessionStore", "SharedSessionStore", "is_shared"]

T = TypeVar("T")

_MAX_CLAIMS = 10_000


class SessionStore(Protocol):
    """Store of one access token per session, for `WebLogin(sessions=...)`.

    The keys are digests of the session IDs in the browsers' cookies, so read access to the store does not allow
    hijacking a session. The tokens are in plain text: protect the store like a password database, or encrypt them.

    A store that cannot be reached raises StoreError: the user then sees an error page with the status 503. A store
    with a method `aclose` is closed by `WebLogin.lifespan`.
    """

    async def load(self, key: str) -> Token | None:
        """Return the token of this session, or None if there is no such session or it has expired."""
        ...

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Store the token, which expires after `lifetime`."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the session, if it exists."""
        ...


class SharedSessionStore(SessionStore, Protocol):
    """`SessionStore` with further methods for several processes, as `RedisSessions` and `SQLSessions` have them.

    With them, several processes that receive the callback of one login exchange its code once and start one session,
    and only one of several that end a session receives its token. The keys of claims and of sessions are separate: an
    entry of one kind does not affect the other.
    """

    async def take(self, key: str) -> Token | None:
        """Delete the session and return its token. If several processes do so at once, one of them receives it."""
        ...

    async def claim(self, key: str, lifetime: timedelta) -> bool:
        """Return True to the first caller with this key, and False to all others for at least `lifetime`."""
        ...

    async def settle(self, key: str, outcome: Secret, lifetime: timedelta) -> None:
        """Store the outcome of a claim for the other callers, until `lifetime` has passed.

        The outcome may contain a session ID: encrypt it.
        """
        ...

    async def outcome(self, key: str) -> Secret | None:
        """Return the outcome of a claim, or None if there is none yet."""
        ...


def is_shared(store: SessionStore) -> TypeGuard[SharedSessionStore]:
    """Return whether the store has the methods of `SharedSessionStore`."""
    return all(callable(getattr(store, name, None)) for name in ("take", "claim", "settle", "outcome"))


class MemorySessions:
    """In-memory session store. Sessions are lost on restart and are not shared between processes.

    It holds at most `limit` sessions; a new one replaces the least recently used one.
    """

    def __init__(self, *, limit: int = 10_000, clock: Clock | None = None) -> None:
        check_limit("limit", limit, maximum=None)
        self._limit = limit
        clock = read_clock(clock)
        self._sessions: _Entries[Token] = _Entries(limit, clock)
        self._claims: _Entries[Secret | None] = _Entries(_MAX_CLAIMS, clock)

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"<MemorySessions: {len(self)} of at most {self._limit}>"

    async def load(self, key: str) -> Token | None:
        """Return the token of this session, or None if there is no such session or it has expired."""
        return self._sessions.get(key)

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Store the token, which expires after `lifetime`."""
        self._sessions.put(key, token, lifetime)

    async def delete(self, key: str) -> None:
        """Delete the session, if it exists."""
        self._sessions.pop(key)

    async def take(self, key: str) -> Token | None:
        """Delete the session and return its token. If several tasks do so at once, one of them receives it."""
        return self._sessions.pop(key)

    async def claim(self, key: str, lifetime: timedelta) -> bool:
        """Return True to the first caller with this key, and False to all others until `lifetime` has passed."""
        if key in self._claims:
            return False
        self._claims.put(key, None, lifetime)
        return True

    async def settle(self, key: str, outcome: Secret, lifetime: timedelta) -> None:
        """Store the outcome of a claim for the other callers, until `lifetime` has passed."""
        self._claims.put(key, outcome, lifetime)

    async def outcome(self, key: str) -> Secret | None:
        """Return the outcome of a claim, or None if there is none yet."""
        return self._claims.get(key)


class _Entries(Generic[T]):
    """Values that expire, at most `limit`, with the least recently used one first."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[str, tuple[T, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        found = self._entries.get(key)
        if found is not None and found[1] <= self._clock.now():
            del self._entries[key]
            return False
        return found is not None

    def get(self, key: str) -> T | None:
        if key not in self:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: str, value: T, lifetime: timedelta) -> None:
        self._entries[key] = value, self._clock.now() + lifetime
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def pop(self, key: str) -> T | None:
        value = self.get(key)
        self._entries.pop(key, None)
        return value
