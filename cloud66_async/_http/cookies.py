"""Clients of the HTTP library without cookies."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

__all__ = ["no_cookies"]


def no_cookies() -> CookieJar:
    """Return a cookie jar that stores nothing: one client may serve many users, and a cookie belongs to one of them."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
