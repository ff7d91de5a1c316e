"""The servers of the tests themselves."""

from __future__ import annotations

import pytest

from cloud66_async import StoreError
from cloud66_async.integrations.redis.connection import RedisConnection
from cloud66_async.integrations.sealing import Sealer
from cloud66_async.integrations.sql.database import Database

from .servers import RedisServer


async def test_redis(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)
    with connection.errors("count"):
        assert await connection.client().incr("number") == 1
    redis_server.stop()
    with pytest.raises(StoreError, match=r"cannot count: Redis at redis://127.0.0.1:\d+/0"), connection.errors("count"):
        await connection.client().incr("number")
    redis_server.start()
    assert await connection.client().incr("number") == 1
    await connection.aclose()


async def test_database(database_url: str) -> None:
    import sqlalchemy as sa

    table = sa.Table(
        "numbers", sa.MetaData(), sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.Integer)
    )
    database = Database(database_url)
    for value in (1, 2):
        async with database.begin("save", table) as connection:
            await connection.execute(database.upsert(table, {"name": "a", "value": value}))
    async with database.begin("load", table) as connection:
        assert (await connection.execute(sa.select(table))).all() == [("a", 2)]
    await database.aclose()


def test_sealing() -> None:
    sealer = Sealer()
    assert sealer.open(("a", "b"), sealer.seal(("a", "b"), {"x": 1})) == {"x": 1}
