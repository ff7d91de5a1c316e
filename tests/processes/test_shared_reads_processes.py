"""Shared reads of several processes, with a real Redis and a sandbox that is served over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cloud66_async.sandbox import FakeStack, SandboxServer

from .reader import readers
from .servers import RedisServer, require_package

LATENCY = 0.2


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    require_package("starlette", "sandbox")
    with SandboxServer(latency=LATENCY) as server:
        server.fake.add_stack("web")
        yield server


def stack_of(server: SandboxServer) -> FakeStack:
    """Return the only stack."""
    (stack,) = server.fake.world.stacks.values()
    return stack


def names(server: SandboxServer) -> tuple[str, str]:
    """Return a new token and the uid of the stack."""
    return server.fake.add_token().reveal(), stack_of(server).uid


async def test_hundred_equal_reads_of_four_processes_are_one_request(
    redis_server: RedisServer, server: SandboxServer
) -> None:
    token, stack = names(server)
    async with readers(4, server.url, redis_server.patient_url) as processes:
        ages = await asyncio.gather(*(process.read(token, stack, 25) for process in processes))
    assert server.fake.calls() == 1
    assert sum(age is None for group in ages for age in group) == 1


async def test_two_users_make_two_requests(redis_server: RedisServer, server: SandboxServer) -> None:
    token, stack = names(server)
    other, _ = names(server)
    async with readers(4, server.url, redis_server.patient_url) as processes:
        users = (token, other, token, other)
        await asyncio.gather(*(process.read(user, stack, 10) for process, user in zip(processes, users, strict=True)))
    assert server.fake.calls() == 2


async def test_write_of_one_process_is_seen_by_the_others(redis_server: RedisServer, server: SandboxServer) -> None:
    token, stack = names(server)
    async with readers(2, server.url, redis_server.patient_url) as (first, second):
        assert await second.name(token, stack) == "web"
        stack_of(server).change({"name": "renamed"})
        assert await second.name(token, stack) == "web"  # kept
        await first.redeploy(token, stack)
        assert await second.name(token, stack) == "renamed"
        assert await first.name(token, stack) == "renamed"
    assert server.fake.calls("stacks.get") == 2


async def test_process_that_is_killed_delays_the_others_for_its_lease(
    redis_server: RedisServer, server: SandboxServer
) -> None:
    token, stack = names(server)
    server.fake.faults.slow(3600, operation="stacks.get")  # the first request never ends
    async with readers(3, server.url, redis_server.patient_url) as (leader, *others):
        leading = asyncio.create_task(leader.read(token, stack))
        while server.fake.faults.unused():
            await asyncio.sleep(0.01)
        waiting = [asyncio.create_task(process.read(token, stack, 5)) for process in others]
        await asyncio.sleep(LATENCY)
        await leader.kill()
        ages = await asyncio.gather(*waiting)
        # After 10 seconds, all of them would send requests.
        assert sum(age is None for group in ages for age in group) == 1
        leading.cancel()


async def test_processes_go_on_while_redis_is_gone(redis_server: RedisServer, server: SandboxServer) -> None:
    token, stack = names(server)
    async with readers(2, server.url, redis_server.patient_url) as processes:
        await asyncio.gather(*(process.read(token, stack) for process in processes))
        assert server.fake.calls() == 1
        redis_server.kill()
        ages = await asyncio.gather(*(process.read(token, stack, 3) for process in processes))
        assert ages == [[None] * 3] * 2
        redis_server.start()
        first, second = processes
        while await first.read(token, stack) == [None]:  # tries Redis once a second
            await asyncio.sleep(0.1)
        while await second.read(token, stack) == [None]:
            await asyncio.sleep(0.1)
        before = server.fake.calls()
        await asyncio.gather(*(process.read(token, stack, 5) for process in processes))
        assert server.fake.calls() <= before + 1
