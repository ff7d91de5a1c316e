"""Stores for logins that last beyond one run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import anyio.to_thread

from ..errors import ConfigError
from ..token import Token, parse_expiry, parse_toolbelt_login
from .private_files import read_private

__all__ = ["DEFAULT", "MemoryStore", "TokenStore", "ToolbeltStore", "from_fields", "to_fields"]

_PROFILE = re.compile(r"[^\s/\\:]+")  # often an e-mail address

DEFAULT = "default"
"""The name of the default profile."""


class TokenStore(Protocol):
    """Store of one login for each profile and account name. A store that processes share also raises StoreError."""

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this login, or None if there is none. Raises ConfigError if it cannot be read."""
        ...

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Store the token and replace an earlier one. Raises ConfigError if it cannot be stored."""
        ...

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Delete the login. Return whether there was one."""
        ...


class MemoryStore:
    """In-memory store. Logins are lost with this object."""

    def __init__(self) -> None:
        self._logins: dict[tuple[str, str | None], Token] = {}

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this login, or None if there is none."""
        return self._logins.get((profile, account))

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Store the token and replace an earlier one."""
        self._logins[profile, account] = token

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Delete the login. Return whether there was one."""
        return self._logins.pop((profile, account), None) is not None


class ToolbeltStore:
    """Read-only store: the logins of Cloud 66's own toolbelt, `cx`.

    The toolbelt stores the login of its default profile in `~/.cloud66/cx.json` and that of another profile beside it
    in `cx_NAME.json`, as JSON with `AccessToken`, `RefreshToken` and `Expiry`. (Sources: the toolbelt's help pages,
    the README of Cloud 66's Go library, and the toolbelt's source code.) They are logins at `https://app.cloud66.com`.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self._directory = _default_directory() if directory is None else Path(directory)

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this profile, or None if there is none. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self.read, profile, account)

    def read(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return what `load` returns, without an event loop.

        The toolbelt stores one login for each profile and none for an account name.
        """
        if account is not None or self._directory is None:
            return None
        if _PROFILE.fullmatch(profile) is None or not profile.isprintable():
            raise ConfigError(
                f"invalid toolbelt profile {profile!r}: expected letters, digits and punctuation without / \\ and :"
            )
        name = "cx.json" if profile == DEFAULT else f"cx_{profile.lower()}.json"
        path = self._directory / name
        body = read_private(path)
        if body is None:
            return None
        token = parse_toolbelt_login(body)
        if token is None:
            raise ConfigError(f"invalid toolbelt login in {path}; log in with `cx` again")
        return token

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:  # noqa: ARG002
        """Raise ConfigError: the file belongs to the toolbelt."""
        raise ConfigError("cannot save the login: the toolbelt's logins are read-only; use another store")

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:  # noqa: ARG002
        """Raise ConfigError: the file belongs to the toolbelt."""
        raise ConfigError("cannot delete the login: the toolbelt's logins are read-only; delete its file yourself")


def _default_directory() -> Path | None:
    try:
        return Path.home() / ".cloud66"
    except RuntimeError:  # no HOME, and the system does not know the user
        return None


def to_fields(token: Token) -> dict[str, Any]:
    """Return the token as JSON-ready values in plain text, for use by a store only."""
    return {
        "access_token": token.reveal(),
        "scopes": None if token.scopes is None else list(token.scopes),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
    }


def from_fields(fields: object) -> Token | None:
    """Return the token that `to_fields` stored, or None if `fields` is anything else."""
    if not isinstance(fields, Mapping):
        return None
    stored = cast("Mapping[str, Any]", fields)
    scopes, expires_at = stored.get("scopes"), stored.get("expires_at")
    try:
        return Token(
            stored["access_token"],
            scopes=None if scopes is None else tuple(map(str, scopes)),
            expires_at=parse_expiry(expires_at),
        )
    except (LookupError, TypeError, ValueError, ConfigError):
        return None
