"""Who may do what: users, applications, and the tokens that they hold."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import datetime
from urllib.parse import urlsplit

import attrs

from ...token import Token

__all__ = ["OUT_OF_BAND", "SCOPES", "Application", "Grant", "User", "mint"]

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""The redirect URL of programs that no redirect reaches: the user copies the code from a page."""

SCOPES = ("public", "redeploy", "jobs", "users", "admin")


def mint() -> str:
    """A new token, code or key: 43 characters, as Cloud 66's tokens have."""
    return secrets.token_urlsafe(32)


@attrs.frozen
class User:
    """Somebody who can log in; sees the stacks of `accounts`, the first of which is the user's own."""

    email: str
    accounts: tuple[int, ...] = (1,)


@attrs.frozen
class Application:
    """A registered OAuth application."""

    name: str
    client_id: str
    client_secret: str = attrs.field(repr=False)
    redirect_urls: tuple[str, ...]
    scopes: tuple[str, ...] = SCOPES

    def accepts(self, redirect: str) -> bool:
        """Whether `redirect` is registered.

        For an IP literal of the loopback interface that is registered without a port, any port will do
        (RFC 8252, section 7.3). A query that is not registered is accepted, as by Doorkeeper.
        """
        if "#" in redirect or not redirect.isprintable():
            return False
        return any(redirect == known or _alike(redirect, known) for known in self.redirect_urls)


@attrs.define
class Grant:
    """What a token stands for; `user` is None where the application acts for itself."""

    token: Token = attrs.field(repr=False)
    user: User | None
    scopes: tuple[str, ...]
    created_at: datetime
    application: Application | None = None
    expires_at: datetime | None = None
    revoked: bool = False

    def trouble(self, now: datetime) -> str | None:
        """Why the token is not valid, None where it is."""
        if self.revoked:
            return "The access token was revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "The access token expired"
        return None

    def allows(self, scope: str | None) -> bool:
        """Whether an operation that asks for `scope` may be called; one that `admin` alone has is not `public`."""
        return scope is None or scope in self.scopes


def _alike(redirect: str, known: str) -> bool:
    try:
        given, registered = urlsplit(redirect), urlsplit(known)
        ports = given.port, registered.port
    except ValueError:
        return False
    same = (given.scheme, given.hostname, given.path) == (registered.scheme, registered.hostname, registered.path)
    if not same or given.username is not None or registered.query not in ("", given.query):
        return False
    return ports[0] == ports[1] or (ports[1] is None and _loopback(registered.hostname or ""))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
