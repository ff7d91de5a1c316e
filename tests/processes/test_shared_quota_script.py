"""The script of the shared quota does in Redis what the book of the tests does."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, cast

import pytest

from cloud66_async._core.book import Report
from cloud66_async.integrations.redis.connection import RedisConnection
from cloud66_async.integrations.redis.quota import RedisBook

from .fake_book import FakeBook
from .servers import RedisServer

OWNERS = ("a", "b", "c")
HOUR = 1


@dataclass
class State:
    """What one process says of itself."""

    sequence: int = 0
    generation: int = 0
    remaining: int | None = None


def next_report(state: State, owner: str, choose: random.Random) -> Report:
    """Return a plausible report. It may be late."""
    state.sequence += choose.choice((0, 1, 1, 1, 1))
    if choose.random() < 0.1:
        state.generation, state.remaining = state.generation + 1, choose.randint(0, 60)
    elif choose.random() < 0.7:
        state.remaining = choose.randint(0, 60)
    return Report(
        owner=owner,
        sequence=state.sequence,
        held=choose.choice((0, 0, 1, 5, 20)),
        want=choose.choice((0, 1, 16)),
        reserve=choose.choice((0, 0, 5)),
        generation=state.generation,
        limit=choose.choice((None, 60)),
        remaining=state.remaining,
    )


@pytest.mark.parametrize("seed", range(5))
async def test_script_grants_what_the_book_of_the_tests_grants(redis_server: RedisServer, seed: int) -> None:
    choose = random.Random(seed)
    connection = RedisConnection(redis_server.patient_url)
    # No process dies during the test: Redis has its own time.
    book, model = RedisBook(connection, "quota", share=4, margin=30, fresh=1e6), FakeBook(share=4, margin=30, fresh=1e6)
    states = {owner: State() for owner in OWNERS}
    for step in range(200):
        owner = choose.choice(OWNERS)
        report = next_report(states[owner], owner, choose)
        expected = model.apply(HOUR, report)
        assert await book.exchange(HOUR, report) == expected, (step, report)
        if choose.random() < 0.02:
            await connection.client().delete(f"quota:{HOUR}")
            model.pages.clear()
    await connection.aclose()


async def test_script_forgets_processes_that_do_not_call(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)
    book, model = RedisBook(connection, "quota", share=8, margin=0, fresh=5.0), FakeBook(fresh=5.0)
    client = cast("Any", connection.client())

    def report(owner: str, **values: int | None) -> Report:
        fields = {"sequence": 1, "held": 0, "want": 16, "reserve": 0, "generation": 0, "limit": 60, "remaining": 10}
        return Report(owner=owner, **{**fields, **values})  # type: ignore[arg-type]

    async def both(call: Report) -> Any:
        granted = await book.exchange(HOUR, call)
        assert granted == model.apply(HOUR, call)
        return granted

    await both(report("dead", held=10, want=0, remaining=None))
    assert (await both(report("b", held=0))).given == 0  # the other one may be alive
    held, sequence, _ = (await client.hget(f"quota:{HOUR}", "p:dead")).split()
    await client.hset(f"quota:{HOUR}", "p:dead", f"{int(held)} {int(sequence)} 1")  # it called long ago
    model.time = 100.0
    model.pages[HOUR].entries["b"] = model.pages[HOUR].entries["b"]._replace(called=100.0)
    granted = await both(report("b", sequence=2))
    assert (granted.given, granted.checks) == (1, True)  # some of its requests may have been counted
    assert (await both(report("c"))).given == 0
    granted = await both(report("b", sequence=3, remaining=4))
    assert (granted.given, granted.checks) == (1, False)
    assert (await both(report("c", sequence=2, remaining=None))).given == 1
    await connection.aclose()


async def test_book_expires(redis_server: RedisServer) -> None:
    connection = RedisConnection(redis_server.patient_url)
    book = RedisBook(connection, "quota", share=8, margin=0, fresh=10.0)
    await book.exchange(HOUR, Report("a", 1, 0, 1, 0, 0, None, None))
    seconds = await cast("Any", connection.client()).ttl(f"quota:{HOUR}")
    assert 7190 <= seconds <= 7200
    await connection.aclose()
