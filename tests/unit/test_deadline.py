"""The caller's deadline is found, whoever set it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest
import uvloop

from cloud66_async import ServerError
from cloud66_async._core.deadline import inherit_deadlines, time_left

from ..support import Script, client, make_error

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@asynccontextmanager
async def anyio_deadline(seconds: float) -> AsyncGenerator[None]:
    with anyio.fail_after(seconds):
        yield


DEADLINES: dict[str, Callable[[float], AbstractAsyncContextManager[object]]] = {
    "asyncio": asyncio.timeout,
    "anyio": anyio_deadline,
}


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("outer", DEADLINES.values(), ids=DEADLINES)
@pytest.mark.parametrize("inner", DEADLINES.values(), ids=DEADLINES)
def test_shortest_deadline_counts(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    outer: Callable[[float], AbstractAsyncContextManager[object]],
    inner: Callable[[float], AbstractAsyncContextManager[object]],
) -> None:
    async def run() -> None:
        assert time_left() == float("inf")
        async with outer(1000):
            async with inner(100):
                assert 90 < time_left() < 101  # floating-point numbers round
            assert 900 < time_left() < 1001
            async with inner(5000):
                assert 900 < time_left() < 1001
        assert time_left() == float("inf")

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_wait_for_counts(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def measure(seconds: float = 0) -> float:
        return await asyncio.wait_for(measure(), seconds) if seconds else time_left()

    async def run() -> None:
        assert 90 < await measure(100) < 101
        assert 90 < await asyncio.wait_for(measure(1000), 100) < 101
        assert 90 < await asyncio.wait_for(measure(100), 1000) < 101
        async with asyncio.timeout(100):
            assert 90 < await measure(1000) < 101
        assert await asyncio.wait_for(measure(), None) == float("inf")
        assert time_left() == float("inf")

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


async def test_error_is_raised_instead_of_a_pause_beyond_wait_for() -> None:
    transport = Script(make_error(500, retry_after="30"))
    async with client(transport) as c66:
        with pytest.raises(ServerError):
            await asyncio.wait_for(c66.stacks.get("a"), 20)
    assert len(transport.requests) == 1


async def test_passed_deadline_does_not_hide_another() -> None:
    async with asyncio.timeout(100):
        with anyio.CancelScope() as scope:
            scope.cancel()
            assert 90 < time_left() < 101


@pytest.mark.parametrize("outer", DEADLINES.values(), ids=DEADLINES)
@pytest.mark.parametrize("inner", DEADLINES.values(), ids=DEADLINES)
async def test_task_that_works_for_others_has_their_deadlines(
    outer: Callable[[float], AbstractAsyncContextManager[object]],
    inner: Callable[[float], AbstractAsyncContextManager[object]],
) -> None:
    loop = asyncio.get_running_loop()

    async def measure() -> float:
        return time_left()

    async def delegate() -> float:
        async with inner(1000):
            return await inherit_deadlines().run(loop.create_task, measure())

    assert 900 < await delegate() < 1001
    async with outer(100):
        assert 90 < await inherit_deadlines().run(loop.create_task, delegate()) < 101
        without_deadline = inherit_deadlines()
    if outer is asyncio.timeout:  # anyio does not tell when a scope has ended
        assert await without_deadline.run(loop.create_task, measure()) == float("inf")


async def test_ended_block_without_end_and_other_task_do_not_count() -> None:
    async with asyncio.timeout(100) as ended:
        vars(ended)  # its attributes are in a dictionary now
        assert time_left() < 101

        async def other() -> float:
            return time_left()

        assert await asyncio.create_task(other()) == float("inf")
    async with asyncio.timeout(None):
        assert time_left() == float("inf")
    assert ended.when() is not None


@pytest.mark.parametrize("deadline", DEADLINES.values(), ids=DEADLINES)
async def test_error_is_raised_instead_of_a_pause_beyond_the_deadline(
    deadline: Callable[[float], AbstractAsyncContextManager[object]],
) -> None:
    transport = Script(make_error(500, retry_after="30"))
    async with client(transport) as c66:
        with pytest.raises(ServerError):
            async with deadline(20):
                await c66.stacks.get("a")
    assert len(transport.requests) == 1
