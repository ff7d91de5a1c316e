"""Token: the access token that identifies a user."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeGuard

from .errors import ConfigError
from .secret import Secret

__all__ = ["Token", "is_bearer"]

# RFC 6750, section 2.1: what may follow "Bearer ".
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


def is_bearer(text: object) -> TypeGuard[str]:
    """Return whether this is a string that may follow "Bearer " unchanged."""
    return isinstance(text, str) and _BEARER.fullmatch(text) is not None


class Token(Secret):
    """An access token or a personal access token. It is redacted in all output; `reveal()` returns the value.

    `scopes` are the scopes that the server granted, or None if it did not say. `expires_at` is None for tokens that
    do not expire, such as Cloud 66's. Comparisons take constant time.
    """

    __slots__ = ("expires_at", "scopes")

    expires_at: datetime | None
    scopes: tuple[str, ...] | None

    def __init__(self, text: str, *, scopes: tuple[str, ...] | None = None, expires_at: datetime | None = None) -> None:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"invalid access token: expected a string, not {type(text).__name__}")
        text = text.strip()
        if not text:
            raise ConfigError("empty access token; copy it from Account > Apps")
        if not is_bearer(text):
            raise ConfigError(
                "invalid character in the access token (whitespace or a quotation mark); "
                "copy it again from Account > Apps"
            )
        for name, value in (("_text", text), ("scopes", scopes), ("expires_at", expires_at)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name}: tokens are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete {name}: tokens are immutable")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.reveal(), self.scopes, self.expires_at)


def _restore(text: str, scopes: tuple[str, ...] | None, expires_at: datetime | None) -> Token:
    return Token(text, scopes=scopes, expires_at=expires_at)
