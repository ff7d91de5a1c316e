"""Session stores: the same table of tests for the store in memory, Redis, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloud66_async import ConfigError, Secret, StoreError, Token
from cloud66_async.integrations.redis import RedisSessions
from cloud66_async.integrations.sealing import KEY_VARIABLE, new_key
from cloud66_async.integrations.sql import SQLSessions
from cloud66_async.sandbox import FakeClock

from .conftest import STORE_KEY
from .servers import RedisServer, require_package

pytest.importorskip("starlette", reason="starlette is not installed; run: pip install 'cloud66-async[starlette]'")

from cloud66_async.integrations.starlette import MemorySessions, SharedSessionStore

TOKEN = Token("token-of-a-session", scopes=("public", "redeploy"), expires_at=datetime(2027, 1, 1, tzinfo=UTC))
SESSION_ID_SECRET = "session-id-of-a-user"
HOUR = timedelta(hours=1)
CLIENTS = 8
ROUNDS = 50

Open = Callable[[], SharedSessionStore]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "redis", "sqlite", "postgresql"])
async def open_store(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Open]:
    """Return a function that returns a store as another process would open it: with connections of its own."""
    memory = MemorySessions(clock=clock)
    opened: list[RedisSessions | SQLSessions] = []
    urls: dict[str, Callable[[], str]] = {
        "memory": lambda: "",
        "redis": lambda: request.getfixturevalue("redis_server").patient_url,
        "sqlite": lambda: sqlite_url(request),
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
    }
    url = urls[request.param]()

    def open_one() -> SharedSessionStore:
        if request.param == "memory":
            return memory
        opened.append(RedisSessions(url, clock=clock) if request.param == "redis" else SQLSessions(url, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.aclose()


def sqlite_url(request: pytest.FixtureRequest) -> str:
    for module in ("sqlalchemy", "aiosqlite"):
        require_package(module, "sql")
    return f"sqlite:///{request.getfixturevalue('tmp_path') / 'cloud66.db'}"


async def test_saved_token_is_complete(open_store: Open) -> None:
    await open_store().save("key", TOKEN, HOUR)
    store = open_store()
    found = await store.load("key")
    assert found is not None
    assert (found.reveal(), found.scopes, found.expires_at) == (TOKEN.reveal(), TOKEN.scopes, TOKEN.expires_at)
    assert await store.load("other") is None


async def test_saving_again_replaces_the_token(open_store: Open) -> None:
    store = open_store()
    await store.save("key", TOKEN, HOUR)
    await store.save("key", Token("second"), HOUR)
    assert await store.load("key") == Token("second")


async def test_deleted_session(open_store: Open) -> None:
    one, two = open_store(), open_store()
    await one.save("key", TOKEN, HOUR)
    assert await two.load("key") == TOKEN
    await one.delete("key")
    await one.delete("key")
    assert await two.load("key") is None


async def test_session_expires(open_store: Open, clock: FakeClock) -> None:
    store = open_store()
    await store.save("key", TOKEN, HOUR)
    clock.advance(3599)
    assert await store.load("key") == TOKEN
    clock.advance(1)
    assert await store.load("key") is None
    assert await store.take("key") is None


async def test_session_can_be_taken_once(open_store: Open) -> None:
    store = open_store()
    await store.save("key", TOKEN, HOUR)
    await store.save("other", Token("other"), HOUR)
    assert await store.take("key") == TOKEN
    assert await store.take("key") is None
    assert await store.load("other") == Token("other")


@pytest.mark.slow
async def test_one_of_several_processes_takes_a_session(open_store: Open) -> None:
    stores = [open_store() for _ in range(CLIENTS)]
    for number in range(ROUNDS):
        key = f"key {number}"
        await stores[0].save(key, TOKEN, HOUR)
        taken = await asyncio.gather(*(store.take(key) for store in stores))
        assert [token for token in taken if token is not None] == [TOKEN]


async def test_one_of_several_processes_claims_a_login(open_store: Open) -> None:
    stores = [open_store() for _ in range(CLIENTS)]
    for number in range(ROUNDS // 5):
        claimed = await asyncio.gather(*(store.claim(f"login {number}", HOUR) for store in stores))
        assert claimed.count(True) == 1


async def test_outcome_of_a_claim(open_store: Open, clock: FakeClock) -> None:
    one, two = open_store(), open_store()
    assert await two.outcome("login") is None
    assert await one.claim("login", HOUR)
    assert await two.outcome("login") is None
    await one.settle("login", Secret("done"), HOUR)
    assert await two.outcome("login") == Secret("done")
    assert not await two.claim("login", HOUR)
    clock.advance(3600)
    assert await two.outcome("login") is None


async def test_claims_and_sessions_are_separate(open_store: Open) -> None:
    store = open_store()
    await store.save("key", TOKEN, HOUR)
    assert await store.claim("key", HOUR)
    await store.settle("key", Secret("done"), HOUR)
    assert await store.take("key") == TOKEN
    assert await store.outcome("key") == Secret("done")


async def test_outcome_without_a_claim(open_store: Open) -> None:
    store = open_store()
    await store.settle("key", Secret("done"), HOUR)
    assert not await store.claim("key", HOUR)
    assert await store.outcome("key") == Secret("done")


@pytest.mark.parametrize("open_store", ["memory", "sqlite", "postgresql"], indirect=True)
async def test_expired_claim_can_be_claimed_again(open_store: Open, clock: FakeClock) -> None:
    # Redis lets claims expire by its own clock.
    stores = [open_store() for _ in range(CLIENTS)]
    assert await stores[0].claim("login", HOUR)
    clock.advance(3600)
    claimed = await asyncio.gather(*(store.claim("login", HOUR) for store in stores))
    assert claimed.count(True) == 1


# --- Redis and databases only --------------------------------------------------------------------

shared = pytest.mark.parametrize("open_store", ["redis", "sqlite", "postgresql"], indirect=True)


@shared
async def test_stored_values_are_encrypted(open_store: Open) -> None:
    store = open_store()
    await store.save("key", TOKEN, HOUR)
    await store.claim("login", HOUR)
    await store.settle("login", Secret(SESSION_ID_SECRET), HOUR)
    stored = await rows(store)
    assert len(stored) == 2
    for value in stored.values():
        assert TOKEN.reveal().encode() not in value
        assert SESSION_ID_SECRET.encode() not in value


@shared
async def test_sessions_cannot_be_swapped(open_store: Open) -> None:
    store = open_store()
    await store.save("one", Token("one"), HOUR)
    await store.save("two", Token("two"), HOUR)
    stored = await rows(store)
    names = sorted(stored)
    await write(store, names[0], stored[names[1]])
    with pytest.raises(ConfigError, match="belongs to another entry"):
        await store.load("one")
    assert await store.load("two") == Token("two")


@shared
async def test_another_key_is_an_error(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_store().save("key", TOKEN, HOUR)
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    with pytest.raises(ConfigError, match=KEY_VARIABLE):
        await open_store().load("key")
    monkeypatch.setenv(KEY_VARIABLE, f"{new_key()},{STORE_KEY}")
    assert await open_store().load("key") == TOKEN
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE} is not set"):
        await open_store().save("key", TOKEN, HOUR)


@shared
async def test_session_that_no_key_fits_can_be_ended(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_store().save("key", TOKEN, HOUR)
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    store = open_store()
    with pytest.raises(ConfigError):
        await store.take("key")
    assert await store.take("key") is None


async def test_expired_rows_are_deleted(database_url: str, clock: FakeClock) -> None:
    store = SQLSessions(database_url, clock=clock)
    for number in range(3):
        await store.save(f"old {number}", TOKEN, HOUR)
        assert await store.claim(f"old {number}", HOUR)
    clock.advance(3599)
    await store.save("new", TOKEN, HOUR)
    assert len(await rows(store)) == 7
    clock.advance(600)
    await store.save("newer", TOKEN, HOUR)
    assert len(await rows(store)) == 2
    clock.advance(3600)
    assert await store.claim("newest", HOUR)  # logins that are never finished must not fill the table
    assert len(await rows(store)) == 1
    await store.aclose()


async def test_redis_deletes_expired_sessions(redis_server: RedisServer) -> None:
    store = RedisSessions(redis_server.patient_url, prefix="site")
    await store.save("key", TOKEN, HOUR)
    await store.claim("login", HOUR)
    await store.settle("login", Secret("done"), HOUR)
    client = store._connection.client()
    for name in ("site:session:key", "site:login:login"):
        assert 3_590 < await client.ttl(name) <= 3_600
    await store.save("ended", TOKEN, timedelta(seconds=-1))
    assert await store.load("ended") is None
    await store.aclose()


async def test_redis_that_is_gone(redis_server: RedisServer) -> None:
    store = RedisSessions(redis_server.patient_url)
    await store.save("key", TOKEN, HOUR)
    redis_server.stop()
    uses: dict[str, Callable[[], Awaitable[object]]] = {
        "load the session": lambda: store.load("key"),
        "save the session": lambda: store.save("key", TOKEN, HOUR),
        "delete the session": lambda: store.delete("key"),
        "end the session": lambda: store.take("key"),
        "claim the login": lambda: store.claim("login", HOUR),
        "save the outcome of the login": lambda: store.settle("login", Secret(SESSION_ID_SECRET), HOUR),
        "load the outcome of the login": lambda: store.outcome("login"),
    }
    for action, use in uses.items():
        with pytest.raises(StoreError, match=f"cannot {action}: Redis at"):
            await use()
    redis_server.start()
    assert await store.load("key") is None
    await store.save("key", TOKEN, HOUR)
    assert await store.load("key") == TOKEN
    await store.aclose()


async def test_postgresql_that_is_gone(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    assert parts.password is not None
    store = SQLSessions(postgres_url.replace(f":{parts.port}/", ":9/"))
    with pytest.raises(StoreError, match="cannot load the session") as caught:
        await store.load("key")
    assert parts.password not in f"{caught.value} {store!r}"
    await store.aclose()


def test_passwords_are_not_shown() -> None:
    assert repr(RedisSessions("redis://user:pass-word@redis.example/0")) == "<RedisSessions at redis://redis.example/0>"
    require_package("asyncpg", "postgres")
    store = SQLSessions("postgresql://user:pass-word@database.example/sessions")
    assert repr(store) == "<SQLSessions at postgresql://database.example/sessions>"


# -------------------------------------------------------------------------------------------------


async def rows(store: Any) -> dict[str, bytes]:
    """Return what is stored: the encrypted values by their names."""
    if isinstance(store, RedisSessions):
        client: Any = store._connection.client()
        return {name.decode(): await client.get(name) for name in await client.keys("*")}
    sqlalchemy: Any = import_module("sqlalchemy")
    async with store._database.begin("read") as connection:
        found = await connection.execute(sqlalchemy.text("SELECT kind, key, sealed FROM cloud66_sessions"))
        return {f"{kind}:{key}": bytes(sealed) for kind, key, sealed in found}


async def write(store: Any, name: str, sealed: bytes) -> None:
    """Store a value under a name of `rows`."""
    if isinstance(store, RedisSessions):
        await store._connection.client().set(name, sealed)
        return
    sqlalchemy: Any = import_module("sqlalchemy")
    statement = sqlalchemy.text("UPDATE cloud66_sessions SET sealed = :sealed WHERE kind = :kind AND key = :key")
    kind, _, key = name.partition(":")
    async with store._database.begin("write") as connection:
        await connection.execute(statement, {"sealed": sealed, "kind": kind, "key": key})
