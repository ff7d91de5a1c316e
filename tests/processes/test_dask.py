"""The engine on Dask: a real scheduler and two worker processes, which are killed."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from cloud66_async import Cloud66, ConfigError, Failed, Ok, QuotaError, TransportError
from cloud66_async.cluster import EngineError, each, rollout
from cloud66_async.integrations.redis.claims import RedisClaims
from cloud66_async.integrations.sealing import KEY_VARIABLE
from cloud66_async.sandbox import SandboxServer

from .cluster_parts import (
    Result,
    client_id,
    collect,
    connect_with_quota,
    die,
    double,
    endless,
    own_error,
    restart,
    served,
    stack_name,
)
from .conftest import STORE_KEY
from .servers import RedisServer, require_package

if TYPE_CHECKING:
    from cloud66_async.integrations.dask import DaskEngine

# Workers start slowly on a busy machine.
pytestmark = pytest.mark.timeout(400)

STACKS = 400


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[SandboxServer, list[str]]]:
    require_package("distributed", "dask")
    with served(STACKS, latency=0.01) as found:
        yield found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    require_package("distributed", "dask")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, STORE_KEY)  # the workers encrypt results
        with start_cluster() as found:
            yield found


@pytest.fixture
async def doomed() -> AsyncGenerator[Any]:
    """Return a client of a cluster whose workers can be killed. On a busy machine, Dask may not replace them."""
    require_package("distributed", "dask")
    distributed: Any = import_module("distributed")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, STORE_KEY)
        with start_cluster() as cluster:
            async with distributed.Client(cluster.scheduler_address, asynchronous=True) as found:
                await found.wait_for_workers(2)
                yield found


def start_cluster(workers: int = 2) -> Any:
    distributed: Any = import_module("distributed")  # partly untyped
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=4, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    )


@pytest.fixture
async def client(cluster: Any) -> AsyncGenerator[Any]:
    distributed: Any = import_module("distributed")
    async with distributed.Client(cluster.scheduler_address, asynchronous=True) as found:
        await found.wait_for_workers(2)
        yield found


@pytest.fixture
async def engine(client: Any, server: tuple[SandboxServer, list[str]]) -> AsyncGenerator[DaskEngine]:
    from cloud66_async.integrations.dask import DaskEngine

    connect = partial(Cloud66, server[0].fake.add_token().reveal(), url=server[0].url)  # a token, for this test only
    found = DaskEngine(client, connect)
    await found.open()
    yield found
    await found.aclose()


async def kill_worker(client: Any) -> None:
    pids: dict[str, int] = await client.run(os.getpid)
    os.kill(next(iter(pids.values())), signal.SIGKILL)


async def test_each_item_has_one_result_and_each_process_one_client(engine: DaskEngine) -> None:
    assert engine.slots == 8
    results = await collect(each(engine, client_id, range(200), batch=5))
    assert Counter(result.item for result in results) == Counter(range(200))
    clients = {result.value for result in results if isinstance(result, Ok)}
    assert len(clients) == len({pid for pid, _ in clients}) == 2


async def test_killed_worker_loses_nothing(doomed: Any, server: tuple[SandboxServer, list[str]]) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    running, uids = server
    engine = DaskEngine(doomed, partial(Cloud66, running.fake.add_token().reveal(), url=running.url))
    found: Counter[str] = Counter()
    async with each(engine, stack_name, uids, batch=10) as results:
        async for result in results:
            assert isinstance(result, Ok), result
            found[result.item] += 1
            if found.total() == STACKS // 4:
                await kill_worker(doomed)
    assert found == Counter(uids)
    await engine.aclose()


async def test_killed_worker_doubles_no_write(doomed: Any, redis_server: RedisServer) -> None:
    claims = RedisClaims(redis_server.patient_url)
    with served(200, latency=0.01) as (server, uids):
        from cloud66_async.integrations.dask import DaskEngine

        own = DaskEngine(doomed, partial(Cloud66, server.fake.add_token().reveal(), url=server.url))
        found: list[Result] = []
        async with each(own, restart, uids, writes=True, batch=10, claims=claims) as results:
            async for result in results:
                found.append(result)
                if len(found) == 50:
                    await kill_worker(doomed)
        made = Counter(request.parameters["stack"] for request in server.fake.requests)
        await own.aclose()
    assert Counter(result.item for result in found) == Counter(uids)
    assert max(made.values()) == 1
    unknown = [result for result in found if isinstance(result, Failed)]
    assert all(isinstance(result.error, TransportError) and result.error.sent for result in unknown)
    assert {result.item for result in found if isinstance(result, Ok)} <= made.keys()
    assert len(unknown) <= 32  # those in flight in one worker
    await claims.aclose()


async def test_workers_share_the_quota(client: Any, redis_server: RedisServer) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    with served(400, hourly_limit=300) as (server, uids):
        token = server.fake.add_token().reveal()
        own = DaskEngine(client, partial(connect_with_quota, server.url, token, redis_server.patient_url))
        results = await collect(each(own, stack_name, uids, batch=10))
        assert server.request_count <= 300
        await own.aclose()
    assert 290 <= sum(isinstance(result, Ok) for result in results) <= 300
    refused = [result.error for result in results if isinstance(result, Failed)]
    assert len(refused) + 300 >= 400
    assert {type(error) for error in refused} == {QuotaError}


async def test_leaving_early_frees_the_workers(engine: DaskEngine) -> None:
    async with each(engine, endless, itertools.count(), batch=2):
        await asyncio.sleep(0.1)
    async with asyncio.timeout(240):
        assert len(await collect(each(engine, double, range(100), batch=1))) == 100


async def test_infinite_iterables(engine: DaskEngine) -> None:
    async with each(engine, double, itertools.count()) as results:
        found = {(await anext(results)).item for _ in range(500)}
    assert len(found) == 500


async def test_exceptions_reach_the_caller(engine: DaskEngine) -> None:
    with pytest.raises(LookupError, match="no a"):
        await collect(each(engine, own_error, ["a"]))


@pytest.mark.slow
async def test_item_whose_workers_all_die_is_given_up(server: tuple[SandboxServer, list[str]]) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    distributed: Any = import_module("distributed")
    connect = partial(Cloud66, server[0].fake.add_token().reveal(), url=server[0].url)
    config: Any = import_module("dask.config")
    # Two workers die. The third remains, whether or not Dask replaces the others.
    with config.set({"distributed.scheduler.allowed-failures": 1}), start_cluster(workers=3) as own:
        async with distributed.Client(own.scheduler_address, asynchronous=True) as client:
            engine = DaskEngine(client, connect)
            await client.wait_for_workers(3)
            (result,) = await collect(each(engine, die, [1]))
            assert isinstance(result, Failed)
            assert isinstance(result.error, EngineError)
            assert "several workers died" in str(result.error)
            assert len(await collect(each(engine, double, range(10)))) == 10


async def test_rollout(engine: DaskEngine, client: Any, redis_server: RedisServer) -> None:
    claims = RedisClaims(redis_server.patient_url)
    with served(6, action_seconds=0.5) as (server, uids):
        from cloud66_async.integrations.dask import DaskEngine

        own = DaskEngine(client, partial(Cloud66, server.fake.add_token().reveal(), url=server.url))
        results = await rollout(own, uids, claims=claims, at_once=3)
        assert server.fake.calls("stacks.redeploy") == 6
        await own.aclose()
    assert [str(result.state) for result in results] == ["succeeded"] * 6
    await claims.aclose()


async def test_client_that_cannot_be_created_is_told(client: Any) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    with pytest.raises(ConfigError, match="invalid URL"):
        await DaskEngine(client, partial(Cloud66, url="ftp://example.com")).open()


def test_synchronous_client_is_refused(cluster: Any) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    distributed: Any = import_module("distributed")
    with distributed.Client(cluster.scheduler_address) as client, pytest.raises(ConfigError, match="asynchronous=True"):
        DaskEngine(client)


async def test_task_that_was_cancelled_elsewhere_is_given_up(engine: DaskEngine, client: Any) -> None:
    distributed: Any = import_module("distributed")
    async with asyncio.timeout(240), each(engine, endless, [1]) as results:
        while not client.futures:
            await asyncio.sleep(0.01)
        await client.cancel([distributed.Future(key, client) for key in client.futures], force=True)
        result = await anext(results)
    assert isinstance(result, Failed)
    assert isinstance(result.error, EngineError)
    assert "cancelled" in str(result.error)


@pytest.mark.slow
async def test_workers_that_come_later_are_used(server: tuple[SandboxServer, list[str]]) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    distributed: Any = import_module("distributed")
    connect = partial(Cloud66, server[0].fake.add_token().reveal(), url=server[0].url)
    with start_cluster(workers=0) as own:
        async with distributed.Client(own.scheduler_address, asynchronous=True) as client:
            engine = DaskEngine(client, connect)
            async with each(engine, client_id, itertools.count(), batch=5) as results:
                assert engine.slots == 0
                own.scale(2)
                async with asyncio.timeout(240):
                    while engine.slots < 8:
                        assert isinstance(await anext(results), Ok)


@pytest.mark.slow
async def test_thousands_of_stacks_of_many_accounts(doomed: Any) -> None:
    from cloud66_async.integrations.dask import DaskEngine

    from .cluster_parts import of_account, served_accounts

    with served_accounts(accounts=20, stacks=2000, latency=0.05) as (server, pairs):
        own = DaskEngine(doomed, partial(Cloud66, server.fake.add_token().reveal(), url=server.url))
        found: Counter[tuple[int, str]] = Counter()
        async with each(own, of_account, pairs) as results:
            async for result in results:
                assert isinstance(result, Ok), result
                found[result.item] += 1
                if found.total() == 1000:
                    await kill_worker(doomed)
        await own.aclose()
    assert found == Counter(pairs)
