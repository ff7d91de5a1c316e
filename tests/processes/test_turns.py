"""Turns: many tasks, few connections, and a database that is slow or frozen."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async.integrations.sql.turns import Turns

from ..support import iterations


@pytest.mark.slow
async def test_tasks_wait_longer_than_the_limit_while_the_database_responds() -> None:
    turns, ended = Turns(2, 3.0), list[int]()

    async def use(number: int) -> None:
        async with turns.take():
            await asyncio.sleep(1.0)
            ended.append(number)

    await asyncio.gather(*(use(number) for number in range(10)))
    assert sorted(ended) == list(range(10))


async def test_tasks_give_up_if_nothing_responds() -> None:
    turns = Turns(1, 0.05)
    async with turns.take():
        results = await asyncio.gather(*(turns.take().__aenter__() for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {TimeoutError}
    assert str(results[0]) == "no connection was free, and no response came for 0.05 seconds"
    async with turns.take():
        pass


async def test_errors_and_cancellation_end_a_turn() -> None:
    turns = Turns(1, 60.0)
    for error in (ValueError(), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            async with turns.take():
                raise error

    async def use() -> None:
        async with turns.take():
            await asyncio.sleep(0)

    for steps in range(8):
        async with turns.take():
            waiting = asyncio.create_task(use())
            await iterations(steps // 2)
            if steps % 2:
                waiting.cancel()
        if steps % 2 == 0:
            waiting.cancel()
        await asyncio.wait([waiting])
        async with asyncio.timeout(60):
            await use()
