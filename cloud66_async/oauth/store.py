"""Where logins are kept between one run and the next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

import anyio.to_thread

from ..errors import ConfigError
from ..token import Token
from .private_files import read_private

__all__ = ["DEFAULT", "MemoryStore", "TokenStore", "ToolbeltStore", "from_fields", "to_fields"]

DEFAULT = "default"
"""The name of the profile where none is given."""


class TokenStore(Protocol):
    """One login for each profile and account name."""

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """The token of this login, None where there is none. Raises ConfigError where it cannot be read."""
        ...

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Keep the token, in place of an earlier one. Raises ConfigError where it cannot be kept."""
        ...

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Forget the login; whether there was one."""
        ...


class MemoryStore:
    """Keeps logins as long as this object lives."""

    def __init__(self) -> None:
        self._logins: dict[tuple[str, str | None], Token] = {}

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """The token of this login, None where there is none."""
        return self._logins.get((profile, account))

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Keep the token, in place of an earlier one."""
        self._logins[profile, account] = token

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Forget the login; whether there was one."""
        return self._logins.pop((profile, account), None) is not None


class ToolbeltStore:
    """The logins of Cloud 66's own toolbelt, `cx`; to read only.

    It keeps one in `~/.cloud66/cx.json`, and that of another profile in `cx_NAME.json` beside it, as JSON with
    `AccessToken`, `RefreshToken` and `Expiry`. (Sources: the toolbelt's help pages, the README of Cloud 66's
    Go library, and the toolbelt's own program text.) They are logins at `https://app.cloud66.com`.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self._directory = Path.home() / ".cloud66" if directory is None else Path(directory)

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """The token of this profile, None where there is none. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self.read, profile, account)

    def read(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """`load`, without an event loop. The toolbelt has one login per profile, and none by account name."""
        if account is not None:
            return None
        if re.fullmatch(r"[\w.\-]+", profile) is None:
            raise ConfigError("a profile of the toolbelt has a name of letters, digits, dots and dashes")
        name = "cx.json" if profile == DEFAULT else f"cx_{profile.lower()}.json"
        path = self._directory / name
        body = read_private(path)
        return None if body is None else _toolbelt_token(path, body)

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:  # noqa: ARG002
        """Refused: the file is the toolbelt's. Raises ConfigError."""
        raise ConfigError("the toolbelt's login is for reading only: log in with another store")

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:  # noqa: ARG002
        """Refused: the file is the toolbelt's. Raises ConfigError."""
        raise ConfigError("the toolbelt's login is for reading only: remove its file yourself")


def _toolbelt_token(path: Path, body: bytes) -> Token:
    try:
        fields: Any = json.loads(body)
        text = fields["AccessToken"]
        token = Token(text)
    except (ValueError, LookupError, TypeError, ConfigError):
        token = None
    if token is None:
        raise ConfigError(f"{path} holds no login of the toolbelt: log in with `cx` again")
    return token


def to_fields(token: Token) -> dict[str, Any]:
    """The token as JSON-ready values, in clear: for a store alone."""
    return {
        "access_token": token.reveal(),
        "scopes": None if token.scopes is None else list(token.scopes),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
    }


def from_fields(fields: object) -> Token | None:
    """The token that `to_fields` wrote; None where it is not one."""
    if not isinstance(fields, Mapping):
        return None
    kept = cast("Mapping[str, Any]", fields)
    scopes, expires_at = kept.get("scopes"), kept.get("expires_at")
    try:
        return Token(
            kept["access_token"],
            scopes=None if scopes is None else tuple(map(str, scopes)),
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        )
    except (LookupError, TypeError, ValueError, ConfigError):
        return None
