"""Token: the access token that identifies a user."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

import msgspec

from ._core.arguments import check_text
from ._core.timestamps import parse_timestamp
from .errors import ConfigError, LoginError
from .secret import Secret

__all__ = ["Token", "check_expiry", "hide", "is_bearer", "parse_expiry", "parse_toolbelt_login", "to_token"]

# RFC 6750, section 2.1: what may follow "Bearer ".
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SECONDS = 253_402_300_799  # the end of the year 9999


def is_bearer(text: object) -> TypeGuard[str]:
    """Return whether this is a string that may follow "Bearer " unchanged."""
    return isinstance(text, str) and _BEARER.fullmatch(text) is not None


class Token(Secret):
    """An access token or a personal access token. It is redacted in all output; `reveal()` returns the value.

    `scopes` are the scopes that the server granted, or None if it did not say. `expires_at` is None for tokens that
    do not expire, such as Cloud 66's. An expired token is never sent. Comparisons take constant time.
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
            del text  # a traceback may show local variables
            raise ConfigError(
                "invalid character in the access token (whitespace or a quotation mark); "
                "copy it again from Account > Apps"
            )
        expiry = parse_expiry(expires_at)
        for name, value in (("_text", text), ("scopes", scopes), ("expires_at", expiry)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name}: tokens are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete {name}: tokens are immutable")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.reveal(), self.scopes, self.expires_at)


def hide(name: str, text: str | Secret | None) -> Secret | None:
    """Return `text` as a secret, so that no local variable needs to hold it as a string. Raises TypeError."""
    if text is None or isinstance(text, Secret):
        return text
    check_text(name, text)
    return Secret(text)


def to_token(text: Secret) -> Token:
    """Return `text` as a token. Raises ConfigError if it cannot be one."""
    return text if isinstance(text, Token) else Token(text.reveal())


def parse_expiry(value: object) -> datetime | None:
    """Return the time at which a token expires as a timezone-aware datetime, or None if it does not expire.

    Accepts a timezone-aware datetime, ISO 8601 text (in UTC if it has no timezone), and seconds or milliseconds since
    1970, as a number or as text. None, an empty text and "never" stand for a token that does not expire. Raises
    ConfigError for anything else: an expired token must not pass for a valid one.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigError("invalid expiry of the token: the datetime has no timezone; use datetime.now(UTC)")
        return value
    if value is None or value in ("", "never"):
        return None
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return _parse_seconds(value)
    except (ValueError, OverflowError):
        pass
    raise ConfigError(
        f"invalid expiry of the token ({type(value).__name__}): expected seconds since 1970, or a date as in ISO 8601"
    )


def _parse_seconds(value: float | str) -> datetime | None:
    try:
        seconds = float(value)
    except ValueError:
        return parse_timestamp(value)
    if not math.isfinite(seconds):
        raise ValueError("not finite")
    if seconds > _MAX_SECONDS:
        seconds /= 1000  # some programs store milliseconds
    if seconds > _MAX_SECONDS:
        raise ValueError("out of range")
    return _EPOCH + timedelta(seconds=seconds)


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    """Raise LoginError if a token with this expiry has expired."""
    if expires_at is not None and expires_at <= now:
        raise LoginError("the token has expired; log in again")


def parse_toolbelt_login(body: bytes) -> Token | None:
    """Return the token in a login file of Cloud 66's toolbelt, or None if the file is invalid."""
    try:
        fields = msgspec.json.decode(body)
        return Token(fields["AccessToken"], expires_at=parse_expiry(fields.get("Expiry")))
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError, RecursionError, ConfigError):
        return None


def _restore(text: str, scopes: tuple[str, ...] | None, expires_at: datetime | None) -> Token:
    return Token(text, scopes=scopes, expires_at=expires_at)
