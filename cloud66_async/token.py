"""Token: what a login gives, and what stands for the user from then on."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeGuard

from .errors import ConfigError
from .model import Secret

__all__ = ["Token", "is_bearer"]

# RFC 6750, section 2.1: what may stand after "Bearer ".
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


def is_bearer(text: object) -> TypeGuard[str]:
    """Whether this is text that may stand after "Bearer " exactly as it is."""
    return isinstance(text, str) and _BEARER.fullmatch(text) is not None


class Token(Secret):
    """An access token or a personal access token. It never shows itself; `reveal()` is the way out.

    `scopes` are those that the server granted, None where it did not say. `expires_at` is None for
    tokens that do not expire, as Cloud 66's. Comparing takes the same time whatever the difference.
    """

    __slots__ = ("expires_at", "scopes")

    expires_at: datetime | None
    scopes: tuple[str, ...] | None

    def __init__(self, text: str, *, scopes: tuple[str, ...] | None = None, expires_at: datetime | None = None) -> None:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError("a token is text")
        text = text.strip()
        if not text:
            raise ConfigError("the token is empty")
        if not is_bearer(text):
            raise ConfigError(
                "the token has a character that no token has (a blank, a line break, a quote?): "
                "copy it again from Account > Apps"
            )
        for name, value in (("_text", text), ("scopes", scopes), ("expires_at", expires_at)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a token does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a token does not change: {name} cannot be deleted")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.reveal(), self.scopes, self.expires_at)


def _restore(text: str, scopes: tuple[str, ...] | None, expires_at: datetime | None) -> Token:
    return Token(text, scopes=scopes, expires_at=expires_at)
