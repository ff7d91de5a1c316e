"""Users, applications, and the tokens that they hold."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import datetime
from urllib.parse import urlsplit

import attrs

from ...token import Token

__all__ = ["SCOPES", "Application", "Grant", "User", "random_text"]

SCOPES = ("public", "redeploy", "jobs", "users", "admin")


def random_text() -> str:
    """Return a random token, code or key of 43 characters, the length of Cloud 66's tokens."""
    return secrets.token_urlsafe(32)


@attrs.frozen
class User:
    """A user who can log in and has access to the stacks of `accounts`. The first one is the user's own account."""

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
        """Return whether this redirect URL is registered.

        If a loopback IP address is registered without a port, any port is accepted (RFC 8252, section 7.3). A query
        that is not registered is accepted, as by Doorkeeper.
        """
        if "#" in redirect or not redirect.isprintable():
            return False
        return any(redirect == known or _matches(redirect, known) for known in self.redirect_urls)


@attrs.define
class Grant:
    """What a token gives access to. `user` is None for the token of an application itself.

    Args:
        token: Token.
        user: User who granted it.
        scopes: Scopes of the token.
        created_at: Time when it was issued.
        application: Application that it was issued to, or None for a personal access token.
        expires_at: Time when it expires, or None if it does not.
        revoked: Whether it was revoked.
    """

    token: Token = attrs.field(repr=False)
    user: User | None
    scopes: tuple[str, ...]
    created_at: datetime
    application: Application | None = None
    expires_at: datetime | None = None
    revoked: bool = False

    def problem(self, now: datetime) -> str | None:
        """Return why the token is not valid, or None if it is."""
        if self.revoked:
            return "The access token was revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "The access token expired"
        return None

    def allows(self, scope: str | None) -> bool:
        """Return whether the token may call an operation that requires this scope. No scope includes another."""
        return scope is None or scope in self.scopes


def _matches(redirect: str, known: str) -> bool:
    try:
        given, registered = urlsplit(redirect), urlsplit(known)
        ports = given.port, registered.port
    except ValueError:
        return False
    same = (given.scheme, given.hostname, given.path) == (registered.scheme, registered.hostname, registered.path)
    if not same or given.username is not None or registered.query not in ("", given.query):
        return False
    return ports[0] == ports[1] or (ports[1] is None and _is_loopback(registered.hostname or ""))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
