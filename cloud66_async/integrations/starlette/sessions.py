"""Session stores: the access tokens of logged-in users, on the server and never in a cookie."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Protocol

from ..._core.arguments import check_limit
from ...clock import Clock, read_clock
from ...token import Token

__all__ = ["MemorySessions", "SessionStore"]


class SessionStore(Protocol):
    """Store of one access token per session, for `WebLogin(sessions=...)`.

    The keys are digests of the session IDs in the browsers' cookies, so read access to the store does not allow
    hijacking a session. The tokens are in plain text: protect the store like a password database.
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


class MemorySessions:
    """In-memory session store. Sessions are lost on restart and are not shared between processes.

    It holds at most `limit` sessions; a new one replaces the least recently used one.
    """

    def __init__(self, *, limit: int = 10_000, clock: Clock | None = None) -> None:
        check_limit("limit", limit, maximum=None)
        self._limit = limit
        self._clock = read_clock(clock)
        self._sessions: OrderedDict[str, tuple[Token, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"<MemorySessions: {len(self)} of at most {self._limit}>"

    async def load(self, key: str) -> Token | None:
        """Return the token of this session, or None if there is no such session or it has expired."""
        found = self._sessions.get(key)
        if found is None:
            return None
        token, expires_at = found
        if expires_at <= self._clock.now():
            del self._sessions[key]
            return None
        self._sessions.move_to_end(key)
        return token

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Store the token, which expires after `lifetime`."""
        self._sessions[key] = token, self._clock.now() + lifetime
        self._sessions.move_to_end(key)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)

    async def delete(self, key: str) -> None:
        """Delete the session, if it exists."""
        self._sessions.pop(key, None)
