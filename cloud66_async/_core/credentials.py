"""What a client sends with every request: its token, its account and its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..config import MISSING_LOGIN, URL, USER_AGENT, environment_token
from ..errors import ConfigError, MissingToken
from ..secret import Secret
from ..token import Token, to_token
from ..transport import SharedHeaders
from .arguments import check_text

__all__ = ["check_headers", "find_token", "shared_headers"]

_MAX_SHOWN = 60
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# The SDK sets these headers, or the way to the server does.
_RESERVED = frozenset(
    {
        "accept-encoding", "authorization", "connection", "content-length", "content-type", "cookie", "expect", "host",
        "keep-alive", "proxy-authorization", "request-id", "te", "trailer", "transfer-encoding", "upgrade", "x-account",
    }
)  # fmt: skip


def check_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the extra headers of a client. Raises TypeError or ConfigError, which does not show their values."""
    found: dict[str, str] = {}
    if headers is not None and not isinstance(headers, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid headers: expected a mapping, not {type(headers).__name__}")
    for name, value in (headers or {}).items():
        check_text("name of a header", name)
        shown = repr(name[:_MAX_SHOWN])
        check_text(f"header {shown}", value)
        if _NAME.fullmatch(name) is None or not value.isascii() or not value.isprintable():
            raise ConfigError(f"invalid header {shown}: its name or value contains a character that is not allowed")
        if name.lower() in _RESERVED:
            raise ConfigError(f"invalid header {shown}: the SDK sets it; use an option of the client instead")
        found[name] = value
    return found


def shared_headers(token: Token, account: int | None, extra: Mapping[str, str]) -> SharedHeaders:
    """Return the headers of all requests of a view. `extra` headers replace `Accept` and `User-Agent`."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": USER_AGENT,
        "Authorization": f"Bearer {token.reveal()}",
    }
    if account is not None:
        headers["X-Account"] = str(account)
    if extra:
        replaced = {name.lower() for name in extra}
        headers = {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(extra)
    return SharedHeaders(list(headers.items()))


def find_token(token: Secret | None, profile: str | None, *, serves_users: bool, site: str) -> Token | None:
    """Return the token that was given, or else that of the environment, or else the stored one.

    A client that serves users has none of its own. Raises ConfigError if there is no token.
    """
    if profile is not None:
        check_text("profile", profile)
    if token is not None:
        return to_token(token)
    if serves_users:
        return None
    found = environment_token(site=site) if profile is None else None
    found = found or _stored_token(site, profile)
    if found is None:
        raise MissingToken(MISSING_LOGIN if profile is None else f"no login is stored for the profile {profile!r}")
    return found


def _stored_token(site: str, profile: str | None) -> Token | None:
    """Return the stored token for this site, or, for Cloud 66 itself, the official toolbelt's."""
    from ..oauth.file_store import FileStore, is_available
    from ..oauth.store import DEFAULT, ToolbeltStore

    found: Any = None
    name = profile or DEFAULT
    if is_available():
        store = FileStore(site=site)
        name = profile or store.default_profile()
        found = store.read(name)
    return ToolbeltStore().read(name) if found is None and site == URL else found
