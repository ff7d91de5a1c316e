"""Responses of the token endpoint: a token or an error.

The documentation promises form encoding, real servers send JSON, and the `Content-Type` header is not reliable, so
the content decides. Errors are created in one function and raised in another, where neither a local variable nor
`__context__` holds the body, so that a traceback cannot show it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

from .._core.text import clean
from ..errors import ConfigError, TokenRequestFailed
from ..secret import MASK
from ..token import Token, is_bearer, parse_expiry
from .form import parse_form

__all__ = ["MAX_LENGTH", "normalize", "parse_seconds", "parse_token_fields", "parse_token_response", "to_token"]

MAX_LENGTH = 64 * 1024
"""Maximum length of a token response in bytes. A usual one has a few hundred."""

Redact: TypeAlias = Callable[[str], str]

_SUCCESS = (200, 201)
# Fields of a form that must not be repeated. Unknown ones are ignored.
_KNOWN = (
    "access_token",
    "token_type",
    "refresh_token",
    "scope",
    "expires_in",
    "expires_at",
    "error",
    "error_description",
)
_MAX_LIFETIME = 200_000_000_000  # seconds: 6,000 years, after which a datetime would be out of range
# RFC 6749, section 5.2, without the space: with one, it is Rails' own {"error": "Internal Server Error"}.
_ERROR_CODE = re.compile(r"[!#-\[\]-~]{1,64}")
_FORM = re.compile(r"(?:[\w.\-]*&)*[A-Za-z_][\w.\-]*=", re.ASCII)

_ADVICE = {
    "invalid_client": "check client_id and client_secret",
    "invalid_grant": "the code was used before, has expired, or is for another login or redirect URL; log in again",
    "invalid_scope": "the application may not request one of these scopes",
    "unauthorized_client": "the application may not use this flow",
}


def parse_token_response(status: int, body: bytes, *, redact: Redact = str, now: datetime | None = None) -> Token:
    """Return the token in a response. Raises TokenRequestFailed if there is none.

    `redact` masks the values that were sent (code, secret, verifier), in case the server repeats them in its error
    description. `now` is the time of the response, from which the expiry of the token is calculated.
    """
    outcome = _decode(status, body, redact)
    del body
    if isinstance(outcome, TokenRequestFailed):
        raise outcome
    return to_token(outcome, now)


def parse_token_fields(status: int, body: bytes, *, redact: Redact = str) -> dict[str, Any]:
    """Return the fields of a token response under the server's names.

    `access_token` is always present and valid. `expires_in` is omitted unless it is a positive number. Parameters and
    errors are those of `parse_token_response`.
    """
    outcome = _decode(status, body, redact)
    del body
    if isinstance(outcome, TokenRequestFailed):
        raise outcome
    return outcome


def to_token(fields: Mapping[str, Any], now: datetime | None = None) -> Token:
    """Return the result of `parse_token_fields` as a token."""
    scope = fields.get("scope")
    scopes = tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else None
    return Token(fields["access_token"], scopes=scopes, expires_at=_expiry(fields, now or datetime.now(UTC)))


def parse_seconds(value: object) -> int | None:
    """Return seconds from a number or a numeric string, or None for anything but a positive number of up to 2e11."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return int(seconds) if 1 <= seconds <= _MAX_LIFETIME else None


def _decode(status: int, body: bytes, redact: Redact) -> dict[str, Any] | TokenRequestFailed:
    if len(body) > MAX_LENGTH:
        return _failure(status, f"the response exceeds {MAX_LENGTH} bytes; check the URL")
    fields = _parse(body)
    if 300 <= status < 400:
        return _failure(status, "redirects are not followed; check the URL")
    if status >= 500:
        return _server_error(status, fields or {}, redact, "the server failed; try again later")
    if fields is None:
        return _failure(status, "the response is neither a JSON object nor form-encoded; check the URL")
    if status not in _SUCCESS or fields.get("error"):
        return _server_error(status, fields, redact, "the server gave no reason")
    return _check_token(status, fields)


def _check_token(status: int, fields: dict[str, Any]) -> dict[str, Any] | TokenRequestFailed:
    if not is_bearer(fields.get("access_token")):
        return _failure(status, "the response has no valid access_token")
    token_type = fields.get("token_type")
    if token_type is not None and not (isinstance(token_type, str) and token_type.lower() == "bearer"):
        return _failure(status, "unsupported token_type; only bearer tokens are supported")
    try:
        normalize(fields)
    except ConfigError:
        return _failure(status, "the response has an invalid expires_at")
    return fields


def normalize(fields: dict[str, Any]) -> None:
    """Write scope and expiry of a token in one way: a string, whole seconds, and whole seconds since 1970.

    An `expires_in` that is not a positive number is removed, and so are both if the token does not expire. Raises
    ConfigError for an invalid `expires_at`.
    """
    scope = fields.get("scope")
    if isinstance(scope, list | tuple):
        fields["scope"] = " ".join(name for name in cast("Sequence[object]", scope) if isinstance(name, str))
    seconds = parse_seconds(fields.pop("expires_in", None))
    if seconds is not None:
        fields["expires_in"] = seconds
    expires_at = parse_expiry(fields.pop("expires_at", None))
    if expires_at is not None:
        fields["expires_at"] = int(expires_at.timestamp())


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return the fields of a JSON object or a form, or None if it is neither or repeats a field."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    try:
        if text.startswith("{"):
            found: dict[str, Any] = json.loads(text, object_pairs_hook=_unique)
            return found
        text = text.replace("&amp;", "&")  # as in the sample in Cloud 66's documentation
        if _FORM.match(text):
            form = parse_form(text, _KNOWN)
            if any(len(form.get(name, ())) > 1 for name in _KNOWN):
                return None
            return {name: values[0] for name, values in form.items()}
    except (ValueError, RecursionError):
        pass
    return None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("repeated field")
    return fields


def _expiry(fields: Mapping[str, Any], now: datetime) -> datetime | None:
    seconds = parse_seconds(fields.get("expires_in"))
    return parse_expiry(fields.get("expires_at")) if seconds is None else now + timedelta(seconds=seconds)


def _server_error(status: int, fields: Mapping[str, Any], redact: Redact, default: str) -> TokenRequestFailed:
    code, description = fields.get("error"), fields.get("error_description")
    code = redact(code) if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None
    description = clean(_without_tokens(redact(description), fields)) if isinstance(description, str) else None
    reason = ": ".join(part for part in (code, description) if part) or default
    advice = _ADVICE.get(code or "")
    return _failure(status, f"{reason}; {advice}" if advice else reason, code=code, description=description or None)


def _without_tokens(text: str, fields: Mapping[str, Any]) -> str:
    for name in ("access_token", "refresh_token"):
        token = fields.get(name)
        if token and isinstance(token, str):
            text = text.replace(token, MASK)
    return text


def _failure(
    status: int, reason: str, *, code: str | None = None, description: str | None = None
) -> TokenRequestFailed:
    return TokenRequestFailed(
        f"token request failed ({status}): {reason}", code=code, description=description, status=status
    )
