"""Claims: the stores in Redis and in a database, and what follows from an earlier claim."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

from cloud66_async import ConfigError, Failed, Ok, ResponseError, Secret, StoreError, Throttled, TransportError
from cloud66_async.cluster import Claim, Claims, EngineError, each
from cloud66_async.integrations.redis.claims import RedisClaims
from cloud66_async.integrations.sealing import KEY_VARIABLE, new_key
from cloud66_async.integrations.sql.claims import SQLClaims
from cloud66_async.resources import stacks
from cloud66_async.sandbox import FakeCloud66

from ..support import RecordingClock
from .cluster_parts import GivesUp, InProcess, MemoryClaims, Result, collect, in_process, missing, restart, unsendable
from .servers import RedisServer, require_package

# --- the stores ----------------------------------------------------------------------------------


@pytest.fixture(params=["redis", "sqlite", "postgresql"])
async def claims(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncGenerator[Claims]:
    """Each store in turn, empty."""
    found: Claims
    if request.param == "redis":
        found = RedisClaims(request.getfixturevalue("redis_server").patient_url)
    elif request.param == "sqlite":
        require_package("sqlalchemy", "sql")
        require_package("aiosqlite", "sql")
        found = SQLClaims(f"sqlite:///{tmp_path / 'claims.db'}")
    else:
        found = SQLClaims(request.getfixturevalue("postgres_url"))
    yield found
    await found.aclose()


async def test_claim_is_new_then_begun_then_done(claims: Claims) -> None:
    assert await claims.begin("run", 7, "mark") is None
    assert await claims.begin("run", 7, "other") == Claim("mark", None)
    await claims.finish("run", 7, "mark", b"result")
    assert await claims.begin("run", 7, "other") == Claim("mark", b"result")
    assert await claims.begin("run", 8, "mark") is None
    assert await claims.begin("another", 7, "mark") is None
    await claims.withdraw("run", 7)
    assert await claims.begin("run", 7, "mark") is None


async def test_a_run_is_cleared_alone(claims: Claims) -> None:
    for run in ("a", "b"):
        for number in (1, 2):
            await claims.begin(run, number, "mark")
    await claims.clear("a")
    assert await claims.begin("a", 1, "mark") is None
    assert await claims.begin("b", 1, "mark") is not None


async def test_one_of_many_claims_is_new(claims: Claims) -> None:
    found = await asyncio.gather(*(claims.begin("run", 1, "mark") for _ in range(20)))
    assert found.count(None) == 1


async def test_copies_share_what_they_hold(claims: Claims) -> None:
    copied: Claims = pickle.loads(pickle.dumps(claims))
    assert repr(copied) == repr(claims)
    await claims.begin("run", 1, "mark")
    await copied.finish("run", 1, "mark", b"result")
    assert await claims.begin("run", 1, "mark") == Claim("mark", b"result")
    await copied.aclose()


async def test_the_key_is_checked_before_a_write(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = RedisClaims(redis_server.patient_url)
    await claims.begin("run", 1, "mark")
    await claims.finish("run", 1, "mark", b"result")
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    stranger = RedisClaims(redis_server.patient_url)
    with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
        await stranger.begin("run", 1, "mark")
    monkeypatch.delenv(KEY_VARIABLE)
    without = RedisClaims(redis_server.patient_url)
    with pytest.raises(ConfigError, match="CLOUD66_STORE_KEY is not set"):
        await without.begin("run", 2, "mark")
    assert await claims.begin("run", 2, "mark") is None  # a write that could not be noted was not claimed
    for store in (claims, stranger, without):
        await store.aclose()


async def test_results_are_encrypted_and_bound_to_their_item(redis_server: RedisServer) -> None:
    redis_module: Any = import_module("redis")  # partly untyped
    claims = RedisClaims(redis_server.patient_url)
    await claims.begin("run", 1, "mark")
    await claims.finish("run", 1, "mark", pickle.dumps(Secret("a-password-of-a-user")))
    with redis_module.Redis.from_url(redis_server.patient_url) as redis:
        (key,) = redis.keys()
        assert key == b"cloud66:claims:run"
        stored: Any = redis.hget(key, "1")
        assert b"a-password-of-a-user" not in stored
        assert b"Secret" not in stored
        left: Any = redis.pttl(key)
        assert 0 < left <= 7 * 24 * 3600 * 1000
        redis.hset(key, "2", stored)
    with pytest.raises(ConfigError, match="belongs to another entry"):
        await claims.begin("run", 2, "mark")
    await claims.aclose()


async def test_claims_in_a_database_expire(tmp_path: Any) -> None:
    require_package("sqlalchemy", "sql")
    clock = RecordingClock()
    claims = SQLClaims(f"sqlite:///{tmp_path / 'claims.db'}", lifetime=timedelta(hours=1), clock=clock)
    await claims.begin("run", 1, "mark")
    clock.time += timedelta(minutes=59)
    assert await claims.begin("run", 1, "mark") is not None
    clock.time += timedelta(minutes=2)
    assert await claims.begin("run", 1, "mark") is None
    await claims.aclose()


async def test_a_store_that_fails_is_told(redis_server: RedisServer) -> None:
    claims = RedisClaims(redis_server.patient_url)
    redis_server.stop()
    with pytest.raises(StoreError, match="cannot claim a write: Redis at redis://"):
        await claims.begin("run", 1, "mark")
    await claims.aclose()


async def test_nothing_is_written_without_the_store(redis_server: RedisServer, cloud66: FakeCloud66) -> None:
    uid = cloud66.add_stack("web").uid
    claims = RedisClaims(redis_server.patient_url)
    redis_server.stop()
    async with in_process(cloud66) as engine:
        (result,) = await collect(each(engine, "stacks.restart", [uid], claims=claims, run="run"))
    assert isinstance(result, Failed)
    assert isinstance(result.error, StoreError)
    assert cloud66.calls() == 0
    await claims.aclose()


# --- what follows from a claim -------------------------------------------------------------------


@pytest.fixture
def memory() -> MemoryClaims:
    return MemoryClaims()


async def writes(engine: InProcess, uids: list[str], claims: Claims, **options: Any) -> list[Result]:
    return await collect(each(engine, "stacks.restart", uids, claims=claims, **options))


def add_stacks(cloud66: FakeCloud66, count: int) -> list[str]:
    return [cloud66.add_stack(f"stack-{number}").uid for number in range(count)]


async def test_lost_results_are_kept_and_not_written_again(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 30)
    async with in_process(cloud66, lose=lambda _: 2) as engine:
        results = await writes(engine, uids, memory, batch=4)
    assert Counter(result.item for result in results) == Counter(uids)
    assert all(isinstance(result, Ok) and result.value.id for result in results)
    assert cloud66.calls("actions.run") == 30
    assert memory.held == {}  # a run without a name is forgotten


async def test_write_whose_end_is_unknown_is_told(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 8)
    cloud66.faults.slow(60, times=3, operation="actions.run")
    cloud66.clock.freeze()
    found: list[Result] = []
    async with in_process(cloud66) as engine, each(engine, "stacks.restart", uids, claims=memory) as results:
        async for result in results:
            found.append(result)
            if len(found) == 5:
                engine.kill()  # while three responses are outstanding
    unknown = [result.error for result in found if isinstance(result, Failed)]
    assert len(found) == 8
    assert len(unknown) == 3
    assert all(isinstance(error, TransportError) and error.sent for error in unknown)
    assert all("may have been made" in str(error) for error in unknown)
    assert cloud66.calls("actions.run") == 8


async def test_continued_run_writes_the_rest(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 20)
    async with in_process(cloud66, slots=1) as engine:
        async with each(engine, "stacks.restart", uids, claims=memory, run="nightly", batch=5) as results:
            first = [await anext(results) for _ in range(5)]
        results_again = await writes(engine, uids, memory, run="nightly", batch=5)
    assert len(results_again) == 20
    assert {result.item: result for result in first}.items() <= {r.item: r for r in results_again}.items()
    unknown = sum(isinstance(result, Failed) for result in results_again)
    assert 20 - unknown <= cloud66.calls("actions.run") <= 20


async def test_continued_run_needs_the_same_items(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 2)
    async with in_process(cloud66) as engine:
        await writes(engine, uids, memory, run="nightly")
        results = await writes(engine, uids[::-1], memory, run="nightly")
    assert all(isinstance(result, Failed) and isinstance(result.error, ConfigError) for result in results)
    assert "was another one before" in str(getattr(results[0], "error", ""))
    assert cloud66.calls() == 2


@pytest.mark.parametrize("function", [stacks.RESTART, "stacks.restart"])
async def test_write_that_was_certainly_not_made_is_tried_again(
    cloud66: FakeCloud66, memory: MemoryClaims, function: Any
) -> None:
    uids = add_stacks(cloud66, 1)
    cloud66.faults.throttle_until_next_hour()
    engine = InProcess(lambda: cloud66.client(retry=_once()))
    (result,) = await collect(each(engine, function, uids, claims=memory, run="nightly"))
    assert isinstance(result, Failed)
    assert isinstance(result.error, Throttled)
    cloud66.faults.clear()
    cloud66.clock.advance(3600)
    (result,) = await collect(each(engine, function, uids, claims=memory, run="nightly"))
    assert isinstance(result, Ok), result
    await engine.aclose()


def _once() -> Any:
    from ..support import ONCE

    return ONCE


async def test_error_that_may_hide_a_write_is_kept(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 1)
    cloud66.faults.fail(500, operation="actions.run")
    async with in_process(cloud66) as engine:
        for _ in range(2):
            (result,) = await writes(engine, uids, memory, run="nightly")
            assert isinstance(result, Failed)
            assert "500" in str(result.error)
    assert cloud66.calls("actions.run") == 1


async def test_every_error_of_a_function_is_kept(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    """It may have made other writes before the one that failed."""
    async with in_process(cloud66) as engine:
        for _ in range(2):
            (result,) = await collect(each(engine, missing, ["a"], writes=True, claims=memory, run="nightly"))
            assert isinstance(result, Failed)
            assert result.error.status == 404  # type: ignore[attr-defined]
    assert memory.held["nightly", 0][1] is not None


@pytest.mark.parametrize("after", [True, False])
async def test_given_up_writes_are_looked_up(cloud66: FakeCloud66, memory: MemoryClaims, after: bool) -> None:
    uids = add_stacks(cloud66, 3)
    engine = GivesUp(cloud66.client, after=after)
    results = await collect(each(engine, restart, uids, writes=True, claims=memory))
    assert len(results) == 3
    if after:
        assert all(isinstance(result, Ok) for result in results)
    else:
        assert all(isinstance(result, Failed) and isinstance(result.error, EngineError) for result in results)
    assert cloud66.calls("actions.run") == 3 * after
    await engine.aclose()


async def test_result_of_another_version_is_told(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 1)
    async with in_process(cloud66) as engine:
        await writes(engine, uids, memory, run="nightly")
        (key,) = memory.held
        memory.held[key] = (memory.held[key][0], b"cno_such_module\nName\n.")
        (result,) = await writes(engine, uids, memory, run="nightly")
    assert isinstance(result, Failed)
    assert isinstance(result.error, ResponseError)
    assert cloud66.calls("actions.run") == 1


async def test_store_that_fails_after_a_write_does_not_hide_it(
    cloud66: FakeCloud66, memory: MemoryClaims, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(MemoryClaims, "finish", fail)
    uids = add_stacks(cloud66, 1)
    async with in_process(cloud66) as engine:
        (result,) = await writes(engine, uids, memory, run="nightly")
    assert isinstance(result, Ok)
    assert "did not store the end of item 0 of the run nightly: gone" in caplog.text


async def test_value_that_cannot_be_stored_is_told(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    async with in_process(cloud66) as engine:
        with pytest.raises(Exception, match="lambda"):
            await collect(each(engine, unsendable, [1], writes=True, claims=memory))


# --- many processes ------------------------------------------------------------------------------


def _claim_all(claims: bytes, count: int, won: Any) -> None:
    async def claim() -> int:
        store: Claims = pickle.loads(claims)
        found = [await store.begin("run", number, "mark") for number in range(count)]
        await store.aclose()
        return found.count(None)

    won.put(asyncio.run(claim()))


async def test_each_claim_has_one_winner_in_many_processes(claims: Claims) -> None:
    context = multiprocessing.get_context("spawn")
    won = context.Queue()
    pickled = pickle.dumps(claims)
    processes = [context.Process(target=_claim_all, args=(pickled, 40, won)) for _ in range(3)]
    for process in processes:
        process.start()
    total = sum([await asyncio.to_thread(won.get, timeout=60) for _ in processes])
    for process in processes:
        await asyncio.to_thread(process.join)
    won.close()
    won.join_thread()
    assert total == 40
