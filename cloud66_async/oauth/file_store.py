"""Logins in a file of the user's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, cast

import anyio.to_thread

from ..config import URL, Address
from ..errors import ConfigError
from ..token import Token
from .private_files import read_private, write_private
from .store import DEFAULT, from_fields, to_fields

__all__ = ["FileStore", "default_path", "is_available"]

_PATIENCE = 10.0
_VERSION = 1
_NEED_EXTRA = "logins in a file need two more packages: pip install 'cloud66-async[cli]'"

# site → profile → account name ("" for none) → fields of a token
_Logins: TypeAlias = dict[str, dict[str, dict[str, Any]]]


class FileStore:
    """Keeps logins in one JSON file that only its owner can read.

    It is written whole or not at all, by one process at a time. `path` is by default where this system
    keeps a user's settings. `site` is the server that the logins are for: a token of one server is never
    given for another. Needs the extra `cli`.
    """

    def __init__(self, path: str | Path | None = None, *, site: str = URL) -> None:
        self.path: Path = default_path() if path is None else Path(path)
        self._site = Address.parse(site).site

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, site={self._site!r})"

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """The token of this login, None where there is none. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self.read, profile, account)

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Keep the token, in place of an earlier one. Raises ConfigError."""
        await anyio.to_thread.run_sync(self.write, token, profile, account)

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Forget the login; whether there was one. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self.remove, profile, account)

    def read(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """`load`, without an event loop."""
        fields = self._logins().get(self._site, {}).get(profile, {}).get(account or "")
        if fields is None:
            return None
        token = from_fields(fields)
        if token is None:
            raise self._unreadable()
        return token

    def write(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """`save`, without an event loop."""

        def put(logins: _Logins) -> bool:
            logins.setdefault(self._site, {}).setdefault(profile, {})[account or ""] = to_fields(token)
            return True

        self._change(put)

    def remove(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """`delete`, without an event loop."""

        def take(logins: _Logins) -> bool:
            return logins.get(self._site, {}).get(profile, {}).pop(account or "", None) is not None

        return self.path.exists() and self._change(take)

    def _change(self, change: Callable[[_Logins], bool]) -> bool:
        """Read, change and write while no other process does."""
        with _locked(self.path):
            logins = self._logins()
            changed = change(logins)
            if changed:
                body = json.dumps({"version": _VERSION, "logins": logins}, indent=2).encode()
                write_private(self.path, body + b"\n")
            return changed

    def _logins(self) -> _Logins:
        body = read_private(self.path)
        if body is None:
            return {}
        try:
            content: Any = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise self._unreadable()
        fields = cast("dict[str, Any]", content)
        logins: Any = fields.get("logins")
        if fields.get("version") != _VERSION or not _is_nested(logins, 2):
            raise self._unreadable()
        return cast("_Logins", logins)

    def _unreadable(self) -> ConfigError:
        return ConfigError(f"{self.path} cannot be understood: delete it and log in again")


def is_available() -> bool:
    """Whether logins can be kept in the default place: whether the extra `cli` is there."""
    return find_spec("platformdirs") is not None and find_spec("filelock") is not None


def default_path() -> Path:
    """Where logins are kept on this system. Needs the extra `cli`; raises ConfigError without."""
    try:
        from platformdirs import user_config_path
    except ImportError:
        raise ConfigError(_NEED_EXTRA) from None
    return user_config_path("cloud66-async", appauthor=False) / "logins.json"


def _is_nested(value: object, levels: int) -> bool:
    if not isinstance(value, dict):
        return False
    return levels == 0 or all(_is_nested(item, levels - 1) for item in cast("dict[str, Any]", value).values())


def _locked(path: Path) -> AbstractContextManager[object]:
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise ConfigError(_NEED_EXTRA) from None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE, mode=0o600).acquire()
    except Timeout:
        raise ConfigError(f"another process keeps {path} locked") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be locked: {error.strerror}") from None
