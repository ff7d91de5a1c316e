"""What every store of logins does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloud66_async.integrations.keyring import KeyringStore
from cloud66_async.oauth import FileStore, MemoryStore, TokenStore
from cloud66_async.token import Token

from .stored import PLAIN, SANDBOX, TOKEN, MemoryKeyring


@pytest.fixture(params=["memory", "file", "keyring"])
def store(request: pytest.FixtureRequest, path: Path, memory_keyring: MemoryKeyring) -> TokenStore:
    factories: dict[str, Callable[[], TokenStore]] = {
        "memory": MemoryStore,
        "file": lambda: FileStore(path),
        "keyring": KeyringStore,
    }
    return factories[request.param]()


async def test_one_login_per_profile_and_account(store: TokenStore) -> None:
    assert await store.load() is None
    assert await store.delete() is False
    await store.save(TOKEN)
    await store.save(PLAIN, "work")
    await store.save(Token("TOKEN-3"), "work", "7")
    await store.save(Token("TOKEN-4"), 'w"o/r:k', "../a:b")
    found = await store.load()
    assert found == TOKEN
    assert found is not None
    assert (found.scopes, found.expires_at) == (TOKEN.scopes, TOKEN.expires_at)
    assert await store.load("work") == PLAIN
    assert await store.load("work", "7") == Token("TOKEN-3")
    assert await store.load('w"o/r:k', "../a:b") == Token("TOKEN-4")
    assert await store.load("default", "7") is None
    await store.save(PLAIN)
    assert await store.load() == PLAIN
    assert await store.delete("work") is True
    assert await store.delete("work") is False
    assert await store.load("work") is None
    assert await store.load("work", "7") == Token("TOKEN-3")


async def test_repr_of_a_store_has_no_token(store: TokenStore) -> None:
    await store.save(TOKEN)
    assert "TOKEN-1" not in repr(store)
    assert "TOKEN-1" not in repr(vars(store)).replace(repr(MemoryKeyring), "")


async def test_logins_are_separate_for_each_site(path: Path, memory_keyring: MemoryKeyring) -> None:
    for here, there in (
        (FileStore(path), FileStore(path, site=SANDBOX)),
        (KeyringStore(), KeyringStore(site=SANDBOX)),
    ):
        await here.save(TOKEN)
        assert await there.load() is None
        await there.save(PLAIN)
        assert await there.load() == PLAIN
        assert await here.load() == TOKEN
        assert await there.delete()
        assert await here.load() == TOKEN
