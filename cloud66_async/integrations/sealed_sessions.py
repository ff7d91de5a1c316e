"""Encrypted sessions of a web login, as they are stored in Redis or in a database."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from .._core.timestamps import parse_timestamp
from ..errors import ConfigError
from ..oauth.store import from_fields, to_fields
from ..secret import Secret
from ..token import Token
from .sealing import KEY_VARIABLE, Sealer

__all__ = ["LOGIN", "SESSION", "SealedSessions"]

SESSION: Final = "session"
"""The kind of entry that holds the token of a session."""

LOGIN: Final = "login"
"""The kind of entry that records that a process has claimed a login, and its outcome."""


class SealedSessions:
    """Encrypts and decrypts the entries of a session store. Each contains its kind, its key and when it expires."""

    def __init__(self, key_variable: str = KEY_VARIABLE) -> None:
        self._sealer = Sealer(key_variable)

    def seal_token(self, key: str, token: Token, until: datetime) -> bytes:
        """Return the entry of a session. Raises ConfigError if there is no encryption key."""
        return self._seal(SESSION, key, to_fields(token), until)

    def open_token(self, key: str, sealed: bytes | None, now: datetime) -> Token | None:
        """Return the token, or None if there is no entry or it has expired. Raises ConfigError if no key fits."""
        return from_fields(self._open(SESSION, key, sealed, now))

    def seal_outcome(self, key: str, outcome: Secret | None, until: datetime) -> bytes:
        """Return the entry of a claimed login. Raises ConfigError if there is no encryption key."""
        return self._seal(LOGIN, key, None if outcome is None else outcome.reveal(), until)

    def open_outcome(self, key: str, sealed: bytes | None, now: datetime) -> Secret | None:
        """Return the outcome, or None if there is none. Raises ConfigError if no key fits."""
        found = self._open(LOGIN, key, sealed, now)
        return Secret(found) if isinstance(found, str) else None

    def _seal(self, kind: str, key: str, value: object, until: datetime) -> bytes:
        try:
            return self._sealer.seal((kind, key), {"value": value, "until": until.isoformat()})
        except ConfigError:
            del value  # a traceback may show local variables
            raise

    def _open(self, kind: str, key: str, sealed: bytes | None, now: datetime) -> Any:
        if sealed is None:
            return None
        entry = self._sealer.open((kind, key), sealed)
        until = parse_timestamp(entry["until"])
        # Compared here: under a test's clock, the expiry of Redis itself never comes.
        return entry["value"] if until is not None and now < until else None
