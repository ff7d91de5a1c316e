"""The session store of an application: whatever it lacks is added, and its failures become responses with 503."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from starlette.exceptions import HTTPException

from ...clock import Clock
from ...errors import ConfigError, StoreError
from ...secret import Secret
from ...token import Token
from .sessions import MemorySessions, SessionStore, SharedSessionStore, is_shared

__all__ = ["SessionsUnavailable", "Storage"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")


class SessionsUnavailable(HTTPException):
    """A failure of the session store. It is not known whether the user is logged in."""

    def __init__(self) -> None:
        super().__init__(503, "Sessions are not available", headers={"Retry-After": "5"})


class Storage:
    """A session store, with claims in this process only if the store has none. Raises SessionsUnavailable.

    The first failure is logged, and the first success after it.
    """

    def __init__(self, store: SessionStore, clock: Clock) -> None:
        self._store = store
        self._shared: SharedSessionStore | None = store if is_shared(store) else None
        self._claims: SharedSessionStore = MemorySessions(clock=clock) if self._shared is None else self._shared
        self._is_failing = False

    async def load(self, key: str) -> Token | None:
        """Return the token of this session, or None if there is no such session or it has expired."""
        with self._errors():
            return await self._store.load(key)

    async def save(self, key: str, token: Token, lifetime: timedelta) -> None:
        """Store the token, which expires after `lifetime`."""
        with self._errors():
            await self._store.save(key, token, lifetime)

    async def end(self, key: str) -> Token | None:
        """Delete the session and return its token, or None if there is none or it cannot be decrypted."""
        with self._errors():
            try:
                return await self._take(key)
            except ConfigError as error:  # a new login must be possible after the encryption key was replaced
                logger.error("session ended without its token: %s", error)  # noqa: TRY400  the traceback adds nothing
                return None

    async def claim(self, key: str, lifetime: timedelta) -> bool:
        """Return True to the first caller with this key, and False to all others for at least `lifetime`."""
        with self._errors():
            return await self._claims.claim(key, lifetime)

    async def settle(self, key: str, outcome: Secret, lifetime: timedelta) -> None:
        """Store the outcome of a claim for the other callers, until `lifetime` has passed."""
        with self._errors():
            await self._claims.settle(key, outcome, lifetime)

    async def outcome(self, key: str) -> Secret | None:
        """Return the outcome of a claim, or None if there is none yet."""
        with self._errors():
            return await self._claims.outcome(key)

    async def aclose(self) -> None:
        """Close the connections of the store, if it has a method for it."""
        close: Any = getattr(self._store, "aclose", None)
        if close is not None:
            await close()

    async def _take(self, key: str) -> Token | None:
        if self._shared is not None:
            return await self._shared.take(key)
        token = await self._store.load(key)
        await self._store.delete(key)
        return token

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except StoreError as error:
            if not self._is_failing:
                self._is_failing = True
                logger.error("session store failed; users see an error page: %s", error)  # noqa: TRY400
        else:
            if self._is_failing:
                self._is_failing = False
                logger.info("session store responds again")
            return
        raise SessionsUnavailable
