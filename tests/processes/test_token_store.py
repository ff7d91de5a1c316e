"""What every store of logins does, and what shared stores do besides."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, Token
from cloud66_async.integrations.redis.store import RedisStore
from cloud66_async.integrations.sealing import KEY_VARIABLE
from cloud66_async.integrations.sql.store import SQLStore
from cloud66_async.oauth import TokenStore

from .conftest import STORE_KEY
from .logins import OTHER_SITE, PLAIN, TOKEN, MakeStore, SharedStore, closing, factory
from .servers import RedisServer, require_package


@pytest.fixture(params=["memory", "file", "sqlite", "postgresql", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[TokenStore]:
    found = factory(request.param, request)()
    async with closing(*([found] if hasattr(found, "aclose") else [])):
        yield found


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def make(request: pytest.FixtureRequest) -> MakeStore:
    return factory(request.param, request)


@pytest.fixture
async def shared(make: MakeStore) -> AsyncIterator[SharedStore]:
    found: SharedStore = make()
    async with closing(found):
        yield found


async def test_one_login_per_profile_and_account(store: TokenStore) -> None:
    assert await store.load() is None
    assert await store.delete() is False
    await store.save(TOKEN)
    await store.save(PLAIN, "work")
    await store.save(Token("TOKEN-3"), "work", "7")
    await store.save(Token("TOKEN-4"), 'w"o/r:k%3A*?[a]', "../a:b ☃")
    found = await store.load()
    assert found is not None
    assert (found, found.scopes, found.expires_at) == (TOKEN, TOKEN.scopes, TOKEN.expires_at)
    plain = await store.load("work")
    assert plain is not None
    assert (plain, plain.scopes, plain.expires_at) == (PLAIN, None, None)
    assert await store.load("work", "7") == Token("TOKEN-3")
    assert await store.load('w"o/r:k%3A*?[a]', "../a:b ☃") == Token("TOKEN-4")
    assert await store.load("default", "7") is None
    await store.save(Token("TOKEN-5"), "a:b", "c")
    await store.save(Token("TOKEN-6"), "a", "b:c")
    assert (await store.load("a:b", "c"), await store.load("a", "b:c")) == (Token("TOKEN-5"), Token("TOKEN-6"))
    assert await store.load("Work") is None
    await store.save(PLAIN)
    assert await store.load() == PLAIN
    assert await store.delete("work") is True
    assert await store.delete("work") is False
    assert await store.load("work") is None
    assert await store.load("work", "7") == Token("TOKEN-3")


async def test_replaced_token_leaves_nothing_behind(store: TokenStore) -> None:
    await store.save(TOKEN)
    await store.save(PLAIN)
    found = await store.load()
    assert found is not None
    assert (found.scopes, found.expires_at) == (None, None)


async def test_concurrent_tasks_lose_nothing(store: TokenStore) -> None:
    """Many more tasks than connections."""
    names = [f"user-{number}@example.com" for number in range(300)]
    await asyncio.gather(*(store.save(Token(f"TOKEN-{name}".replace("@", "-")), name) for name in names[:60]))
    found = await asyncio.gather(*(store.load(name) for name in names))
    assert found[:60] == [Token(f"TOKEN-{name}".replace("@", "-")) for name in names[:60]]
    assert set(found[60:]) == {None}


async def test_logins_are_separate_for_each_site(make: MakeStore) -> None:
    here, there = make(), make(site=OTHER_SITE)
    async with closing(here, there):
        await here.save(TOKEN)
        assert await there.load() is None
        await there.save(PLAIN)
        assert (await here.load(), await there.load()) == (TOKEN, PLAIN)
        assert await there.delete()
        assert await here.load() == TOKEN


async def test_logins_are_separate_for_each_prefix(redis_server: RedisServer) -> None:
    one, other = RedisStore(redis_server.patient_url), RedisStore(redis_server.patient_url, prefix="other")
    async with closing(one, other):
        await one.save(TOKEN)
        assert await other.load() is None
        assert (await other.reseal(), await one.reseal()) == (0, 1)


async def test_client_uses_a_stored_login(shared: SharedStore) -> None:
    await shared.save(TOKEN, "ann@example.com")
    token = await shared.load("ann@example.com")
    assert token is not None
    async with Cloud66(client_id="ID", client_secret="SECRET") as c66:
        assert c66.using(token=token) is not c66


async def test_expired_login_is_removed_from_redis(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.patient_url)
    async with closing(store):
        for year in (1960, 2020):
            await store.save(PLAIN)
            await store.save(Token("TOKEN-3", expires_at=datetime(year, 1, 1, tzinfo=UTC)))
            assert await store.load() is None
        await store.save(TOKEN)
        await store.save(PLAIN)  # the expiry belongs to the token before
        client: Any = store._connection.client()
        assert await client.ttl((await client.keys())[0]) == -1


def test_repr_has_no_password() -> None:
    for package in ("sqlalchemy", "asyncpg"):
        require_package(package, "postgres")
    url = "postgresql://ann:STORE-PASSWORD@db.example:5432/app"
    assert repr(SQLStore(url)) == "SQLStore('postgresql://db.example:5432/app', site='https://app.cloud66.com')"
    assert repr(RedisStore("redis://:STORE-PASSWORD@db.example/0", site=OTHER_SITE)) == (
        "RedisStore('redis://db.example/0', site='http://127.0.0.1:8066')"
    )


async def test_pickled_store_has_the_same_logins_and_no_key(make: MakeStore) -> None:
    store: SharedStore = make(site=OTHER_SITE)
    async with closing(store):
        await store.save(TOKEN)  # the connections and the key are in use
        pickled = pickle.dumps(store)
        assert STORE_KEY.encode() not in pickled
        assert KEY_VARIABLE.encode() in pickled
        copy = pickle.loads(pickled)
        async with closing(copy):
            assert repr(copy) == repr(store)
            assert await copy.load() == TOKEN


async def test_one_store_in_several_event_loops(shared: SharedStore) -> None:
    await shared.save(TOKEN)

    async def use() -> Token | None:
        async with closing(shared):
            await shared.save(PLAIN, "other")
            return await shared.load()

    for _ in range(3):
        assert await asyncio.to_thread(asyncio.run, use()) == TOKEN
    assert await shared.load("other") == PLAIN  # the connections of this loop are still open


@pytest.mark.parametrize("library", ["asyncio", "uvloop"])
async def test_one_store_in_several_threads(make: MakeStore, library: str) -> None:
    store: SharedStore = make()
    run = pytest.importorskip(library).run

    async def use(number: int) -> Token | None:
        async with closing(store):
            await asyncio.gather(*(store.save(Token(f"TOKEN-{number}"), f"{number}-{part}") for part in range(20)))
            return await store.load(f"{number}-7")

    found = await asyncio.gather(*(asyncio.to_thread(run, use(number)) for number in range(5)))
    assert found == [Token(f"TOKEN-{number}") for number in range(5)]


async def test_closed_store_opens_again(shared: SharedStore) -> None:
    await shared.save(TOKEN)
    await shared.aclose()
    await shared.aclose()
    assert await shared.load() == TOKEN


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 256, "☃" * 86])
async def test_name_that_no_database_can_store(shared: SharedStore, text: str) -> None:
    for arguments in ((text,), ("work", text)):
        with pytest.raises(ConfigError, match="expected at most 255 bytes of UTF-8, without NUL and surrogates"):
            await shared.save(TOKEN, *arguments)
        with pytest.raises(ConfigError, match=r"invalid (profile|account)"):
            await shared.load(*arguments)


async def test_longest_names(shared: SharedStore) -> None:
    names = ["☃" * 85, "".join(chr(33 + number % 90) for number in range(255))]
    await shared.save(TOKEN, *names)
    assert await shared.load(*names) == TOKEN


async def test_wrong_types(shared: SharedStore) -> None:
    wrong: Any = object()
    for call in (shared.load(wrong), shared.delete("a", wrong), shared.save(PLAIN, 7), shared.save("TOKEN-5")):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError, match=r"invalid (profile|account|token): expected a"):
            await call


@pytest.mark.parametrize("package", ["sqlalchemy", "aiosqlite", "greenlet", "asyncpg"])
def test_missing_package_of_a_database(monkeypatch: pytest.MonkeyPatch, package: str, tmp_path: Path) -> None:
    for name in ("sqlalchemy", "aiosqlite", "asyncpg"):
        require_package(name, "postgres")
    monkeypatch.setitem(sys.modules, package, None)
    extra, url = ("postgres", "postgres://h/n") if package == "asyncpg" else ("sql", f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(ConfigError, match=rf"run: pip install 'cloud66-async\[{extra}\]'"):
        SQLStore(url)


def test_missing_package_of_the_default_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(ConfigError, match=r"run: pip install 'cloud66-async\[sql\]'"):
        SQLStore()


async def test_missing_package_of_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    require_package("cryptography", "redis")
    for name in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"run: pip install 'cloud66-async\[redis\]'"):
        await RedisStore("redis://127.0.0.1:9").load()


def test_default_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("sqlalchemy", "aiosqlite", "platformdirs"):
        require_package(name, "sql")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    store = SQLStore()

    async def use() -> None:
        async with closing(store):
            await store.save(TOKEN)

    asyncio.run(use())
    [file] = tmp_path.rglob("cloud66.db")
    assert str(file) in repr(store)
    assert file.parent.name == "cloud66-async"
