"""The limiter never loses or doubles a slot, whatever happens in which order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from cloud66_async._core.limiter import Limiter, SlowStart

from ..support import START

STEPS = ["start", "end", "succeed", "fail", "cancel", "throttle", "iterate", "start with the token", "end and cancel"]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 50)), max_size=80)


class Model:
    """Tasks that each hold a slot or wait for one, and a time that advances with each step."""

    def __init__(self, limit: int) -> None:
        self.limiter = Limiter(limit)
        self.slow_start = SlowStart(self.limiter, START)
        self.waiting: list[tuple[asyncio.Task[None], Limiter]] = []
        self.held: list[tuple[float, Limiter]] = []
        self.time = 0.0

    def start(self, limiter: Limiter) -> None:
        async def hold() -> None:
            await limiter.take(None)
            self.held.append((self.time, limiter))

        self.waiting.append((asyncio.create_task(hold()), limiter))

    def end(self, number: int) -> tuple[float, Limiter]:
        started, limiter = self.held.pop(number % len(self.held))
        limiter.release()
        return started, limiter

    def step(self, name: str, number: int) -> None:
        self.time += 1
        if name == "start":
            self.start(self.limiter)
        elif name == "start with the token":
            self.start(self.slow_start)
        elif name == "cancel" and self.waiting:
            self.waiting[number % len(self.waiting)][0].cancel()
        elif name == "end and cancel" and self.held:
            self.end(number)
            for task, _ in self.waiting:  # also the one that has just been granted the slot
                task.cancel()
        elif self.held and name in {"end", "succeed", "fail", "throttle"}:
            started, limiter = self.end(number)
            if name == "succeed":
                limiter.succeeded(started)
            elif name == "fail":
                self.limiter.failed(started, self.time)
            elif name == "throttle":
                self.slow_start.throttled(START + timedelta(seconds=1), started, self.time)

    def check(self) -> None:
        limiter, own = self.limiter, self.slow_start
        used = [each for _, each in self.held]
        assert 1 <= limiter.limit <= limiter.maximum
        assert 1 <= own.limit <= own.maximum
        assert limiter.reduced is (limiter.limit < limiter.maximum)
        assert min(limiter.free, limiter._excess, own.free, own._excess) >= 0
        assert not (limiter.free and limiter._excess)
        # Slots of the token in use may wait for one of the client.
        assert own.limit + own._excess - own.free >= used.count(own)
        assert limiter.limit + limiter._excess - limiter.free == len(used)


async def play(limit: int, actions: list[tuple[str, int]]) -> None:
    model = Model(limit)
    for name, number in actions:
        model.step(name, number)
        if name == "iterate":
            for _ in range(6):
                await asyncio.sleep(0)
            model.waiting = [each for each in model.waiting if not each[0].done()]
            model.check()
    while model.waiting or model.held:
        for _ in range(6):
            await asyncio.sleep(0)
        model.check()
        model.waiting = [(task, limiter) for task, limiter in model.waiting if not task.done()]
        assert model.held or not model.waiting, "tasks wait although every slot is free"
        if model.held:
            model.end(0)
    model.check()
    assert model.limiter.free == model.limiter.limit
    assert model.slow_start.free == model.slow_start.limit


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 6), steps)
def test_slots_are_neither_lost_nor_doubled(limit: int, actions: list[tuple[str, int]]) -> None:
    asyncio.run(play(limit, actions))


@given(st.integers(1, 64), st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_limit_is_halved_at_most_once_in_a_round_trip(limit: int, results: list[tuple[bool, int]]) -> None:
    limiter = Limiter(limit)
    reduced_at, now = float("-inf"), 0.0
    for success, age in results:
        now += 1
        before, started = limiter.limit, now - age - 0.5
        if success:
            limiter.succeeded(started)
            assert before <= limiter.limit <= min(before + 1, limit)
            if started <= reduced_at:
                assert limiter.limit == before
        else:
            limiter.failed(started, now)
            expected = max(before // 2, 1) if started > reduced_at else before
            assert limiter.limit == expected
            reduced_at = now if started > reduced_at else reduced_at


def test_limit_grows_by_one_in_a_round_trip_and_doubles_after_a_restart() -> None:
    def round_trips(limiter: Limiter, count: int) -> list[Any]:
        found: list[int] = []
        for _ in range(count):
            for _ in range(limiter.limit):
                limiter.succeeded(2.0)
            found.append(limiter.limit)
        return found

    limiter = Limiter(16)
    limiter.failed(0.0, 1.0)
    assert round_trips(limiter, 9) == [9, 10, 11, 12, 13, 14, 15, 16, 16]
    assert (limiter.reduced, limiter.free) == (False, 16)
    limiter.restart(1.0)
    assert round_trips(limiter, 5) == [2, 4, 8, 16, 16]
    assert (limiter.reduced, limiter.free) == (False, 16)
    limiter.restart(1.0)
    round_trips(limiter, 3)
    limiter.failed(2.0, 3.0)
    assert limiter.limit == 4


async def test_slot_of_the_token_is_released_if_the_wait_for_the_client_ends() -> None:
    client = Limiter(2)
    client.free = 0
    slow_start = SlowStart(client, START)
    task = asyncio.create_task(slow_start.take(None))
    await asyncio.sleep(0)
    assert slow_start.free == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (slow_start.free, client.free) == (1, 0)
