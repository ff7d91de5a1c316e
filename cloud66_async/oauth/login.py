"""The state of a login between the redirect to Cloud 66 and the callback. Without I/O."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import attrs

from .._core.arguments import check_iterable, check_text
from ..clock import Clock, SystemClock
from ..errors import Cloud66Error, ConfigError, LoginError, StateMismatch
from .callback import Callback, attempt, check_issuer, extract_code, verify_callback
from .endpoints import Endpoints, check_redirect_url
from .form import Form, code_form

__all__ = [
    "LIFETIME",
    "Login",
    "authorization_url",
    "callback_form",
    "login_form",
    "new_state",
    "one_redirect_url",
    "split_scopes",
    "start_login",
]

LIFETIME = timedelta(minutes=10)
"""Default time limit of a login."""

_REQUIRED = ("url", "state", "redirect_url")


@attrs.frozen(kw_only=True)
class Login:
    """A pending login. Redirect the user to its `url`.

    Store `to_dict()` in this user's session and nowhere else: a table of pending logins that all users share allows
    account takeover. Remove it from the session when the callback arrives. A login can be used once, before
    `expires_at`. If `issuer` is not None, the callback must name it (RFC 9207).
    """

    url: str = attrs.field(repr=False)
    state: str = attrs.field(repr=False)
    verifier: str | None = attrs.field(repr=False)
    redirect_url: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    issuer: str | None = None
    # Holds one item, which the first use removes. That is atomic, and a shallow copy shares the list.
    _unused: list[bool] = attrs.field(factory=lambda: [True], init=False, repr=False, eq=False)

    def code(self, callback: Callback, *, now: datetime | None = None) -> str:
        """Return the authorization code in the callback of this login, and mark the login as used.

        `callback` is the callback URL, its query string, or its parameters as a mapping. An out-of-band login also
        accepts the code alone. Raises StateMismatch for the callback of another login, which leaves this one usable,
        AccessDenied if the user refused access, and LoginError for anything else, such as another server's callback.
        """
        code = attempt(self._code, callback, now or SystemClock().now())
        del callback
        if isinstance(code, Cloud66Error):
            raise code
        return code

    def _code(self, callback: Callback, now: datetime) -> str:
        if now >= self.expires_at:
            raise LoginError("this login has expired; start a new login")
        if not self._unused:
            raise LoginError("this login was already used; start a new login")
        parameters = verify_callback(callback, state=self.state, redirect_url=self.redirect_url)
        self._unused.pop()
        check_issuer(parameters, expected=self.issuer, authorize_url=self.url, redirect_url=self.redirect_url)
        return extract_code(parameters)

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-ready values for the user's session, including the state and the verifier."""
        return {
            "url": self.url,
            "state": self.state,
            "verifier": self.verifier,
            "redirect_url": self.redirect_url,
            "scopes": list(self.scopes),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "issuer": self.issuer,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any] | None) -> Login:
        """Return the login that `to_dict` stored. Raises LoginError for anything else, including None."""
        login = _restore(stored) if isinstance(stored, Mapping) else None
        del stored
        if login is None:
            raise LoginError("no pending login in this session; start a new login")
        return login


def start_login(
    endpoint: str,
    *,
    client_id: str,
    redirect_url: str,
    scope: str | Iterable[str] = (),
    scope_separator: str = " ",
    pkce: bool = True,
    lifetime: timedelta = LIFETIME,
    clock: Clock | None = None,
    parameters: Mapping[str, str] | None = None,
    issuer: str | None = None,
) -> Login:
    """Return a new login with a random state and verifier.

    Args:
        endpoint: URL of the consent page.
        client_id: Client ID of the application.
        redirect_url: Redirect URL as registered for the application, or `OUT_OF_BAND`.
        scope: Scopes to request, as a string separated by commas or spaces, or as an iterable.
        scope_separator: Separator of the scopes in the request.
        pkce: Whether to use PKCE (S256).
        lifetime: Time until the login expires.
        clock: Source of the current time.
        parameters: Additional parameters of the authorization request, sent unchanged.
        issuer: Issuer that the callback must name.

    Raises ConfigError.
    """
    state = new_state()
    verifier = secrets.token_urlsafe(48) if pkce else None
    scopes = split_scopes(scope)
    created_at = (clock or SystemClock()).now()
    url = authorization_url(
        endpoint,
        client_id=client_id,
        redirect_url=redirect_url,
        scopes=scopes,
        scope_separator=scope_separator,
        state=state,
        verifier=verifier,
        parameters=parameters,
    )
    return Login(
        url=url,
        state=state,
        verifier=verifier,
        redirect_url=redirect_url,
        scopes=scopes,
        created_at=created_at,
        expires_at=created_at + lifetime,
        issuer=issuer,
    )


def authorization_url(
    endpoint: str,
    *,
    client_id: str,
    redirect_url: str,
    state: str,
    scopes: tuple[str, ...] = (),
    scope_separator: str = " ",
    verifier: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> str:
    """Return the URL to redirect the user to.

    Args:
        endpoint: URL of the consent page.
        client_id: Client ID of the application.
        redirect_url: Redirect URL as registered for the application, or `OUT_OF_BAND`.
        state: State that the callback must repeat.
        scopes: Scopes to request.
        scope_separator: Separator of the scopes in the request.
        verifier: PKCE verifier, or None for a request without PKCE.
        parameters: Additional parameters, sent unchanged.

    Raises ConfigError.
    """
    check_redirect_url(redirect_url)
    query = {
        "response_type": "code",
        "client_id": client_id,
        # Cloud 66 documents redirect_url, every OAuth 2 server knows redirect_uri, and each ignores the other name.
        "redirect_url": redirect_url,
        "redirect_uri": redirect_url,
        "state": state,
    }
    if scopes:
        query["scope"] = scope_separator.join(scopes)
    if verifier is not None:
        query["code_challenge"] = _challenge(verifier)
        query["code_challenge_method"] = "S256"
    reserved = sorted(query.keys() & (parameters or {}).keys())
    if reserved:
        raise ConfigError(f"invalid parameters ({', '.join(reserved)}): the login sets them itself; remove them")
    query |= parameters or {}
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def split_scopes(scope: str | Iterable[str]) -> tuple[str, ...]:
    """Return the scopes in a string separated by commas or spaces, or in an iterable of such strings, without repeats.

    Raises ConfigError.
    """
    if not isinstance(scope, str):
        check_iterable("scope", scope)
    texts = (scope,) if isinstance(scope, str) else tuple(scope)
    for text in texts:
        check_text("scope", text)
    scopes = tuple(dict.fromkeys(name for text in texts for name in text.replace(",", " ").split()))
    for name in scopes:
        if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
            raise ConfigError(f"invalid scope {name!r}: expected a word such as 'public' or 'redeploy'")
    return scopes


def new_state() -> str:
    """Return a random state of 256 bits."""
    return secrets.token_urlsafe(32)


def login_form(login: Login, callback: Callback, now: datetime) -> Form:
    """Return the form for the code in the callback of this login. Raises LoginError."""
    return code_form(login.code(callback, now=now), login.redirect_url, login.verifier)


def callback_form(
    callback: Callback | None,
    *,
    state: str | None,
    code: str | None,
    verifier: str | None,
    redirect: tuple[str | None, str | None, str | None],
    grant_type: str,
    endpoints: Endpoints,
) -> Form:
    """Return the form for the arguments of `fetch_token`. Raises ConfigError and LoginError."""
    if grant_type != "authorization_code":
        raise LoginError(f"unsupported grant_type {grant_type!r}: only 'authorization_code' is supported")
    redirect_url, redirect_uri, default = redirect
    url = one_redirect_url(redirect_url, redirect_uri) or default
    if callback is not None:
        if not state:
            raise StateMismatch("no state to compare with; pass the state that is stored in the user's session")
        parameters = verify_callback(callback, state=state, redirect_url=url)
        check_issuer(parameters, expected=endpoints.issuer, authorize_url=endpoints.authorize, redirect_url=url)
    elif code is None:
        raise LoginError("neither a callback nor a code; pass authorization_response or code")
    else:
        parameters = {"code": code}
    return code_form(extract_code(parameters), url, verifier)


def one_redirect_url(redirect_url: str | None, redirect_uri: str | None) -> str | None:
    """Return the redirect URL that is given under either name, if any. Raises ConfigError if they differ."""
    if redirect_url and redirect_uri and redirect_url != redirect_uri:
        raise ConfigError(
            "redirect_url and redirect_uri differ: both name the same setting and must be equal; pass only one"
        )
    return redirect_url or redirect_uri


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _restore(stored: Mapping[str, Any]) -> Login | None:
    required = {name: stored.get(name) for name in _REQUIRED}
    verifier, scopes, issuer = stored.get("verifier"), stored.get("scopes"), stored.get("issuer")
    if not all(isinstance(text, str) and text for text in required.values()):
        return None
    if not (isinstance(verifier, str | None) and isinstance(issuer, str | None) and isinstance(scopes, list | tuple)):
        return None
    try:
        created_at, expires_at = (datetime.fromisoformat(stored[name]) for name in ("created_at", "expires_at"))
    except (KeyError, TypeError, ValueError):
        return None
    if created_at.tzinfo is None or expires_at.tzinfo is None:
        return None
    return Login(
        **cast("dict[str, str]", required),
        verifier=verifier,
        scopes=tuple(map(str, cast("Iterable[object]", scopes))),
        created_at=created_at,
        expires_at=expires_at,
        issuer=issuer,
    )
