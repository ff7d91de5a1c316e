"""Logins in the system keyring: Keychain, Credential Manager, Secret Service."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import anyio.to_thread

from ..config import URL, Address
from ..errors import ConfigError
from ..oauth.store import DEFAULT, from_fields, to_fields
from ..token import Token

__all__ = ["KeyringStore"]


class KeyringStore:
    """Store in the system keyring, under the service name `cloud66-async` and the site of the logins.

    Requires the extra `keyring` and a working keyring. Raises ConfigError if one of them is missing.
    """

    def __init__(self, *, site: str = URL) -> None:
        self._service = f"cloud66-async {Address.parse(site).site}"
        self._keyring = _keyring()

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """Return the token of this login, or None if there is none. Raises ConfigError."""
        text = await self._call("get_password", _user_name(profile, account))
        if text is None:
            return None
        try:
            token = from_fields(json.loads(text))
        except ValueError:
            token = None
        if token is None:
            raise ConfigError("invalid login in the system keyring; delete the entry and log in again")
        return token

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Store the token and replace an earlier one. Raises ConfigError."""
        user_name, text = _user_name(profile, account), json.dumps(to_fields(token))
        await self._call("set_password", user_name, text)
        if await self._call("get_password", user_name) != text:
            raise ConfigError("the system keyring did not store the login; check that a keyring is enabled")

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Delete the login. Return whether there was one. Raises ConfigError."""
        user_name = _user_name(profile, account)
        if await self._call("get_password", user_name) is None:
            return False
        await self._call("delete_password", user_name)
        return True

    async def _call(self, name: str, *arguments: str) -> Any:
        function = getattr(self._keyring, name)
        try:
            # In a thread: a keyring may show a dialog and wait for the user.
            return await anyio.to_thread.run_sync(function, self._service, *arguments)
        except Exception as error:  # noqa: BLE001 (backends raise errors of any type)
            kind = type(error).__name__
        raise ConfigError(f"the system keyring failed ({kind}); store logins in a file instead")


def _user_name(profile: str, account: str | None) -> str:
    return json.dumps([profile, account])


def _keyring() -> ModuleType:
    try:
        import keyring
    except ImportError:
        raise ConfigError(
            "the keyring requires an optional package; run: pip install 'cloud66-async[keyring]'"
        ) from None
    return keyring
