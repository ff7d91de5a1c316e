"""What the token endpoint answers, read: a token, or the error that it is.

The documentation promises a form, real servers send JSON, and neither can be told by the `Content-Type`
alone; so the content decides. Problems are built in one place and raised in another, where no local
variable and no `__context__` holds the body: a traceback shows neither.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from ..errors import TokenRequestFailed
from ..secret import MASK
from ..token import Token, is_bearer

__all__ = ["LONGEST", "parse_token_response", "positive", "printable", "read_fields", "to_token"]

LONGEST = 64 * 1024
"""Bytes of the longest answer that is read; a token answer has a few hundred."""

Mask: TypeAlias = Callable[[str], str]

_LONGEST_TEXT = 300
# RFC 6749, section 5.2, less the blank: with one, it is Rails' own {"error": "Internal Server Error"}.
_ERROR_CODE = re.compile(r"[!#-\[\]-~]{1,64}")
_FORM = re.compile(r"[A-Za-z_][\w.\-]*=", re.ASCII)

_ADVICE = {
    "invalid_client": "check client_id and client_secret",
    "invalid_grant": "the code is used, expired, or belongs to another login or redirect URL: log in again",
    "invalid_scope": "the application may not ask for one of these scopes",
    "unauthorized_client": "the application may not log users in this way",
}


def parse_token_response(status: int, body: bytes, *, mask: Mask = str, now: datetime | None = None) -> Token:
    """The token that the endpoint granted.

    `mask` takes out of a text what was sent (code, secret, verifier), in case the server repeats it in its
    description. `now` is when the answer came, for tokens that expire. Raises TokenRequestFailed for
    everything that is not a token.
    """
    outcome = _read(status, body, mask)
    del body
    if isinstance(outcome, TokenRequestFailed):
        raise outcome
    return to_token(outcome, now)


def read_fields(status: int, body: bytes, *, mask: Mask = str) -> dict[str, Any]:
    """The fields of a granted token, as the server named them.

    `access_token` is there and valid; `expires_in` is there only as a positive number. Parameters and
    errors as for `parse_token_response`.
    """
    outcome = _read(status, body, mask)
    del body
    if isinstance(outcome, TokenRequestFailed):
        raise outcome
    return outcome


def to_token(fields: Mapping[str, Any], now: datetime | None = None) -> Token:
    """The token in the fields of `read_fields`."""
    scope = fields.get("scope")
    scopes = tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else None
    return Token(fields["access_token"], scopes=scopes, expires_at=_expiry(fields, now or datetime.now(UTC)))


def clean(text: str) -> str:
    """Text of the server on one line, and not endless: it must not forge lines in a log."""
    return "".join(character if character.isprintable() else " " for character in text[:_LONGEST_TEXT]).strip()


def _read(status: int, body: bytes, mask: Mask) -> dict[str, Any] | TokenRequestFailed:
    if len(body) > LONGEST:
        return _failure(status, "the answer is far too long for a token")
    fields = _parse(body)
    if 300 <= status < 400:
        return _failure(status, "it redirects, which is not followed: check the address")
    if status >= 500:
        return _refusal(status, fields or {}, mask, "the server has a problem; try again later")
    if fields is None:
        return _failure(status, "the answer is neither a JSON object nor a form: check the address")
    if status != 200 or fields.get("error"):
        return _refusal(status, fields, mask, "the server gave no reason")
    return _granted(status, fields)


def _granted(status: int, fields: dict[str, Any]) -> dict[str, Any] | TokenRequestFailed:
    if not is_bearer(fields.get("access_token")):
        return _failure(status, "the answer has no access_token that could be used")
    kind = fields.get("token_type")
    if kind is not None and not (isinstance(kind, str) and kind.lower() == "bearer"):
        return _failure(status, "the token is of a type other than bearer")
    seconds = positive(fields.pop("expires_in", None))
    if seconds is not None:
        fields["expires_in"] = seconds
    return fields


def _parse(body: bytes) -> dict[str, Any] | None:
    """The fields of a JSON object or a form; None where it is neither, or holds a field twice."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    try:
        if text.startswith("{"):
            found: dict[str, Any] = json.loads(text, object_pairs_hook=_once)
            return found
        if _FORM.match(text):
            # The documentation's own sample has "&amp;" between the fields.
            pairs = parse_qsl(
                text.replace("&amp;", "&"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=50,
            )
            return _once(pairs)
    except (ValueError, RecursionError):
        pass
    return None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


def positive(value: object) -> int | None:
    """Seconds from a number or its text; None for everything that is not a positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return int(seconds) if math.isfinite(seconds) and seconds >= 1 else None


def _expiry(fields: Mapping[str, Any], now: datetime) -> datetime | None:
    seconds = positive(fields.get("expires_in"))
    if seconds is None:
        return None
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return None  # after the year 9999: it does not expire


def _refusal(status: int, fields: Mapping[str, Any], mask: Mask, otherwise: str) -> TokenRequestFailed:
    code, description = fields.get("error"), fields.get("error_description")
    code = mask(code) if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None
    description = clean(_without_tokens(mask(description), fields)) if isinstance(description, str) else None
    said = ": ".join(part for part in (code, description) if part) or otherwise
    advice = _ADVICE.get(code or "")
    return _failure(status, f"{said}; {advice}" if advice else said, code=code, description=description or None)


def _without_tokens(text: str, fields: Mapping[str, Any]) -> str:
    for name in ("access_token", "refresh_token"):
        token = fields.get(name)
        if token and isinstance(token, str):
            text = text.replace(token, MASK)
    return text


def _failure(status: int, text: str, *, code: str | None = None, description: str | None = None) -> TokenRequestFailed:
    return TokenRequestFailed(
        f"no token was given ({status}): {text}", code=code, description=description, status=status
    )
