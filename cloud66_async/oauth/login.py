"""A login between the redirect to Cloud 66 and the callback: pure, and kept by the caller alone."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import attrs

from ..clock import Clock, SystemClock
from ..errors import ConfigError, LoginError
from .callback import OUT_OF_BAND, Callback, code_in, verified

__all__ = ["LIFETIME", "OUT_OF_BAND", "Login", "authorization_url", "begin", "new_state", "split_scopes"]

LIFETIME = timedelta(minutes=10)
"""How long a login may take, unless it is told otherwise."""

_TEXTS = ("url", "state", "redirect_url")


@attrs.frozen(kw_only=True)
class Login:
    """What the user's own session must keep until the callback comes.

    Send the user to `url`. Keep `to_dict()` in the session of this user and nowhere else: a table of
    pending logins that all users share is how accounts get taken over. Take it out of the session when
    the callback has come. It can be used once, and before `expires_at`.
    """

    url: str = attrs.field(repr=False)
    state: str = attrs.field(repr=False)
    verifier: str | None = attrs.field(repr=False)
    redirect_url: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    # One entry, which the first use takes; taking is atomic, and a shallow copy shares it.
    _unused: list[bool] = attrs.field(factory=lambda: [True], init=False, repr=False, eq=False)

    def code(self, callback: Callback, *, now: datetime | None = None) -> str:
        """The code in the redirect that ends this login, which is used up by it.

        `callback` is the URL that was called, its query string, or the parameters as a mapping; out of
        band also the bare code. Raises StateMismatch for the redirect of another login, which leaves
        this one usable, AccessDenied where the user said no, and LoginError for everything else.
        """
        if (now or SystemClock().now()) >= self.expires_at:
            raise LoginError("this login has expired: begin a new one")
        if not self._unused:
            raise LoginError("this login was used already: begin a new one")
        parameters = verified(callback, state=self.state, redirect_url=self.redirect_url)
        self._unused.pop()
        return code_in(parameters)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready values, for the user's session. State and verifier are among them."""
        return {
            "url": self.url,
            "state": self.state,
            "verifier": self.verifier,
            "redirect_url": self.redirect_url,
            "scopes": list(self.scopes),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any] | None) -> Login:
        """The login that `to_dict` wrote. Raises LoginError for anything else, None included."""
        login = _restore(kept) if isinstance(kept, Mapping) else None
        if login is None:
            raise LoginError("no login is under way in this session: begin a new one")
        return login


def begin(
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
) -> Login:
    """A new login, with a state and a verifier of its own.

    `endpoint` is the page where the user consents, `parameters` go to it as they are. Raises ConfigError.
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
    """Where to send the user. Raises ConfigError."""
    _check_redirect(redirect_url)
    query = {
        "response_type": "code",
        "client_id": client_id,
        # Documented as redirect_url, known to every OAuth 2 server as redirect_uri; each ignores the other.
        "redirect_url": redirect_url,
        "redirect_uri": redirect_url,
        "state": state,
    }
    if scopes:
        query["scope"] = scope_separator.join(scopes)
    if verifier is not None:
        query["code_challenge"] = _challenge(verifier)
        query["code_challenge_method"] = "S256"
    taken = sorted(query.keys() & (parameters or {}).keys())
    if taken:
        raise ConfigError(f"these parameters are set by the login itself: {', '.join(taken)}")
    query |= parameters or {}
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def split_scopes(scope: str | Iterable[str]) -> tuple[str, ...]:
    """The scopes in a text with commas or blanks, or in an iterable of such; each once. Raises ConfigError."""
    texts = (scope,) if isinstance(scope, str) else scope
    scopes = tuple(dict.fromkeys(name for text in texts for name in text.replace(",", " ").split()))
    for name in scopes:
        if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
            raise ConfigError("a scope is a word like 'public' or 'redeploy'")
    return scopes


def new_state() -> str:
    """A state that nobody can guess: 256 bits."""
    return secrets.token_urlsafe(32)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _check_redirect(redirect_url: str) -> None:
    if not redirect_url:
        raise ConfigError("no redirect URL: give the one that is registered for the application")
    if redirect_url == OUT_OF_BAND:
        return
    parts = urlsplit(redirect_url)
    if not parts.scheme or not (parts.netloc or parts.path) or "#" in redirect_url or parts.username is not None:
        raise ConfigError("the redirect URL must be absolute, without a user name and without a fragment")


def _restore(kept: Mapping[str, Any]) -> Login | None:
    texts = {name: kept.get(name) for name in _TEXTS}
    verifier, scopes = kept.get("verifier"), kept.get("scopes")
    if not all(isinstance(text, str) and text for text in texts.values()):
        return None
    if not isinstance(verifier, str | None) or not isinstance(scopes, list | tuple):
        return None
    try:
        moments = [datetime.fromisoformat(kept[name]) for name in ("created_at", "expires_at")]
    except (KeyError, TypeError, ValueError):
        return None
    if any(moment.tzinfo is None for moment in moments):
        return None
    return Login(
        **cast("dict[str, str]", texts),
        verifier=verifier,
        scopes=tuple(map(str, cast("Iterable[object]", scopes))),
        created_at=moments[0],
        expires_at=moments[1],
    )
