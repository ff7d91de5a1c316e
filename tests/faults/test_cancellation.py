"""Cancellation at any time: nothing is lost, left running or mixed up."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from cloud66_async import Cloud66, Redeployment, Retry, each
from cloud66_async.sandbox.clock import FakeClock

from ..conftest import PoolName
from ..support import (
    TOKEN,
    ReceivedRequest,
    Script,
    client,
    iterations,
    make_error,
    make_response,
    packet,
    pages,
    tasks_left,
    wire,
)

UIDS = [f"s{number}" for number in range(12)]
FINISHED = {"id": 1, "finished_at": "2026-03-02T09:13:00Z", "finished_success": True}


class Slow(Script):
    """Transport that takes a few event loop iterations per request. Some requests fail and are retried."""

    def __init__(self) -> None:
        super().__init__(self.reply)
        self.numbers = itertools.count()

    async def reply(self, request: Any) -> Any:
        await iterations(3)
        target = request.target.removeprefix("/api/3")
        if next(self.numbers) % 5 == 3:
            return make_error(500)
        if target.startswith("/stacks.json"):
            return pages(*[[{"uid": uid}] for uid in UIDS[:6]])(request)
        if "/actions" in target:
            return make_response({"response": [FINISHED] if "page=" in target else FINISHED})
        return make_response({"response": {"uid": target.removeprefix("/stacks/").removesuffix(".json")}})


async def one(c66: Cloud66) -> Any:
    return [(await c66.stacks.get("s1")).uid]


async def bulk(c66: Cloud66) -> Any:
    async with c66.each(c66.stacks.get, UIDS, limit=4) as results:
        return sorted([result.item async for result in results])


async def collected(c66: Cloud66) -> Any:
    return [result.item for result in await c66.collect(c66.stacks.get, UIDS, limit=4)]


async def listed(c66: Cloud66) -> Any:
    return [stack.uid async for stack in c66.stacks.list()]


async def prefetched(c66: Cloud66) -> Any:
    async with c66.stacks.list().prefetch(3) as stacks:
        return [stack.uid async for stack in stacks]


async def many(c66: Cloud66) -> Any:
    return [stack.uid for stack in await c66.stacks.get_many(UIDS[:6])]


async def waiting(c66: Cloud66) -> Any:
    started = Redeployment(async_action_id=1, stack="a")
    return [(await c66.actions.wait(started)).id for _ in range(2)]


async def nested(c66: Cloud66) -> Any:
    async def inner(uid: str) -> int:
        return len(await c66.collect(c66.stacks.get, [uid, uid], limit=2))

    return [result.item for result in await c66.collect(inner, UIDS[:4], limit=2)]


KINDS: dict[str, tuple[Callable[[Cloud66], Awaitable[Any]], Any]] = {
    "one": (one, ["s1"]),
    "each": (bulk, sorted(UIDS)),
    "collect": (collected, UIDS),
    "list": (listed, UIDS[:6]),
    "prefetch": (prefetched, UIDS[:6]),
    "get_many": (many, UIDS[:6]),
    "wait": (waiting, [1, 1]),
    "nested": (nested, UIDS[:4]),
}
every_kind = pytest.mark.parametrize(("use", "expected"), KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    before = tasks_left()
    yield
    await iterations()
    assert tasks_left() <= before


class QuickClock(FakeClock):
    """Clock whose `sleep` advances the time and takes one event loop iteration."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.advance(seconds)


def slow_client() -> tuple[Slow, Cloud66]:
    transport = Slow()
    return transport, client(transport, clock=QuickClock(), limit=4, retry=Retry(attempts=3))


@every_kind
async def test_cancelled_after_any_number_of_iterations(
    use: Callable[[Cloud66], Awaitable[Any]], expected: Any
) -> None:
    transport, c66 = slow_client()
    count = -1
    finished = False
    while not finished:
        count += 1
        task = asyncio.ensure_future(use(c66))
        await iterations(count)
        finished = task.done()
        task.cancel()
        found = (await asyncio.gather(task, return_exceptions=True))[0]
        assert finished or isinstance(found, asyncio.CancelledError), f"after {count} iterations: {found!r}"
        await iterations(2)
        assert tasks_left() == set(), f"after {count} iterations"
        assert transport.in_flight == 0, f"after {count} iterations"
        if finished:
            assert found == expected
    assert count >= 4
    assert await use(c66) == expected
    assert c66._shared.limiter.free == c66._shared.limiter.limit
    await c66.aclose()


@every_kind
async def test_scope_cancelled_after_any_number_of_iterations(
    use: Callable[[Cloud66], Awaitable[Any]], expected: Any
) -> None:
    transport, c66 = slow_client()
    for count in itertools.count(0, 3):
        finished, found = False, None
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def end(scope: anyio.CancelScope = scope, count: int = count) -> None:
                    await iterations(count)
                    scope.cancel()

                group.start_soon(end)
                found = await use(c66)
                finished = True
                group.cancel_scope.cancel()
        await iterations(2)
        assert tasks_left() == set(), f"after {count} iterations"
        assert transport.in_flight == 0, f"after {count} iterations"
        if finished:
            assert found == expected
            break
        assert scope.cancelled_caught, f"after {count} iterations"
    assert c66._shared.limiter.free == c66._shared.limiter.limit
    await c66.aclose()


@every_kind
async def test_deadline_at_any_time_raises_the_builtin_timeout(
    use: Callable[[Cloud66], Awaitable[Any]], expected: Any
) -> None:
    """Reschedule the deadline, so that it passes after a given number of event loop iterations."""
    _, c66 = slow_client()
    loop = asyncio.get_running_loop()
    movers: list[asyncio.Task[None]] = []
    for count in range(0, 60, 4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:

                async def move(limit: asyncio.Timeout = limit, count: int = count) -> None:
                    await iterations(count)
                    limit.reschedule(loop.time() - 1)

                movers.append(asyncio.create_task(move()))
                while True:
                    assert await use(c66) == expected
        await iterations(2)
        assert tasks_left() == set()
    await c66.aclose()


async def test_client_works_after_many_cancellations(transport: PoolName) -> None:
    def reply(received: ReceivedRequest) -> bytes:
        uid = received.target.rpartition("/")[2].removesuffix(".json")
        return packet(b'{"response":{"uid":"%b"}}' % uid.encode())

    async with wire(reply) as server, Cloud66(TOKEN, url=server.url, pool=transport, limit=5) as c66:
        tasks = [asyncio.create_task(c66.stacks.get(f"t{number}")) for number in range(300)]
        for number, task in enumerate(tasks):
            if number % 3:
                await asyncio.sleep(0)
                task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for number, stack in enumerate(found):
            assert isinstance(stack, asyncio.CancelledError) or getattr(stack, "uid", None) == f"t{number}"
        after = await asyncio.gather(*(c66.stacks.get(f"u{number}") for number in range(100)))
        assert [stack.uid for stack in after] == [f"u{number}" for number in range(100)]
    assert server.connections <= 300


async def test_closing_fails_every_request_in_flight(transport: PoolName) -> None:
    async with wire(lambda _: b"") as server:
        c66 = Cloud66(TOKEN, url=server.url, pool=transport, limit=5, retry=Retry(attempts=1))
        tasks = [asyncio.create_task(c66.stacks.get(f"t{number}")) for number in range(20)]
        while len(server.received) < 5:
            await asyncio.sleep(0.001)
        await c66.aclose()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error).__name__ for error in found} <= {"TransportError", "ConnectionLost", "ConfigError", "ReadError"}
    assert sum(type(error).__name__ == "ConfigError" for error in found) == 15


# --- cancelled again while a block ends ----------------------------------------------------------


@pytest.mark.parametrize("error", [None, ValueError("from the block")], ids=["cancelled", "failed"])
async def test_block_waits_for_its_calls_when_it_is_cancelled_again(error: ValueError | None) -> None:
    ended: list[int] = []

    async def slow_to_end(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await iterations(20)
            ended.append(number)

    async def run() -> None:
        async with each(slow_to_end, range(3)):
            await iterations(3)
            if error is not None:
                raise error
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await iterations(5)
    for _ in range(3):
        task.cancel()
        await iterations(3)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert sorted(ended) == [0, 1, 2]
    assert error is None or caught.value.__context__ is error
