"""The sessions of users: from the cookie in a request to the token in the store."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection

from ...clock import Clock
from ...secret import Secret
from ...token import Token
from .cookies import NEW_SESSION_AGE, Cookies, digest, new_session_id
from .storage import Storage

__all__ = ["NewSession", "UserSessions"]

_ENDED: Final = Secret("ended")


class NewSession(NamedTuple):
    """A session that has started: the value of its cookie."""

    session_id: Secret
    lifetime: timedelta


class UserSessions:
    """Sessions that last at most `lifetime`, and no longer than their tokens."""

    def __init__(self, storage: Storage, cookies: Cookies, clock: Clock, lifetime: timedelta) -> None:
        self._storage = storage
        self._cookies = cookies
        self._clock = clock
        self._lifetime = lifetime

    async def token(self, request: HTTPConnection) -> Token | None:
        """Return the token of the logged-in user, or None if the user is not logged in."""
        key = self._cookies.session_key(request)
        return None if key is None else await self._storage.load(key)

    async def start(self, token: Token) -> NewSession:
        """Start a session under a new ID, which prevents session fixation."""
        lifetime, now = self._lifetime, self._clock.now()
        if token.expires_at is not None:
            lifetime = min(lifetime, token.expires_at - now)
        started = NewSession(Secret(new_session_id(now)), lifetime)
        await self._storage.save(digest(started.session_id.reveal()), token, lifetime)
        return started

    async def end(self, request: HTTPConnection) -> Token | None:
        """End the session of this browser. Return its token, or None if there was no session."""
        key = self._cookies.session_key(request)
        if key is None:
            return None
        if self._cookies.is_new_session(request, self._clock.now()):
            # Without this, another request of the browser would find that its new session is lost.
            await self._storage.settle(_ended(key), _ENDED, NEW_SESSION_AGE)
        return await self._storage.end(key)

    async def is_lost(self, request: HTTPConnection) -> bool:
        """Return whether the browser has a new session that is not in the store, although nothing has ended it."""
        if self._cookies.was_refused(request) or not self._cookies.is_new_session(request, self._clock.now()):
            return False
        key = self._cookies.session_key(request)
        return key is None or await self._storage.outcome(_ended(key)) is None


def _ended(key: str) -> str:
    return digest(f"ended session {key}")
