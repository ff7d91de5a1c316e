"""Logins in the system's own keyring: Keychain, Credential Manager, Secret Service."""

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
    """Keeps logins in the system's keyring, under `cloud66-async` and the site that they are for.

    Needs the extra `keyring` and a keyring that works; raises ConfigError where there is none.
    """

    def __init__(self, *, site: str = URL) -> None:
        self._service = f"cloud66-async {Address.parse(site).site}"
        self._keyring = _keyring()

    async def load(self, profile: str = DEFAULT, account: str | None = None) -> Token | None:
        """The token of this login, None where there is none. Raises ConfigError."""
        text = await self._ask("get_password", _name(profile, account))
        if text is None:
            return None
        try:
            token = from_fields(json.loads(text))
        except ValueError:
            token = None
        if token is None:
            raise ConfigError("the keyring's entry cannot be understood: delete it and log in again")
        return token

    async def save(self, token: Token, profile: str = DEFAULT, account: str | None = None) -> None:
        """Keep the token, in place of an earlier one. Raises ConfigError."""
        name, text = _name(profile, account), json.dumps(to_fields(token))
        await self._ask("set_password", name, text)
        if await self._ask("get_password", name) != text:
            raise ConfigError("the keyring took the login and did not keep it: is it switched off?")

    async def delete(self, profile: str = DEFAULT, account: str | None = None) -> bool:
        """Forget the login; whether there was one. Raises ConfigError."""
        name = _name(profile, account)
        if await self._ask("get_password", name) is None:
            return False
        await self._ask("delete_password", name)
        return True

    async def _ask(self, question: str, *arguments: str) -> Any:
        function = getattr(self._keyring, question)
        try:
            # A keyring may show a dialog and wait for the user.
            return await anyio.to_thread.run_sync(function, self._service, *arguments)
        except Exception as error:  # noqa: BLE001 (backends raise what they like)
            problem = type(error).__name__
        raise ConfigError(f"the system's keyring does not work ({problem}): keep logins in a file instead")


def _name(profile: str, account: str | None) -> str:
    return json.dumps([profile, account])


def _keyring() -> ModuleType:
    try:
        import keyring
    except ImportError:
        raise ConfigError("the keyring needs one more package: pip install 'cloud66-async[keyring]'") from None
    return keyring
