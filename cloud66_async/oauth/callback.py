"""The redirect that comes back from Cloud 66: whose it is, and what it says. Pure."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from .._core.text import clean
from ..errors import AccessDenied, LoginError, StateMismatch

__all__ = ["OUT_OF_BAND", "Callback", "code_in", "verified"]

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""The redirect URL of a login whose code the user copies by hand."""

Callback: TypeAlias = str | Mapping[str, str] | Mapping[str, Sequence[str]]
"""The URL that was called, its query string, or its parameters."""

_LONGEST = 16 * 1024
_MOST_FIELDS = 50
_NAMES = ("code", "error", "error_description")
_PORTS = {"http": 80, "https": 443}
_CODE = re.compile(r"[!-~]{1,4096}")  # RFC 6749, appendix A.11, less the blank
_ANSWER = re.compile(r"(?:^|[?&])(?:code|error)=|://")


def verified(callback: Callback, *, state: str, redirect_url: str | None) -> dict[str, str]:
    """The parameters of a callback that belongs to the login with this state.

    A full URL must lead to `redirect_url`; with a query string or a mapping there is nothing to compare.
    Raises StateMismatch, and LoginError where it cannot be read or came to another address.
    """
    out_of_band = redirect_url == OUT_OF_BAND
    if out_of_band and isinstance(callback, str) and _ANSWER.search(callback) is None:
        return {"code": callback.strip()}
    address, fields = _read(callback)
    _check_state(fields.get("state", ()), state, optional=out_of_band)
    if address is not None and redirect_url is not None and not out_of_band:
        _check_address(address, redirect_url)
    for name in _NAMES:
        if len(fields.get(name, ())) > 1:
            raise LoginError(f"the redirect holds {name!r} more than once")
    return {name: fields[name][0] for name in _NAMES if fields.get(name)}


def code_in(parameters: Mapping[str, str]) -> str:
    """The code in verified parameters. Raises AccessDenied or LoginError where an error is there instead."""
    error = parameters.get("error")
    if error is not None:
        said = ": ".join(filter(None, (clean(error), clean(parameters.get("error_description", "")))))
        if error == "access_denied":
            raise AccessDenied(f"access was refused: {said}")
        raise LoginError(f"Cloud 66 ended the login: {said or 'no reason given'}")
    code = parameters.get("code")
    if code is None:
        raise LoginError("the redirect holds neither a code nor an error")
    if _CODE.fullmatch(code) is None:
        raise LoginError("the code is empty, too long, or holds a blank or a control character")
    return code


def _read(callback: Callback) -> tuple[SplitResult | None, dict[str, Sequence[str]]]:
    if isinstance(callback, Mapping):
        return None, {name: _values(callback, name) for name in ("state", *_NAMES)}
    callback = str(callback)  # web frameworks have URL classes of their own
    if "#" in callback:
        raise LoginError("the redirect has a fragment; that of a login by code has none, so it is refused")
    found = _parse(callback.strip())
    if found is None:
        raise LoginError("the redirect cannot be read: it is neither a URL nor a query string of a login")
    return found


def _parse(text: str) -> tuple[SplitResult | None, dict[str, Sequence[str]]] | None:
    if len(text) > _LONGEST or not text.isprintable():
        return None
    try:
        parts = urlsplit(text)
        absolute = bool(parts.scheme)
        query = parts.query if absolute or text.startswith("/") else text.removeprefix("?")
        fields = parse_qs(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
    return parts if absolute else None, {**fields}


def _values(mapping: Mapping[str, Any], name: str) -> Sequence[str]:
    """Every value of a parameter: multi-dictionaries give one of many when asked plainly."""
    for every in ("getlist", "getall"):  # Starlette, Django and Werkzeug; aiohttp
        method = getattr(mapping, every, None)
        if method is not None:
            return cast("Sequence[str]", method(name) if name in mapping else ())
    value = mapping.get(name)
    if value is None:
        return ()
    several = isinstance(value, list | tuple)
    values = cast("Sequence[Any]", value) if several else (value,)
    if not all(isinstance(item, str) for item in values):
        raise LoginError(f"the redirect's {name!r} is no text")
    return values


def _check_state(given: Sequence[str], expected: str, *, optional: bool) -> None:
    if optional and not given:
        return  # out of band none comes back; the code is bound by PKCE alone
    if len(given) != 1:
        raise StateMismatch(f"the redirect holds {'several states' if given else 'no state'}: it is not this login's")
    # On text, compare_digest raises TypeError for everything outside ASCII.
    if not (expected and hmac.compare_digest(_bytes(given[0]), _bytes(expected))):
        raise StateMismatch("the state in the redirect is that of another login: begin a new one")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _check_address(called: SplitResult, redirect_url: str) -> None:
    if _place(called) != _place(urlsplit(redirect_url)):
        raise LoginError(
            "the redirect came to another address than the redirect URL (behind a proxy, give the query string alone)"
        )


def _place(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port, parts.path or "/"
