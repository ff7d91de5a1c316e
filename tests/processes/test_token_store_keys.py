"""What a shared store of logins writes: nothing readable, bound to its row, and renewed with a new key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import ConfigError, Token
from cloud66_async.bulk import collect, values
from cloud66_async.integrations.redis.store import RedisStore
from cloud66_async.integrations.sealing import KEY_VARIABLE, Sealer
from cloud66_async.integrations.sql.store import SQLStore, _table

from .logins import NEW_KEY, OLD_KEY, OTHER_SITE, PLAIN, TOKEN, MakeStore, SharedStore, closing, factory
from .servers import RedisServer, require_package

FEW = 20
"""Calls at a time, so that none waits for a connection for seconds."""


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def make(request: pytest.FixtureRequest) -> MakeStore:
    return factory(request.param, request)


async def read_all(store: SharedStore) -> dict[str, bytes]:
    """Return what is stored for each profile."""
    if isinstance(store, RedisStore):
        client: Any = store._connection.client()
        return {key.decode().split(":")[-2]: await client.get(key) for key in await client.keys()}
    table = _table()
    return {row.profile: row.sealed for row in await store._database.fetch("read", table.select(), table)}


async def write(store: SharedStore, profile: str, sealed: bytes) -> None:
    """Replace what is stored for a profile, as someone without the key could."""
    if isinstance(store, RedisStore):
        client: Any = store._connection.client()
        await client.set(store._key(store._logins.site, profile, ""), sealed)
        return
    table = _table()
    await store._database.change("write", table.update().where(table.c.profile == profile).values(sealed=sealed), table)


async def test_rotation(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, OLD_KEY)
    old, elsewhere = make(), make(site=OTHER_SITE)
    names = [f"user-{number}" for number in range(450)]  # more than two pages
    async with closing(old, elsewhere):
        values(await collect(lambda name: old.save(Token(f"TOKEN-{name}"), name), names, limit=FEW))
        await old.save(TOKEN, "user-1", "7")
        await elsewhere.save(PLAIN)
        monkeypatch.setenv(KEY_VARIABLE, f"{NEW_KEY},{OLD_KEY}")
        both = make()
        async with closing(both):
            assert await both.load("user-0") == Token("TOKEN-user-0")
            assert await both.reseal() == 451
            monkeypatch.setenv(KEY_VARIABLE, NEW_KEY)
            new, new_elsewhere = make(), make(site=OTHER_SITE)
            async with closing(new, new_elsewhere):
                found = values(await collect(new.load, names, limit=FEW))
                assert found == [Token(f"TOKEN-{name}") for name in names]
                assert await new.load("user-1", "7") == TOKEN
                with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
                    await new_elsewhere.load()  # not "no login": the user would log in again, and again
        with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
            await old.load("user-0")
        assert await elsewhere.load() == PLAIN


async def test_logins_that_no_key_fits(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not keep others from being encrypted again, not even if they fill whole pages."""
    monkeypatch.setenv(KEY_VARIABLE, OLD_KEY)
    lost = make()
    async with closing(lost):
        values(await collect(lambda number: lost.save(PLAIN, f"a-{number}"), range(401), limit=FEW))
        monkeypatch.setenv(KEY_VARIABLE, NEW_KEY)
        new = make()
        async with closing(new):
            await new.save(TOKEN, "z")
            before = await read_all(new)
            with pytest.raises(ConfigError, match="cannot encrypt 401 logins again: no key in CLOUD66_STORE_KEY fits"):
                await new.reseal()
            after = await read_all(new)
            assert {name for name in before if before[name] != after[name]} == {"z"}


async def test_rotation_does_not_undo_a_change(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that is saved or deleted by another process between reading and writing."""
    store, other = make(), make()
    reseal = Sealer.reseal
    async with closing(store, other):
        for profile in ("deleted", "saved"):
            await store.save(TOKEN, profile)
        changes = await read_all(store)

        def change(sealer: Sealer, sealed: bytes) -> bytes | None:
            async def run() -> None:
                async with closing(other):
                    await other.delete("deleted")
                    await other.save(PLAIN, "saved")

            import threading

            thread = threading.Thread(target=asyncio.run, args=(run(),))
            thread.start()
            thread.join()
            return reseal(sealer, sealed)

        monkeypatch.setattr(Sealer, "reseal", change)
        assert await store.reseal() == 0
        assert await store.load("deleted") is None
        assert await store.load("saved") == PLAIN
        assert changes.keys() == {"deleted", "saved"}


async def test_rotation_of_a_site_with_special_characters(make: MakeStore) -> None:
    store, other = make(site="http://[::1]:8066"), make(site="http://127.0.0.1:8066/[::1]")
    async with closing(store, other):
        await store.save(TOKEN, "*", "[a]")
        await other.save(TOKEN)
        assert await store.reseal() == 1
        assert await store.load("*", "[a]") == TOKEN


async def test_swapped_rows_are_detected(make: MakeStore) -> None:
    store = make()
    async with closing(store):
        await store.save(TOKEN, "ann")
        await store.save(PLAIN, "bob")
        rows = await read_all(store)
        await write(store, "ann", rows["bob"])
        await write(store, "bob", rows["ann"])
        for profile in ("ann", "bob"):
            with pytest.raises(ConfigError, match="belongs to another entry: somebody has changed the store"):
                await store.load(profile)


async def test_damaged_row(make: MakeStore) -> None:
    store = make()
    async with closing(store):
        await store.save(TOKEN)
        for sealed in (b"", b"damaged", (await read_all(store))["default"][:-8]):
            await write(store, "default", sealed)
            with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
                await store.load()
        await write(store, "default", Sealer().seal(("login", "https://app.cloud66.com", "default", ""), {"a": 1}))
        with pytest.raises(ConfigError, match="invalid login of the profile 'default'"):
            await store.load()
        await store.save(PLAIN)
        assert await store.load() == PLAIN


async def test_key_of_another_variable(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", NEW_KEY)
    store, other = make(), make(key_variable="OTHER_KEY")
    async with closing(store, other):
        await other.save(TOKEN)
        assert await other.load() == TOKEN
        with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
            await store.load()


async def test_missing_key_stores_nothing(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    store = make()
    async with closing(store):
        with pytest.raises(ConfigError, match="CLOUD66_STORE_KEY is not set"):
            await store.save(TOKEN)
        assert await read_all(store) == {}
        assert await store.load() is None


async def test_nothing_readable_in_redis(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.patient_url)
    async with closing(store):
        await store.save(TOKEN, "ann@example.com", "7")
        client: Any = store._connection.client()
        [key] = await client.keys()
        assert key == b"cloud66:login:https%3A%2F%2Fapp.cloud66.com:ann@example.com:7"
        dumped = await client.dump(key) + await client.get(key)
        assert not any(secret in dumped for secret in (b"SHARED-TOKEN", b"redeploy", b"2030"))


async def test_nothing_readable_in_a_database(database_url: str) -> None:
    require_package("sqlalchemy", "sql")
    store = SQLStore(database_url)
    async with closing(store):
        await store.save(PLAIN, "ann")
        await store.save(TOKEN, "ann")
        table = _table()
        [row] = await store._database.fetch("read", table.select(), table)
        assert row[:3] == ("https://app.cloud66.com", "ann", "")
        shown = repr(tuple(row[:-1]))  # the microseconds of the last column, `changed`, can contain 2030
        assert not any(secret in shown for secret in ("SHARED-TOKEN", "redeploy", "2030"))
        if database_url.startswith("sqlite"):
            folder = Path(database_url.removeprefix("sqlite:///")).parent
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            assert files.keys() == {"cloud66.db", "cloud66.db-wal", "cloud66.db-shm"}
            assert b"ann" in files["cloud66.db-wal"]
            for content in files.values():
                assert not any(secret in content for secret in (b"SHARED-TOKEN", b"redeploy", b"2030"))
