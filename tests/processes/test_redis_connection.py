"""Connections to Redis: how many, in which event loop, and after cancellation."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from cloud66_async import ConfigError, StoreError
from cloud66_async.integrations.redis.connection import RedisConnection

from .logins import closing
from .servers import RedisServer


def client_of(connection: RedisConnection) -> Any:
    return connection.client()


async def test_many_commands_share_a_few_connections(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)
    async with closing(connection):
        client = client_of(connection)
        with connection.errors("count"):
            await asyncio.gather(*(client.incr("number") for _ in range(500)))
            assert await client.get("number") == b"500"
            assert len(await client.client_list()) <= 16


async def test_cancelled_commands_leave_the_connections_usable(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)
    async with closing(connection):
        client = client_of(connection)

        async def use(number: int) -> bytes:
            await client.set(f"key-{number}", f"value-{number}")
            value: bytes = await client.get(f"key-{number}")
            return value

        for steps in range(25):
            tasks = [asyncio.create_task(use(number)) for number in range(40)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert results[1::2] == [f"value-{number}".encode() for number in range(1, 40, 2)]
        with connection.errors("load"):
            assert await use(7) == b"value-7"
        assert not client.connection_pool._in_use_connections


async def test_each_event_loop_has_its_own_connections(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)

    async def use() -> int:
        async with closing(connection):
            await client_of(connection).incr("number")
            return id(client_of(connection))

    async with closing(connection):
        here = await client_of(connection).incr("number")
        others = [await asyncio.to_thread(asyncio.run, use()) for _ in range(3)]
        assert (here, await client_of(connection).incr("number")) == (1, 5)
        assert id(client_of(connection)) not in others


async def test_pickled_connection(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.url, timeout=3)
    async with closing(connection):
        await client_of(connection).incr("number")
        copy = pickle.loads(pickle.dumps(connection))
        async with closing(copy):
            assert repr(copy) == repr(connection) == f"RedisConnection({redis_server.url!r})"
            assert await client_of(copy).incr("number") == 2
            assert client_of(copy).connection_pool.connection_kwargs["socket_timeout"] == 3


@pytest.mark.parametrize(("query", "seconds"), [("", 0.5), ("?socket_timeout=2&socket_connect_timeout=2", 2)])
async def test_timeouts(redis_server: RedisServer, query: str, seconds: float) -> None:
    """A frozen server delays a command by the first one; parameters of the URL replace it."""
    connection = RedisConnection(redis_server.url + query)
    async with closing(connection):
        settings = client_of(connection).connection_pool.connection_kwargs
        assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (seconds, seconds)
        assert settings["retry"].get_retries() == 0


async def test_host_that_does_not_exist(redis_server: RedisServer) -> None:
    for host in ("a" * 70, "127.0.0.1"):
        connection = RedisConnection(f"redis://{host}:9/0")
        async with closing(connection):
            with pytest.raises(StoreError, match=r"failed \((UnicodeError|ConnectionError)"), connection.errors("load"):
                await client_of(connection).get("a")


async def test_message_of_the_server_is_shown_on_one_line(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)
    async with closing(connection):
        with pytest.raises(StoreError) as caught, connection.errors("run"):
            await client_of(connection).eval("return redis.error_reply('first\u202e\\x1b[31m line\\nsecond line')", 0)
        assert "\x1b" not in str(caught.value)
        assert "\u202e" not in str(caught.value)
        assert caught.value.__suppress_context__


def test_without_an_event_loop(redis_server: RedisServer) -> None:
    with pytest.raises(ConfigError, match="no asyncio event loop is running"):
        RedisConnection(redis_server.url).client()
