"""Where the access token comes from: the environment, a stored login, or one of Cloud 66's toolbelt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..config import URL, Address, environment_token
from ..oauth.file_store import FileStore, is_available
from ..oauth.store import DEFAULT, ToolbeltStore
from ..token import Token

__all__ = ["Login", "described", "environment_variable", "find_login", "masked", "site", "store"]

_VARIABLES = ("CLOUD66_ACCESS_TOKEN", "CLOUD66_TOKEN")
_SHOWN = 4


class Login(NamedTuple):
    """A token and where it comes from.

    Args:
        token: The token.
        origin: Where it comes from, in words.
        profile: Name of the stored login, or None if it comes from the environment.
        path: File of the stored login, if it is known.
    """

    token: Token
    origin: str
    profile: str | None
    path: Path | None = None


def find_login(profile: str | None) -> Login | None:
    """Return the token that a client with this profile sends, and where it comes from. Raises ConfigError."""
    where = site()
    found = environment_token(site=where) if profile is None else None
    if found is not None:
        return Login(found, environment_variable() or _VARIABLES[0], None)
    name = profile or DEFAULT
    if is_available():
        stored = store()
        name = profile or stored.default_profile()
        found = stored.read(name)
        if found is not None:
            return Login(found, f'stored login, profile "{name}"', name, stored.path)
    found = ToolbeltStore().read(name) if where == URL else None
    return None if found is None else Login(found, f'login of cx, profile "{name}"', name)


def environment_variable() -> str | None:
    """Return the environment variable that holds a token and comes before the stored logins."""
    names = _VARIABLES if site() == URL else _VARIABLES[:1]
    return next((name for name in names if os.environ.get(name, "").strip()), None)


def masked(token: Token) -> str:
    """Return the end of a token, by which its owner recognizes it, but not its length. A short token has none."""
    text = token.reveal()
    return f"…{text[-_SHOWN:]}" if len(text) >= 4 * _SHOWN else ""


def described(login: Login) -> str:
    """Return where a token is from, and its end."""
    end = masked(login.token)
    return f"{login.origin} (ends in {end})" if end else login.origin


def site() -> str:
    """Return the URL of the server."""
    return Address.parse(None).site


def store() -> FileStore:
    """Return the stored logins of this server."""
    return FileStore(site=site())
