"""Logins in the system keyring."""

from __future__ import annotations

import sys

import keyring
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest

from cloud66_async.errors import ConfigError
from cloud66_async.integrations.keyring import KeyringStore

from .stored import TOKEN, MemoryKeyring


async def test_missing_keyring_is_reported() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(ConfigError, match=r"keyring failed \(NoKeyringError\); store logins in a file") as caught:
            await KeyringStore().load()
    finally:
        keyring.set_keyring(before)
    assert caught.value.__context__ is None


async def test_keyring_that_stores_nothing_is_reported() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(ConfigError, match="did not store the login"):
            await KeyringStore().save(TOKEN)
    finally:
        keyring.set_keyring(before)


async def test_keyring_error_does_not_contain_the_token(
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(service: str, username: str, password: str) -> None:
        raise keyring.errors.PasswordSetError(f"cannot store {password}")

    monkeypatch.setattr(memory_keyring, "set_password", fail)
    with pytest.raises(ConfigError, match="PasswordSetError") as caught:
        await KeyringStore().save(TOKEN)
    assert "TOKEN-1" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ["", "TOKEN-9", "{}", "[]", '{"access_token":"a b"}'])
async def test_invalid_keyring_entry_is_reported(memory_keyring: MemoryKeyring, text: str) -> None:
    await KeyringStore().save(TOKEN)
    [key] = memory_keyring.entries
    memory_keyring.entries[key] = text
    with pytest.raises(ConfigError, match="invalid login in the system keyring"):
        await KeyringStore().load()


def test_missing_keyring_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'cloud66-async\[keyring\]'"):
        KeyringStore()
