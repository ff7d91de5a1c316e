"""Shared stores of logins whose server is down, frozen, restarted, or refuses them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cloud66_async import StoreError, Token
from cloud66_async.integrations.redis.store import RedisStore
from cloud66_async.integrations.sql.store import SQLStore

from .conftest import STORE_KEY
from .logins import PLAIN, TOKEN, closing
from .servers import PostgresServer, RedisServer

WRONG_PASSWORD = "WRONG-PASSWORD-1"
HANG_GUARD = 30  # seconds; no test waits for it


@pytest.fixture
def own_postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server that runs again at the end."""
    yield postgres_server
    if not postgres_server.is_running:
        postgres_server.start()


async def test_redis_that_stops_and_starts_again(persistent_redis: RedisServer) -> None:
    store = RedisStore(persistent_redis.patient_url)
    async with closing(store):
        await store.save(TOKEN)
        persistent_redis.kill()
        for call in (store.load, store.delete, lambda: store.save(PLAIN), store.reseal):
            with pytest.raises(StoreError, match=r"cannot .* logins?.*: Redis at redis://127.0.0.1:\d+/0 failed \("):
                await call()
        persistent_redis.start()
        assert await store.load() == TOKEN
        await store.save(PLAIN)
        assert await store.load() == PLAIN


@pytest.mark.parametrize("tasks", [1, 40])
async def test_frozen_redis(redis_server: RedisServer, tasks: int) -> None:
    """A command gives up after half a second. With more tasks than connections, the others wait for one."""
    store = RedisStore(redis_server.url)
    async with closing(store):
        await store.save(TOKEN)
        redis_server.freeze()
        started = time.monotonic()
        results = await asyncio.gather(*(store.load() for _ in range(tasks)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreError}
        assert time.monotonic() - started < HANG_GUARD
        redis_server.thaw()
        assert await store.load() == TOKEN


async def test_redis_refuses_the_password(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.patient_url.replace("//", f"//ann:{WRONG_PASSWORD}@"))
    async with closing(store):
        with pytest.raises(StoreError, match="AuthenticationError: invalid username-password pair") as caught:
            await store.load()
    assert WRONG_PASSWORD not in repr(caught.value) + repr(store)


async def test_redis_without_memory(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.patient_url)
    async with closing(store):
        await store.save(TOKEN)
        client: Any = store._connection.client()
        await client.config_set("maxmemory", "1")
        try:
            with pytest.raises(StoreError, match="OutOfMemoryError"):
                await store.save(PLAIN)
        finally:
            await client.config_set("maxmemory", "0")
        assert await store.load() == TOKEN


@pytest.mark.parametrize("kind", ["stop", "kill"])
async def test_postgres_that_stops_and_starts_again(own_postgres: PostgresServer, kind: str) -> None:
    store = SQLStore(own_postgres.create_database())
    async with closing(store):
        await asyncio.gather(*(store.save(TOKEN) for _ in range(20)))  # on several connections
        getattr(own_postgres, kind)()
        for _ in range(3):
            for call in (store.load, store.delete, lambda: store.save(PLAIN), store.reseal, store.create):
                with pytest.raises(
                    StoreError, match=r"cannot .*: the database postgresql://127.0.0.1:\d+/test_\d+ failed"
                ):
                    await call()
        own_postgres.start()
        assert await store.load() == TOKEN
        assert set(await asyncio.gather(*(store.load() for _ in range(20)))) == {TOKEN}


async def test_postgres_that_restarted_while_nobody_looked(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that were idle for more than a second are tested before use, so no call fails."""
    store = SQLStore(own_postgres.create_database())
    async with closing(store):
        await asyncio.gather(*(store.save(TOKEN) for _ in range(20)))
        own_postgres.stop()
        own_postgres.start()
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 5)
        assert set(await asyncio.gather(*(store.load() for _ in range(20)))) == {TOKEN}


async def test_frozen_postgres(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server process of the connection is stopped: the statement gives up, and so does closing."""
    from cloud66_async.integrations.sql import engines

    monkeypatch.setattr(engines, "TIMEOUT", 0.5)
    store, other = (SQLStore(postgres_server.create_database()) for _ in range(2))
    async with closing(store, other):
        await store.save(TOKEN)
        from sqlalchemy import text

        [[process]] = await store._database.fetch("read", text("SELECT pg_backend_pid()"))
        os.kill(process, signal.SIGSTOP)
        try:
            async with asyncio.timeout(HANG_GUARD):
                with pytest.raises(StoreError, match="cannot load the login"):
                    await store.load()
        finally:
            os.kill(process, signal.SIGCONT)
        assert await store.load() == TOKEN


@pytest.mark.slow
async def test_frozen_postgres_and_many_tasks(postgres_server: PostgresServer) -> None:
    """All of them give up together, and not four after four."""
    from sqlalchemy import text

    store = SQLStore(postgres_server.create_database())
    async with closing(store):
        await store.save(TOKEN)
        await asyncio.gather(*(store.load() for _ in range(20)))
        statement = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        processes = [pid for (pid,) in await store._database.fetch("read", statement)]
        assert len(processes) > 1
        postgres_server.freeze()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            async with asyncio.timeout(HANG_GUARD):  # seconds; four after four would take 50
                results = await asyncio.gather(*(store.load() for _ in range(40)), return_exceptions=True)
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
            postgres_server.thaw()
        assert {type(result) for result in results} == {StoreError}
        assert await store.load() == TOKEN


async def test_postgres_refuses_the_password(postgres_server: PostgresServer) -> None:
    url = postgres_server.url().replace(PostgresServer.PASSWORD, WRONG_PASSWORD)
    store = SQLStore(url)
    async with closing(store):
        for call in (store.load, store.create):
            with pytest.raises(StoreError, match="InvalidPasswordError: password authentication failed") as caught:
                await call()
            assert WRONG_PASSWORD not in repr(caught.value) + repr(store)


async def test_postgres_database_that_does_not_exist(postgres_server: PostgresServer) -> None:
    store = SQLStore(postgres_server.url("missing"))
    async with closing(store):
        with pytest.raises(StoreError, match='InvalidCatalogNameError: database "missing" does not exist'):
            await store.save(TOKEN)


async def test_table_that_was_dropped_is_created_again(database_url: str) -> None:
    from sqlalchemy import text

    store = SQLStore(database_url)
    async with closing(store):
        await store.save(TOKEN)
        await store._database.change("drop", text("DROP TABLE cloud66_logins"))
        with pytest.raises(StoreError, match=r"cannot save the login.*(UndefinedTableError|no such table)"):
            await store.save(TOKEN)
        await store.save(PLAIN)
        assert await store.load() == PLAIN


async def test_error_shows_neither_the_statement_nor_its_parameters(database_url: str) -> None:
    """The table of another program has the same name."""
    from sqlalchemy import text

    store = SQLStore(database_url)
    async with closing(store):
        await store._database.change("create", text("CREATE TABLE cloud66_logins (site VARCHAR(10))"))
        with pytest.raises(StoreError) as caught:
            await store.save(TOKEN, "ann@example.com")
        shown = f"{caught.value!r} {caught.value.__context__!r}"
        assert not any(part in shown for part in ("INSERT", "gAAAA", "ann@example.com", STORE_KEY, "SHARED-TOKEN"))
        assert caught.value.__context__ is None


async def test_cancelled_save_is_whole_or_not_at_all(database_url: str, redis_server: RedisServer) -> None:
    """Cancelled after each number of steps of the event loop. The connections work afterwards."""
    long = Token("9" * 5000)
    for store in (SQLStore(database_url), RedisStore(redis_server.patient_url)):
        async with closing(store):
            await store.save(TOKEN)
            seen: set[Token | None] = set()
            for steps in range(60):
                await store.save(TOKEN)
                task = asyncio.create_task(store.save(long))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                    raise asyncio.CancelledError  # it had ended
                seen.add(await store.load())
            assert seen <= {TOKEN, long}
            assert TOKEN in seen
            await asyncio.gather(*(store.save(PLAIN, str(number)) for number in range(40)))
            assert await store.load("39") == PLAIN
