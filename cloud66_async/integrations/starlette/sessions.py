"""Where the tokens of logged-in users are kept: on the server, never in a cookie."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Protocol

from ...clock import Clock, SystemClock
from ...token import Token

__all__ = ["MemorySessions", "SessionStore"]


class SessionStore(Protocol):
    """Keeps one token for each browser that is logged in.

    The keys are digests of what the browsers' cookies hold: whoever reads the store cannot take over a session.
    The tokens are another matter: keep them as you would keep passwords.
    """

    async def load(self, key: str) -> Token | None:
        """The token of this session, None where there is none or its time is over."""
        ...

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Keep the token for so long."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the session; nothing happens if there is none."""
        ...


class MemorySessions:
    """Keeps sessions in this process: they end with it, and other processes do not know them.

    There are `limit` of them at most; the one that was not used for the longest time makes room.
    """

    def __init__(self, *, limit: int = 10_000, clock: Clock | None = None) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._clock = clock or SystemClock()
        self._sessions: OrderedDict[str, tuple[Token, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"<MemorySessions: {len(self)} of at most {self._limit}>"

    async def load(self, key: str) -> Token | None:
        """The token of this session, None where there is none or its time is over."""
        found = self._sessions.get(key)
        if found is None:
            return None
        token, until = found
        if until <= self._clock.now():
            del self._sessions[key]
            return None
        self._sessions.move_to_end(key)
        return token

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Keep the token for so long."""
        self._sessions[key] = token, self._clock.now() + lifetime
        self._sessions.move_to_end(key)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)

    async def delete(self, key: str) -> None:
        """Forget the session; nothing happens if there is none."""
        self._sessions.pop(key, None)
