"""Encryption of the results that a store of claims holds."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Final

from ..cluster import Claim
from ..errors import ConfigError
from .sealing import Sealer

__all__ = ["SealedClaims", "check_lifetime"]

_MIN_LIFETIME: Final = timedelta(seconds=1)
_MAX_LIFETIME: Final = timedelta(days=3650)


def check_lifetime(lifetime: timedelta) -> timedelta:
    """Return how long claims are kept. Raises TypeError and ConfigError."""
    if not isinstance(lifetime, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid lifetime: expected a timedelta, not {type(lifetime).__name__}")
    if not _MIN_LIFETIME <= lifetime <= _MAX_LIFETIME:
        raise ConfigError(f"invalid lifetime {lifetime}: must be at least a second and at most ten years")
    return lifetime


class SealedClaims:
    """Encrypts results, which may hold secrets, and which are pickles: nobody without the key may create one."""

    def __init__(self, key_variable: str) -> None:
        self._sealer = Sealer(key_variable)

    def check(self) -> None:
        """Raise ConfigError if there is no key: that must be known before a write, not after it."""
        self._sealer.seal((), None)

    def seal(self, run: str, number: int, mark: str, result: bytes) -> bytes:
        """Return the encrypted result of an item."""
        return self._sealer.seal(_place(run, number), [mark, b64encode(result).decode()])

    def open(self, run: str, number: int, sealed: bytes) -> Claim:
        """Return the claim of an item that was finished. Raises ConfigError if no key fits."""
        mark, result = self._sealer.open(_place(run, number), sealed)
        return Claim(mark, b64decode(result))


def _place(run: str, number: int) -> tuple[str, ...]:
    return "claim", run, str(number)
