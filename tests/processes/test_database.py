"""Databases: transactions, URLs, and errors."""

from __future__ import annotations

import asyncio
import logging
import pickle
from importlib import import_module
from typing import Any
from urllib.parse import quote

import pytest

from cloud66_async import ConfigError, StoreError
from cloud66_async.integrations.sql.database import Database

from .logins import closing
from .servers import PostgresServer, require_package

require_package("sqlalchemy", "sql")
sa: Any = import_module("sqlalchemy")

ROLE_PASSWORD = "ROLE-p@ss:w/rd#1?% +ä"
TABLE = sa.Table(
    "numbers",
    sa.MetaData(),
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)
VALUE = sa.select(TABLE.c.value).where(TABLE.c.name == "a")


async def save(database: Database, value: int) -> int:
    return await database.change("save", database.upsert(TABLE, {"name": "a", "value": value}), TABLE)


async def load(database: Database) -> list[int]:
    return [value for (value,) in await database.fetch("load", VALUE, TABLE)]


async def test_statements_outside_of_transactions(database_url: str) -> None:
    database = Database(database_url)
    async with closing(database):
        assert await load(database) == []
        assert (await save(database, 1), await save(database, 2)) == (1, 1)
        assert await load(database) == [2]
        assert await database.change("delete", TABLE.delete().where(TABLE.c.value == 1), TABLE) == 0
        rows = await database.fetch("take", TABLE.delete().returning(TABLE.c.value), TABLE)
        assert [tuple(row) for row in rows] == [(2,)]
        assert await load(database) == []


async def test_replaces_a_row_only_under_a_condition(database_url: str) -> None:
    database = Database(database_url)
    async with closing(database):
        for value, changed in ((5, 1), (4, 0), (6, 1)):
            statement = database.upsert(TABLE, {"name": "a", "value": value}, where=TABLE.c.value < value)
            assert await database.change("save", statement, TABLE) == changed
        assert await load(database) == [6]


async def test_failed_transaction_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    async with closing(database):
        await save(database, 1)
        for error in (ValueError("by the caller"), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                async with database.begin("change", TABLE) as connection:
                    await connection.execute(TABLE.update().values(value=2))
                    raise error
        with pytest.raises(
            StoreError, match=r"cannot change: the database .* failed \((IntegrityError|UniqueViolation)"
        ) as caught:
            async with database.begin("change", TABLE) as connection:
                await connection.execute(TABLE.update().values(value=2))
                await connection.execute(TABLE.insert().values(name="a", value=3))
        assert caught.value.__suppress_context__
        assert await load(database) == [1]


async def test_transactions_that_read_and_then_write(database_url: str) -> None:
    """On SQLite, such a transaction would fail at once if another one wrote between its two statements."""
    databases = [Database(database_url), Database(database_url)]
    async with closing(*databases):
        await save(databases[0], 0)

        async def count(database: Database) -> None:
            async with database.begin("count", TABLE) as connection:
                found = (await connection.execute(VALUE.with_for_update())).scalar_one()
                await asyncio.sleep(0)
                await connection.execute(TABLE.update().values(value=found + 1))

        await asyncio.gather(*(count(database) for database in databases for _ in range(25)))
        assert await load(databases[0]) == [50]


@pytest.mark.slow
async def test_slow_statements_of_many_tasks_wait_for_each_other(postgres_url: str) -> None:
    """The last ones wait for longer than any limit. Each takes less, so the database responds all the time."""
    database = Database(postgres_url)
    async with closing(database):
        found = await asyncio.gather(*(database.fetch("sleep", sa.text("SELECT 1, pg_sleep(1.2)")) for _ in range(24)))
    assert [rows[0][0] for rows in found] == [1] * 24


async def test_many_statements_share_a_few_connections(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with closing(database):
        await asyncio.gather(*(save(database, number) for number in range(60)))
        [[connections]] = await database.fetch(
            "count", sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        )
        assert connections <= 4


async def test_log_of_sqlalchemy_has_no_parameters(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(database_url)
    with caplog.at_level(logging.INFO, logger="sqlalchemy.engine"):
        async with closing(database):
            await database.change("save", database.upsert(TABLE, {"name": "ann@example.com", "value": 1}), TABLE)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy.engine")]
    assert any(line.startswith("INSERT INTO numbers") for line in lines)
    assert not any("ann@example.com" in line for line in lines)


async def test_pickled_database(database_url: str) -> None:
    database = Database(database_url)
    async with closing(database):
        await save(database, 7)
        copy = pickle.loads(pickle.dumps(database))
        async with closing(copy):
            assert repr(copy) == repr(database)
            assert await load(copy) == [7]


async def test_driver_and_tls_parameters_of_other_programs(postgres_url: str) -> None:
    for url in (
        postgres_url.replace("postgresql", "postgres"),
        postgres_url.replace("postgresql", "postgresql+psycopg2") + "?sslmode=disable",
        postgres_url + "?ssl=prefer",
    ):
        database = Database(url)
        async with closing(database):
            assert await save(database, 1) == 1
    database = Database(postgres_url + "?sslmode=require")
    async with closing(database):
        with pytest.raises(StoreError, match="SSL"):
            await load(database)
    database = Database(postgres_url + "?sslmode=nonsense")
    async with closing(database):
        with pytest.raises(StoreError, match="sslmode"):
            await load(database)


async def test_password_with_special_characters(postgres_server: PostgresServer) -> None:
    admin = Database(postgres_server.create_database())
    async with closing(admin):
        password = ROLE_PASSWORD.replace("'", "''")
        await admin.change("create", sa.text(f"CREATE ROLE ann LOGIN PASSWORD '{password}'".replace(":w", "\\:w")))
        url = (
            admin.url.reveal()
            .replace("cloud66:", "ann:")
            .replace(PostgresServer.PASSWORD, quote(ROLE_PASSWORD, safe=""))
        )
        database = Database(url)
        async with closing(database):
            [[user]] = await database.fetch("ask", sa.text("SELECT current_user"))
            assert user == "ann"
            # Without the right to create tables: existing ones are used, and others reported.
            with pytest.raises(StoreError, match="InsufficientPrivilegeError: permission denied"):
                await database.create(TABLE)
            await admin.create(TABLE)
            await admin.change("grant", sa.text("GRANT ALL ON numbers TO ann"))
            assert await save(database, 1) == 1


def test_without_an_event_loop(database_url: str) -> None:
    coroutine = load(Database(database_url))
    with pytest.raises(ConfigError, match="no asyncio event loop is running; this package supports asyncio only"):
        coroutine.send(None)


async def test_host_that_does_not_exist() -> None:
    for host in ("a" * 70, "127.0.0.1"):
        database = Database(f"postgresql://ann@{host}:9/app")
        async with closing(database):
            with pytest.raises(StoreError, match=r"failed \((Unicode\w*Error|ConnectionRefusedError)"):
                await load(database)
