"""The clock that is moved by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from cloud66_async.sandbox import FakeClock


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    sleeper = asyncio.create_task(clock.sleep(10))
    await turn()
    assert not sleeper.done()
    clock.advance(9.5)
    await turn()
    assert not sleeper.done()
    clock.advance(0.5)
    await asyncio.wait_for(sleeper, 1)
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


async def test_advance_wakes_the_earliest_first() -> None:
    clock, woken = FakeClock(), list[float]()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2):
            group.create_task(sleep(seconds))
        await turn()
        assert clock.sleepers == 3
        clock.advance(5)
    assert woken == [1, 2, 3]


async def test_running_jumps_from_sleeper_to_sleeper_in_order() -> None:
    clock, seen = FakeClock(), list[tuple[str, float]]()
    start = clock.now()

    async def poll(name: str, every: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(every)
            seen.append((name, (clock.now() - start).total_seconds()))

    async with clock.running(), asyncio.TaskGroup() as group:
        group.create_task(poll("slow", 10, 2))
        group.create_task(poll("fast", 4, 4))
    assert seen == [("fast", 4), ("fast", 8), ("slow", 10), ("fast", 12), ("fast", 16), ("slow", 20)]


async def test_an_hour_of_polling_takes_no_time() -> None:
    clock = FakeClock()
    start = clock.now()
    async with asyncio.timeout(20), clock.running():
        while clock.now() < start + timedelta(hours=1):
            await clock.sleep(15)
    assert clock.now() == start + timedelta(hours=1)


async def test_running_lets_work_between_two_sleeps_finish_first() -> None:
    clock, seen = FakeClock(), list[str]()

    async def busy() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await clock.sleep(5)
        seen.append("busy")

    async def lazy() -> None:
        await clock.sleep(60)
        seen.append("lazy")

    async with clock.running(), asyncio.TaskGroup() as group:
        group.create_task(lazy())
        group.create_task(busy())
    assert seen == ["busy", "lazy"]


async def test_after_running_time_stands_still_again() -> None:
    clock = FakeClock()
    async with clock.running():
        await clock.sleep(1)
    sleeper = asyncio.create_task(clock.sleep(1))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not sleeper.done()
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper


async def test_a_cancelled_sleeper_does_not_move_time() -> None:
    clock = FakeClock()
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await turn()
    sleeper.cancel()
    async with clock.running():
        await clock.sleep(1)
    assert clock.now() == start + timedelta(seconds=1)
    assert clock.sleepers == 0


async def test_an_error_in_the_block_leaves_as_itself() -> None:
    clock = FakeClock()
    with pytest.raises(ZeroDivisionError):
        async with clock.running():
            raise ZeroDivisionError


async def test_sleeping_for_nothing_lets_others_run() -> None:
    clock, seen = FakeClock(), list[str]()
    task = asyncio.create_task(turn())
    task.add_done_callback(lambda _: seen.append("other"))
    for _ in range(10):
        await clock.sleep(0)
        await clock.sleep(-1)
    assert seen == ["other"]


async def test_longer_than_any_calendar_is_no_error() -> None:
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(float("inf")))
    await turn()
    clock.advance(10**9)
    await turn()
    assert not sleeper.done()
    sleeper.cancel()


def test_time_does_not_run_backwards() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(float("nan"))


async def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        await FakeClock().sleep(float("nan"))


def test_a_start_needs_a_zone_and_becomes_utc() -> None:
    with pytest.raises(ValueError, match="zone"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001  that is the point
    local = datetime.fromisoformat("2026-01-01T02:00:00+02:00")
    assert FakeClock(local).now().isoformat() == "2026-01-01T00:00:00+00:00"


async def test_a_sleeper_in_another_thread_is_woken() -> None:
    clock = FakeClock()
    elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, clock.sleep(5)))
    while not clock.sleepers:
        await asyncio.sleep(0.001)
    clock.advance(5)
    await asyncio.wait_for(elsewhere, 10)


async def test_whoever_sleeps_for_ever_does_not_move_time() -> None:
    clock = FakeClock()
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(float("inf")))
    async with clock.running():
        await clock.sleep(60)
        for _ in range(200):
            await asyncio.sleep(0)
    assert clock.now() == start + timedelta(seconds=60)
    sleeper.cancel()


async def test_a_clock_runs_once_at_a_time() -> None:
    clock = FakeClock()
    async with clock.running():
        with pytest.raises(RuntimeError, match="already"):
            async with clock.running():
                pass
        await clock.sleep(1)
