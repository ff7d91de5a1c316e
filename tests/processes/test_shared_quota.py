"""A quota in Redis, used by clients of one process over sockets."""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, QuotaError, Retry, Throttled
from cloud66_async.integrations.redis import RedisQuota
from cloud66_async.sandbox import FakeClock, FakeCloud66, SandboxServer

from .servers import RedisServer

START = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)


class Site:
    """A sandbox behind a socket, and clients of it that share a quota."""

    def __init__(self, server: SandboxServer, redis: RedisServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.stack = server.fake.add_stack("web").uid
        self.token = server.fake.add_token().reveal()
        self._redis = redis

    def client(self, *, token: str | None = None, user: str | None = None, **quota: Any) -> Cloud66:
        """Return a client with a quota of its own, as another process has it."""
        return Cloud66(
            token or self.token,
            url=self.server.url,
            clock=self.clock,
            limit=8,
            retry=Retry(attempts=1),
            when_exhausted="refuse",
            shared_quota=RedisQuota(self._redis.url, **quota),
            user=user,
        )

    async def use(self, c66: Cloud66, count: int = 1) -> None:
        """Send requests one by one."""
        for _ in range(count):
            await c66.stacks.get(self.stack)


@pytest.fixture
def site(redis_server: RedisServer) -> Iterator[Site]:
    clock = FakeClock(START, autojump=False)
    with SandboxServer(FakeCloud66(clock=clock, hourly_limit=300)) as server:
        yield Site(server, redis_server, clock)


@pytest.fixture
async def contents(redis_server: RedisServer) -> AsyncIterator[Any]:
    """Return a function that reads all keys and values."""
    redis: Any = import_module("redis.asyncio")  # partly untyped
    client = redis.Redis.from_url(redis_server.url)

    async def read() -> dict[bytes, dict[bytes, bytes]]:
        return {key: await client.hgetall(key) for key in await client.keys()}

    yield read
    await client.aclose()


async def test_clients_learn_from_each_other(site: Site) -> None:
    async with site.client() as first, site.client() as second:
        await site.use(first)
        await site.use(second)
        await site.use(second, 20)
        assert second.quota.remaining == 278
        await site.use(first, 17)
        assert first.quota.remaining == 261


async def test_quota_is_used_to_the_end(site: Site) -> None:
    async with site.client() as first, site.client() as second:
        with pytest.raises(QuotaError) as caught:
            while True:
                await site.use(first)
                await site.use(second)
        assert caught.value.retry_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
        assert site.server.request_count == 300
        site.clock.advance(3600)
        await site.use(first)
        await site.use(second)
        assert (first.quota.remaining, second.quota.remaining) == (299, 298)


async def test_throttled_client_stops_the_others(site: Site) -> None:
    async with site.client() as first, site.client() as second:
        await site.use(first, 2)
        await site.use(second, 2)
        for _ in range(296):
            site.server.fake._api._count(site.server.fake.provider.authenticate(f"Bearer {site.token}"))
        with pytest.raises(Throttled):
            await site.use(first)
        await asyncio.sleep(0)
        before = site.server.request_count
        with pytest.raises((QuotaError, Throttled)):
            await site.use(second, 16)
        with pytest.raises(QuotaError):
            await site.use(second)
        with pytest.raises(QuotaError):
            await site.use(first)
        assert site.server.request_count - before <= 1


async def test_redis_holds_no_token_and_no_name(site: Site, contents: Any) -> None:
    other = site.server.fake.add_token().reveal()
    async with site.client() as first, site.client(token=other, user="zoe@example.com") as second:
        await site.use(first)
        await site.use(second)
        stored = await contents()
    assert len(stored) == 2
    for secret in (site.token, other, "zoe", "example.com"):
        assert secret not in str(stored)
    assert all(key.startswith(b"cloud66:quota:") for key in stored)


async def test_tokens_of_one_user_share_a_quota(site: Site, contents: Any) -> None:
    other = site.server.fake.add_token().reveal()
    async with site.client(user="ada") as first, site.client(token=other, user="ada") as second:
        await site.use(first)
        await site.use(second, 2)
        assert second.quota.remaining == 297
        assert len(await contents()) == 1


async def test_other_servers_have_other_books(site: Site, redis_server: RedisServer, contents: Any) -> None:
    with SandboxServer(FakeCloud66(clock=site.clock)) as server:
        async with (
            site.client(user="ada") as first,
            Cloud66(
                server.fake.add_token(), url=server.url, clock=site.clock, user="ada",
                shared_quota=RedisQuota(redis_server.patient_url),
            ) as second,
        ):  # fmt: skip
            await site.use(first)
            await second.stacks.list()
            assert (first.quota.limit, second.quota.limit) == (300, 3600)
    assert len(await contents()) == 2


async def test_prefix(site: Site, contents: Any) -> None:
    async with site.client(prefix="mine") as c66:
        await site.use(c66)
        (key,) = await contents()
    assert key.startswith(b"mine:quota:")


@pytest.mark.parametrize("how", ["stop", "freeze"])
async def test_open_while_redis_is_gone(
    site: Site, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async with site.client() as c66:
        await site.use(c66)
        with caplog.at_level(logging.INFO, "cloud66_async"):
            (redis_server.stop if how == "stop" else redis_server.freeze)()
            async with asyncio.timeout(45):  # not half a second for each
                await site.use(c66, 100)
            (redis_server.start if how == "stop" else redis_server.thaw)()
            async with asyncio.timeout(60):
                while len(caplog.records) < 2:
                    await site.use(c66)
                    await asyncio.sleep(0.1)
            await site.use(c66)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "lost the shared quota" in caplog.messages[0]
    assert site.token not in caplog.text


@pytest.mark.parametrize("how", ["stop", "freeze"])
async def test_closed_while_redis_is_gone(site: Site, redis_server: RedisServer, how: str) -> None:
    (redis_server.stop if how == "stop" else redis_server.freeze)()
    async with site.client(when_unavailable="closed") as c66:
        async with asyncio.timeout(45):  # not half a second for each
            for _ in range(100):
                with pytest.raises(QuotaError, match="the shared quota cannot be reached"):
                    await site.use(c66)
        (redis_server.start if how == "stop" else redis_server.thaw)()
        async with asyncio.timeout(60):
            while not site.server.request_count:
                try:
                    await site.use(c66)
                except QuotaError:
                    await asyncio.sleep(0.1)
    assert site.server.request_count == 1


async def test_pickle(site: Site, redis_server: RedisServer) -> None:
    original = RedisQuota(redis_server.url, processes=2, lease=4, when_unavailable="closed", prefix="mine")
    copy = pickle.loads(pickle.dumps(original))
    assert copy.__reduce__()[1][1:] == original.__reduce__()[1][1:] == (2, 4, "closed", "mine")
    async with Cloud66(site.token, url=site.server.url, clock=site.clock, shared_quota=copy) as c66:
        await site.use(c66)


def test_one_quota_in_several_event_loops(site: Site, redis_server: RedisServer) -> None:
    quota = RedisQuota(redis_server.patient_url)

    async def run() -> int | None:
        async with Cloud66(site.token, url=site.server.url, clock=site.clock, shared_quota=quota) as c66:
            await site.use(c66, 3)
            return c66.quota.remaining

    async def in_threads() -> list[int | None]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, run()) for _ in range(2)))

    assert asyncio.run(run()) == 297
    assert asyncio.run(run()) == 294
    assert min(found for found in asyncio.run(in_threads()) if found is not None) == 288


async def test_hour_is_that_of_the_client(site: Site, contents: Any) -> None:
    async with site.client() as c66:
        await site.use(c66)
        site.clock.advance(timedelta(minutes=50).total_seconds())
        await site.use(c66)
        stored = await contents()
    hours = sorted(int(key.rpartition(b":")[2]) for key in stored)
    assert hours == [START.timestamp() // 3600, START.timestamp() // 3600 + 1]


async def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redis.asyncio", "redis.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    async with Cloud66("t", url="http://127.0.0.1:9", shared_quota=RedisQuota("redis://127.0.0.1:9")) as c66:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"run: pip install 'cloud66-async\[redis\]'"):
                await c66.stacks.list()


def test_invalid_arguments() -> None:
    url = "redis://:secret@localhost:1/0"
    assert "secret" not in repr(RedisQuota(url))
    for wrong in ({"processes": 0}, {"lease": 0}, {"lease": 100_000}):
        with pytest.raises(ValueError, match="invalid"):
            RedisQuota(url, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="invalid when_unavailable: must be 'open' or 'closed'"):
        RedisQuota(url, when_unavailable="maybe")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="invalid prefix"):
        RedisQuota(url, prefix="a b")
    with pytest.raises(ConfigError):
        RedisQuota("http://localhost")
