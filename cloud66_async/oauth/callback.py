"""The callback from Cloud 66: verify that it belongs to a login and its server, and extract its code. Without I/O."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from .._core.origin import DEFAULT_PORTS
from .._core.text import clean
from ..errors import AccessDenied, Cloud66Error, LoginError, StateMismatch
from .form import parse_form

__all__ = ["OUT_OF_BAND", "Callback", "attempt", "check_issuer", "extract_code", "verify_callback"]

P = ParamSpec("P")
T = TypeVar("T")

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""The redirect URL of a login whose code the user copies by hand."""

Callback: TypeAlias = str | Mapping[str, str] | Mapping[str, Sequence[str]]
"""The callback URL, its query string, or its parameters."""

_MAX_LENGTH = 16 * 1024
_NAMES = ("code", "error", "error_description", "iss")
_CODE = re.compile(r"[!-~]{1,4096}")  # RFC 6749, appendix A.11, without the space
_PARAMETERS = re.compile(r"(?:^|[?&])(?:code|error)=|://")


def attempt(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Cloud66Error:
    """Return the result of the function, or the error that it raises, without the traceback.

    The frames of a traceback hold the function's arguments. A caller whose arguments are secret deletes them before
    it raises the error.
    """
    try:
        return function(*arguments, **options)
    except Cloud66Error as error:
        return error.with_traceback(None)


def verify_callback(callback: Callback, *, state: str, redirect_url: str | None) -> dict[str, str]:
    """Return the parameters of a callback if it belongs to the login with this state.

    A full URL must match `redirect_url`. A query string and a mapping have no URL to compare. Raises StateMismatch,
    and LoginError if the callback is malformed or its URL is a different one.
    """
    parameters = attempt(_verify, callback, state, redirect_url)
    del callback, state
    if isinstance(parameters, Cloud66Error):
        raise parameters
    return parameters


def _verify(callback: Callback, state: str, redirect_url: str | None) -> dict[str, str]:
    out_of_band = redirect_url == OUT_OF_BAND
    if out_of_band and isinstance(callback, str) and _PARAMETERS.search(callback) is None:
        return {"code": callback.strip()}
    url, fields = _read(callback)
    _check_state(fields.get("state", ()), state, optional=out_of_band)
    if url is not None and redirect_url is not None and not out_of_band:
        _check_url(url, redirect_url)
    for name in _NAMES:
        if len(fields.get(name, ())) > 1:
            raise LoginError(f"invalid callback: {name!r} occurs more than once")
    return {name: fields[name][0] for name in _NAMES if fields.get(name)}


def check_issuer(
    parameters: Mapping[str, str], *, expected: str | None, authorize_url: str, redirect_url: str | None
) -> None:
    """Raise LoginError if verified parameters, with a code or with an error, are from another server (RFC 9207).

    If an issuer is `expected`, the parameters must contain it, as exactly this string. Otherwise, an issuer that they
    contain must have the origin of the consent page.
    """
    issuer = parameters.get("iss")
    if issuer is None and redirect_url == OUT_OF_BAND:
        return  # an out-of-band login gets no issuer back, as it gets no state
    if expected is None:
        if issuer is None or _origin(issuer) == _origin(authorize_url):
            return
        raise LoginError(
            f"invalid callback: its issuer {clean(issuer)!r} is not at the origin of the consent page; "
            "if this is the issuer of your server, pass it as expected_issuer"
        )
    if issuer is None:
        raise LoginError(f"invalid callback: it has no issuer (iss), expected {expected!r}; start a new login")
    if issuer != expected:
        raise LoginError(f"invalid callback: its issuer is {clean(issuer)!r}, expected {expected!r}; start a new login")


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return _endpoint(parts)[:3]


def extract_code(parameters: Mapping[str, str]) -> str:
    """Return the code in verified parameters. Raises AccessDenied or LoginError if they contain an error instead."""
    code = attempt(_extract, parameters)
    del parameters
    if isinstance(code, Cloud66Error):
        raise code
    return code


def _extract(parameters: Mapping[str, str]) -> str:
    error = parameters.get("error")
    if error is not None:
        reason = ": ".join(filter(None, (clean(error), clean(parameters.get("error_description", "")))))
        if error == "access_denied":
            raise AccessDenied(f"access was refused: {reason}")
        raise LoginError(f"login failed: {reason or 'the server gave no reason'}")
    code = parameters.get("code")
    if code is None:
        raise LoginError("invalid callback: it contains neither a code nor an error")
    if _CODE.fullmatch(code) is None:
        raise LoginError("invalid code: it is empty, too long, or contains a space or another invalid character")
    return code


def _read(callback: Callback) -> tuple[SplitResult | None, dict[str, Sequence[str]]]:
    if isinstance(callback, Mapping):
        return None, {name: _values(callback, name) for name in ("state", *_NAMES)}
    callback = str(callback)  # web frameworks have URL classes of their own
    if "#" in callback:
        raise LoginError("invalid callback: a callback with a code has no fragment")
    found = _parse(callback.strip())
    if found is None:
        raise LoginError("invalid callback: it is neither a URL nor a query string")
    return found


def _parse(text: str) -> tuple[SplitResult | None, dict[str, Sequence[str]]] | None:
    if len(text) > _MAX_LENGTH or not text.isprintable():
        return None
    try:
        parts = urlsplit(text)
        absolute = bool(parts.scheme)
        query = parts.query if absolute or text.startswith("/") else text.removeprefix("?")
        fields = parse_form(query, ("state", *_NAMES))
    except ValueError:
        return None
    return parts if absolute else None, {**fields}


def _values(mapping: Mapping[str, Any], name: str) -> Sequence[str]:
    """Return every value of a parameter. Indexing a multi-dictionary would return only one of several values."""
    for method_name in ("getlist", "getall"):  # Starlette, Django and Werkzeug; aiohttp
        method = getattr(mapping, method_name, None)
        if method is not None:
            return cast("Sequence[str]", method(name) if name in mapping else ())
    value = mapping.get(name)
    if value is None:
        return ()
    values = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(item, str) for item in values):
        raise LoginError(f"invalid callback: {name!r} must be a string")
    return values


def _check_state(given: Sequence[str], expected: str, *, optional: bool) -> None:
    if optional and not given:
        return  # an out-of-band login gets no state back: its code is bound by PKCE alone
    if len(given) != 1:
        raise StateMismatch(f"invalid callback: expected exactly one state, found {len(given)}")
    # compare_digest raises TypeError for strings with characters outside ASCII.
    if not (expected and hmac.compare_digest(_bytes(given[0]), _bytes(expected))):
        raise StateMismatch("invalid callback: its state does not match this login; start a new login")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _check_url(url: SplitResult, redirect_url: str) -> None:
    if _endpoint(url) != _endpoint(urlsplit(redirect_url)):
        raise LoginError(
            f"invalid callback: its URL does not match the redirect URL {redirect_url!r}; "
            "behind a proxy, pass only the query string"
        )


def _endpoint(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    try:
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port, parts.path or "/"
