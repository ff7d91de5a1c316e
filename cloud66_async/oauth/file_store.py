"""Logins in a file of the current user."""

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
from .private_files import create_private_directory, read_private, write_private
from .store import DEFAULT, from_fields, to_fields

__all__ = ["FileStore", "default_path", "is_available"]

_LOCK_TIMEOUT = 10.0
_VERSION = 1
_NEEDS_EXTRA = "storing logins in a file requires optional packages; run: pip install 'cloud66-async[cli]'"

# site → profile → account name ("" for none) → fields of a token
_Logins: TypeAlias = dict[str, dict[str, dict[str, Any]]]
# site → name of the profile that is used if none is named
_Defaults: TypeAlias = dict[str, str]


class FileStore:
    """Store in one JSON file that only its owner can read.

    The file is written atomically, by one process at a time. `path` is by default in the user's configuration
    directory. `site` is the server of the logins: a token of one server is never returned for another. Requires the
    extra `cli`.
    """

    def __init__(self, path: str | Path | None = None, *, site: str = URL) -> None:
        self.path: Path = default_path() if path is None else Path(path)
        self._site = Address.parse(site).site

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, site={self._site!r})"

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this login, or None if there is none. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self.read, profile, account)

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Store the token and replace an earlier one. Raises ConfigError."""
        await anyio.to_thread.run_sync(self.write, token, profile, account)

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Delete the login. Return whether there was one. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self.remove, profile, account)

    def read(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return what `load` returns, without an event loop."""
        logins = self._read_logins()[0].get(self._site, {}).get(profile, {})
        found, token = (account or "") in logins, from_fields(logins.get(account or ""))
        del logins  # a traceback may show local variables
        if found and token is None:
            raise self._invalid()
        return token

    def write(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Do what `save` does, without an event loop."""

        def put(logins: _Logins, _: _Defaults) -> bool:
            logins.setdefault(self._site, {}).setdefault(profile, {})[account or ""] = to_fields(token)
            return True

        self._update(put)

    def remove(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Do what `delete` does, without an event loop."""

        def pop(logins: _Logins, defaults: _Defaults) -> bool:
            found = logins.get(self._site, {}).get(profile, {})
            is_removed = found.pop(account or "", None) is not None
            if not found and defaults.get(self._site) == profile:
                del defaults[self._site]
            return is_removed

        return read_private(self.path) is not None and self._update(pop)

    def profiles(self) -> tuple[str, ...]:
        """Return the names of the profiles with a login at this site, in alphabetical order. Raises ConfigError."""
        return tuple(sorted(name for name, logins in self._read_logins()[0].get(self._site, {}).items() if logins))

    def default_profile(self) -> str:
        """Return the profile that is used if none is named: the one of `use`, or else `default`."""
        return self._read_logins()[1].get(self._site, DEFAULT)

    def use(self, profile: str) -> None:
        """Use this profile if none is named. Raises ConfigError if it has no login."""
        if profile not in self.profiles():
            raise ConfigError(f"no login is stored for the profile {profile!r}; log in first")

        def put(_: _Logins, defaults: _Defaults) -> bool:
            defaults[self._site] = profile
            return True

        self._update(put)

    def _update(self, change: Callable[[_Logins, _Defaults], bool]) -> bool:
        """Read, change and write the file under a lock. Return whether `change` changed anything."""
        with _locked(self.path):
            logins, defaults = self._read_logins()
            changed = change(logins, defaults)
            if changed:
                content = {"version": _VERSION, "logins": logins} | ({"defaults": defaults} if defaults else {})
                write_private(self.path, json.dumps(content, indent=2).encode() + b"\n")
            return changed

    def _read_logins(self) -> tuple[_Logins, _Defaults]:
        body = read_private(self.path)
        if body is None:
            return {}, {}
        try:
            content: Any = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise self._invalid()
        fields = cast("dict[str, Any]", content)
        logins: Any = fields.get("logins")
        defaults: Any = fields.get("defaults", {})
        if fields.get("version") != _VERSION or not _is_nested(logins, 2) or not _is_nested(defaults, 0):
            raise self._invalid()
        names = {site: name for site, name in defaults.items() if isinstance(name, str)}
        return cast("_Logins", logins), names

    def _invalid(self) -> ConfigError:
        return ConfigError(f"invalid login file {self.path}; delete it and log in again")


def is_available() -> bool:
    """Return whether there is a default file for logins: it requires the extra `cli` and a home directory."""
    return find_spec("platformdirs") is not None and find_spec("filelock") is not None and _user_path() is not None


def default_path() -> Path:
    """Return the default file for logins on this system.

    Raises ConfigError without the extra `cli`, and without a home directory.
    """
    try:
        path = _user_path()
    except ImportError:
        raise ConfigError(_NEEDS_EXTRA) from None
    if path is None:
        raise ConfigError("no directory for logins: this user has no home directory; set HOME, or pass a path")
    return path


def _user_path() -> Path | None:
    from platformdirs import user_config_path

    try:
        path = user_config_path("cloud66-async", appauthor=False) / "logins.json"
    except RuntimeError:  # no HOME, and the system does not know the user
        return None
    return path if path.is_absolute() else None  # older versions then return a path that starts with "~"


def _is_nested(value: object, levels: int) -> bool:
    if not isinstance(value, dict):
        return False
    return levels == 0 or all(_is_nested(item, levels - 1) for item in cast("dict[str, Any]", value).values())


def _locked(path: Path) -> AbstractContextManager[object]:
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise ConfigError(_NEEDS_EXTRA) from None
    try:
        # First, because other users could place a link at the path of the lock in a directory that is not private.
        create_private_directory(path.parent)
        return FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_TIMEOUT, mode=0o600).acquire()
    except Timeout:
        raise ConfigError(f"cannot lock {path}: another process holds the lock; try again later") from None
    except OSError as error:
        raise ConfigError(f"cannot lock {path}: {error.strerror}") from None
