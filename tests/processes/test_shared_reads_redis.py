"""Shared reads on a real Redis, in one process: what is stored, and what happens if Redis fails."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, NotFound
from cloud66_async.clock import Clock
from cloud66_async.integrations.redis.reads import RedisReads
from cloud66_async.integrations.sealing import KEY_VARIABLE, new_key
from cloud66_async.reads import MAX_BODY
from cloud66_async.resources import stacks
from cloud66_async.sandbox import FakeClock, FakeCloud66

from ..support import SECRET, TOKEN, Script, make_error, make_response
from .servers import RedisServer

WEB = make_response({"response": {"uid": "a", "name": "web", "redeploy_hook": f"https://example.com/{SECRET}"}})
READ = stacks.GET.bind(stack="a")


@asynccontextmanager
async def clients(
    redis: RedisServer,
    *replies: Any,
    count: int = 2,
    url: str | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> AsyncGenerator[tuple[list[Cloud66], Script]]:
    """Open clients that have these replies, each with shared reads of its own, as processes have."""
    transport = Script(*replies or (WEB,))
    url = url or redis.patient_url
    found = [
        Cloud66(TOKEN, transport=transport, shared_reads=RedisReads(url, **options), clock=clock) for _ in range(count)
    ]
    try:
        yield found, transport
    finally:
        for c66 in found:
            await c66.aclose()


def stored(redis: RedisServer) -> dict[bytes, bytes]:
    """Return everything that is in Redis."""
    module: Any = import_module("redis")  # partly untyped
    with module.Redis.from_url(redis.url) as client:
        return {key: client.get(key) for key in client.scan_iter()}


def forget(redis: RedisServer) -> None:
    """Let everything in Redis expire."""
    module: Any = import_module("redis")  # partly untyped
    with module.Redis.from_url(redis.url) as client:
        client.flushall()


def later(event: asyncio.Event, reply: Any = WEB) -> Any:
    """Return a reply that is sent when the event happens."""

    async def wait(_: object) -> Any:
        await event.wait()
        return reply

    return wait


# --- what is shared ------------------------------------------------------------------------------


async def test_response_is_kept_for_others(redis_server: RedisServer) -> None:
    async with clients(redis_server) as ((first, second), transport):
        own, shared = await first.send(READ), await second.send(READ)
        assert own.age is None
        assert shared.age is not None
        assert 0 <= shared.age < 5
        assert (shared.data, shared.raw, shared.request_id) == (own.data, own.raw, own.request_id)
        forget(redis_server)
        assert (await second.send(READ)).age is None
    assert len(transport.requests) == 2


async def test_clock_of_a_test_decides(redis_server: RedisServer) -> None:
    fake = FakeCloud66(clock=FakeClock())
    uid, token = fake.add_stack("web").uid, fake.add_token()
    reads = [RedisReads(redis_server.patient_url, seconds=60) for _ in range(2)]
    first, second = (Cloud66(token, transport=fake.transport(), shared_reads=shared) for shared in reads)
    async with first, second:
        await first.stacks.get(uid)
        fake.clock.advance(59)
        assert (await second.send(stacks.GET.bind(stack=uid))).age == 59.0
        fake.clock.advance(1)
        assert (await second.send(stacks.GET.bind(stack=uid))).age is None


async def test_waits_for_the_request_of_another(redis_server: RedisServer) -> None:
    sent = asyncio.Event()
    async with clients(redis_server, later(sent), clock=FakeClock(autojump=False)) as ((first, second), transport):
        leader = asyncio.create_task(first.send(READ))
        while not transport.requests:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(c66.send(READ)) for c66 in (first, second, second)]
        await asyncio.sleep(0.1)
        sent.set()
        assert (await leader).age is None
        assert [(await task).age for task in others] == [0.0] * 3
    assert len(transport.requests) == 1


async def test_large_bodies_are_not_stored(redis_server: RedisServer) -> None:
    large = make_response({"response": {"uid": "a", "name": "x" * MAX_BODY}})
    async with clients(redis_server, large) as (both, transport):
        for c66 in both:
            await c66.send(READ)
        assert max(map(len, stored(redis_server).values())) < 100
    assert len(transport.requests) == 2


async def test_error_lets_another_one_try(redis_server: RedisServer) -> None:
    sent = asyncio.Event()
    async with clients(redis_server, later(sent, make_error(404)), WEB) as ((first, second), transport):
        leader = asyncio.create_task(first.send(READ))
        while not transport.requests:
            await asyncio.sleep(0.001)
        other = asyncio.create_task(second.send(READ))
        await asyncio.sleep(0.05)
        sent.set()
        with pytest.raises(NotFound):
            await leader
        assert (await other).data.name == "web"
        assert (await first.send(READ)).age is not None
    assert len(transport.requests) == 2


@pytest.mark.parametrize("asking", [True, False], ids=["while it asks Redis", "while it waits for the response"])
async def test_cancelled_read_lets_another_one_try(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, asking: bool
) -> None:
    monkeypatch.setattr("cloud66_async.integrations.redis.reads._LEASE", 3600.0)
    replies = [WEB] if asking else [later(asyncio.Event()), WEB]
    async with clients(redis_server, *replies, wait=3600) as ((first, second), transport):
        leader = asyncio.create_task(first.send(READ))
        await asyncio.sleep(0)
        while not asking and not transport.requests:
            await asyncio.sleep(0.001)
        leader.cancel()
        assert (await second.send(READ)).data.name == "web"


async def test_lease_is_extended_for_slow_requests(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud66_async.integrations.redis.reads._LEASE", 1.0)
    sent = asyncio.Event()
    async with clients(redis_server, later(sent), clock=FakeClock(autojump=False)) as ((first, second), transport):
        leader = asyncio.create_task(first.send(READ))
        while not transport.requests:
            await asyncio.sleep(0.001)
        other = asyncio.create_task(second.send(READ))
        await asyncio.sleep(2.4)
        sent.set()
        assert (await leader).age is None
        assert (await other).age == 0.0
    assert len(transport.requests) == 1


async def test_wait_is_bounded(redis_server: RedisServer) -> None:
    async with clients(redis_server, later(asyncio.Event()), WEB, wait=0.2) as ((first, second), transport):
        leader = asyncio.create_task(first.send(READ))
        while not transport.requests:
            await asyncio.sleep(0.001)
        assert (await second.send(READ)).age is None
        leader.cancel()


async def test_writes_make_reads_obsolete(redis_server: RedisServer) -> None:
    async with clients(redis_server) as ((first, second), transport):
        await second.send(READ)
        await first.request("POST", "/x.json")
        assert (await second.send(READ)).age is None
        assert (await first.send(READ)).age is not None
    assert len(transport.requests) == 3


async def test_response_of_before_a_write_is_not_used_after_it(redis_server: RedisServer) -> None:
    sent = asyncio.Event()
    new = make_response({"response": {"uid": "a", "name": "new"}})
    async with clients(redis_server, later(sent), WEB, new) as ((first, second), transport):
        before = asyncio.create_task(first.send(READ))
        while not transport.requests:
            await asyncio.sleep(0.001)
        await second.request("POST", "/x.json")
        after = [asyncio.create_task(c66.send(READ)) for c66 in (first, second)]
        await asyncio.sleep(0.05)
        sent.set()
        assert (await before).data.name == "web"
        assert [(await task).data.name for task in after] == ["new", "new"]
        assert (await first.send(READ)).data.name == "new"


async def test_cancelled_write_makes_reads_obsolete(redis_server: RedisServer) -> None:
    async with clients(redis_server, WEB, later(asyncio.Event()), WEB) as ((first, second), transport):
        await second.send(READ)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await first.request("POST", "/x.json")
        assert (await second.send(READ)).age is None
    assert len(transport.requests) == 3


# --- what is stored ------------------------------------------------------------------------------


async def test_nothing_readable_is_stored(redis_server: RedisServer) -> None:
    async with clients(redis_server) as ((first, second), _):
        await first.send(READ)
        await second.using(user="ann@example.com").request("POST", "/stacks/a.json")
        found = stored(redis_server)
    everything = b" ".join([*found, *found.values()])
    assert len(found) == 2
    assert all(key.startswith(b"cloud66:reads:{") for key in found)
    for text in (TOKEN, SECRET, "web", "stacks", "ann", "example", "application/json"):
        assert text.encode() not in everything


async def test_swapped_values_are_not_used(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    module: Any = import_module("redis")  # partly untyped
    other = make_response({"response": {"uid": "b", "name": "other"}})
    async with clients(redis_server, WEB, other, WEB) as ((first, second), _):
        await first.send(READ)
        (mine,) = stored(redis_server)
        await first.send(stacks.GET.bind(stack="b"))
        (theirs,) = stored(redis_server).keys() - {mine}
        with module.Redis.from_url(redis_server.url) as redis:
            redis.set(mine, redis.get(theirs), px=60_000)
        for _ in range(2):
            assert (await second.send(READ)).data.name == "web"
    assert [record.message.partition(":")[0] for record in caplog.records if record.levelno >= logging.WARNING] == [
        "a shared response is not used"
    ]


async def test_value_of_another_key_is_not_used(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with clients(redis_server) as ((first, second), transport):
        await first.send(READ)
        monkeypatch.setenv(KEY_VARIABLE, new_key())
        assert (await second.send(READ)).age is None
    assert len(transport.requests) == 2
    assert "no key in CLOUD66_STORE_KEY fits" in caplog.text


async def test_missing_key_is_an_error_before_anything_is_sent(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    async with clients(redis_server, count=1) as ((c66,), transport):
        with pytest.raises(ConfigError, match="CLOUD66_STORE_KEY is not set"):
            await c66.send(READ)
    assert not transport.requests


# --- Redis fails ---------------------------------------------------------------------------------


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the beginning of each warning and of each later message."""
    return [record.message.partition(":")[0] for record in caplog.records if record.name == "cloud66_async"]


async def test_redis_that_is_gone_and_comes_back(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cloud66_async")
    async with clients(redis_server) as ((first, second), transport):
        await first.send(READ)
        redis_server.kill()
        responses = await asyncio.gather(*(second.send(READ) for _ in range(20)))
        assert {response.age for response in responses} == {None}
        assert len(transport.requests) == 21
        redis_server.start()
        while (await second.send(READ)).age is None:
            await asyncio.sleep(0.05)
    assert warnings(caplog) == ["reads are not shared until Redis works again", "reads are shared again"]


@pytest.mark.parametrize("count", [10, 100], ids=["fewer reads than connections", "more reads than connections"])
async def test_frozen_redis_costs_one_timeout_a_second(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    async with clients(redis_server, url=redis_server.url) as ((first, _), _):
        await first.send(READ)
        redis_server.freeze()
        try:
            await asyncio.gather(*(first.send(READ) for _ in range(count)))
            started, slow = time.monotonic(), 0
            while time.monotonic() - started < 3.0:
                slow += sum(await asyncio.gather(*(is_slow(first) for _ in range(5))))
                await asyncio.sleep(0.01)
        finally:
            redis_server.thaw()
    assert slow <= 5
    assert warnings(caplog) == ["reads are not shared until Redis works again"]


async def is_slow(c66: Cloud66) -> bool:
    """Read and return whether that took about as long as a timeout of Redis."""
    started = time.monotonic()
    await c66.send(READ)
    return time.monotonic() - started > 0.4


async def test_write_while_redis_is_gone_makes_reads_obsolete(redis_server: RedisServer) -> None:
    async with clients(redis_server, url=redis_server.url, seconds=3600) as ((first, _), transport):
        await first.send(READ)
        redis_server.freeze()
        try:
            await first.send(READ)  # fails, so Redis is not used for a second
        finally:
            redis_server.thaw()
        await first.request("POST", "/x.json")
        await asyncio.sleep(1.1)  # Redis is used again
        assert (await first.send(READ)).age is None
    assert len(transport.requests) == 4


# --- the object itself ---------------------------------------------------------------------------


async def test_pickles_without_the_key(redis_server: RedisServer) -> None:
    reads = RedisReads(redis_server.url, seconds=3, wait=4)
    data = pickle.dumps(reads)
    assert b"c3RvcmUga2V5" not in data
    copied = pickle.loads(data)
    assert repr(copied) == repr(reads) == f"RedisReads('{redis_server.url}', seconds=3, wait=4)"


def test_password_is_hidden() -> None:
    assert "hush" not in repr(RedisReads("redis://:hush@localhost:6379/0"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0}, "invalid seconds 0: must be between 0.1 and 3600 seconds"),
        ({"wait": -1}, "invalid wait -1: must be between 0.1 and 3600 seconds"),
        ({"prefix": "a b"}, "invalid prefix"),
    ],
)
def test_invalid_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=message):
        RedisReads("redis://localhost", **options)
