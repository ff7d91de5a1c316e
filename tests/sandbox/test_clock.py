"""A clock that tests control."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud66_async.sandbox import FakeClock, FakeCloud66
from cloud66_async.sandbox.clock import ClockFrozen


async def iterations() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_clock_is_frozen_until_it_advances() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC), autojump=False)
    sleeper = asyncio.create_task(clock.sleep(10))
    await iterations()
    assert not sleeper.done()
    clock.advance(9.5)
    await iterations()
    assert not sleeper.done()
    clock.advance(0.5)
    await sleeper
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


async def test_advance_wakes_the_earliest_task_first() -> None:
    clock, woken = FakeClock(autojump=False), list[float]()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2):
            group.create_task(sleep(seconds))
        await iterations()
        assert clock.sleepers == 3
        clock.advance(5)
    assert woken == [1, 2, 3]


async def test_running_skips_to_each_wake_up_time_in_order() -> None:
    clock, woken = FakeClock(autojump=False), list[tuple[str, float]]()
    start = clock.now()

    async def poll(name: str, every: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(every)
            woken.append((name, (clock.now() - start).total_seconds()))

    async with clock.running(), asyncio.TaskGroup() as group:
        group.create_task(poll("slow", 10, 2))
        group.create_task(poll("fast", 4, 4))
    assert woken == [("fast", 4), ("fast", 8), ("slow", 10), ("fast", 12), ("fast", 16), ("slow", 20)]


async def test_running_clock_skips_an_hour() -> None:
    clock = FakeClock(autojump=False)
    start = clock.now()
    async with asyncio.timeout(20), clock.running():
        while clock.now() < start + timedelta(hours=1):
            await clock.sleep(15)
    assert clock.now() == start + timedelta(hours=1)


async def test_running_clock_waits_for_tasks_that_are_not_asleep() -> None:
    clock, woken = FakeClock(autojump=False), list[str]()

    async def busy() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await clock.sleep(5)
        woken.append("busy")

    async def lazy() -> None:
        await clock.sleep(60)
        woken.append("lazy")

    async with clock.running(), asyncio.TaskGroup() as group:
        group.create_task(lazy())
        group.create_task(busy())
    assert woken == ["busy", "lazy"]


async def test_clock_is_frozen_again_after_running() -> None:
    clock = FakeClock(autojump=False)
    async with clock.running():
        await clock.sleep(1)
    sleeper = asyncio.create_task(clock.sleep(1))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not sleeper.done()
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper


async def test_cancelled_sleeper_does_not_advance_the_clock() -> None:
    clock = FakeClock(autojump=False)
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await iterations()
    sleeper.cancel()
    async with clock.running():
        await clock.sleep(1)
    assert clock.now() == start + timedelta(seconds=1)
    assert clock.sleepers == 0


async def test_error_in_the_block_propagates_unchanged() -> None:
    clock = FakeClock(autojump=False)
    with pytest.raises(ZeroDivisionError):
        async with clock.running():
            raise ZeroDivisionError


async def test_sleeping_for_zero_seconds_lets_other_tasks_run() -> None:
    clock, woken = FakeClock(autojump=False), list[str]()
    task = asyncio.create_task(iterations())
    task.add_done_callback(lambda _: woken.append("other"))
    for _ in range(10):
        await clock.sleep(0)
        await clock.sleep(-1)
    assert woken == ["other"]


async def test_pause_beyond_the_last_date_never_ends() -> None:
    clock = FakeClock(autojump=False)
    sleeper = asyncio.create_task(clock.sleep(float("inf")))
    await iterations()
    clock.advance(10**9)
    await iterations()
    assert not sleeper.done()
    sleeper.cancel()


def test_clock_does_not_go_back() -> None:
    clock = FakeClock(autojump=False)
    with pytest.raises(ValueError, match="cannot advance the clock by -1 seconds: must not be negative"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="cannot advance the clock by nan seconds"):
        clock.advance(float("nan"))


async def test_nan_is_rejected() -> None:
    with pytest.raises(ValueError, match="NaN"):
        await FakeClock().sleep(float("nan"))


def test_start_must_be_timezone_aware_and_is_converted_to_utc() -> None:
    with pytest.raises(ValueError, match="invalid start '2026-01-01T00:00:00': must be timezone-aware"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001  it must be naive
    local = datetime.fromisoformat("2026-01-01T02:00:00+02:00")
    assert FakeClock(local).now().isoformat() == "2026-01-01T00:00:00+00:00"


async def test_sleeper_in_another_thread_is_woken() -> None:
    clock = FakeClock(autojump=False)
    elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, clock.sleep(5)))
    while not clock.sleepers:
        await asyncio.sleep(0.001)
    clock.advance(5)
    await asyncio.wait_for(elsewhere, 10)


async def test_endless_sleeper_does_not_advance_the_clock() -> None:
    clock = FakeClock(autojump=False)
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(float("inf")))
    async with clock.running():
        await clock.sleep(60)
        for _ in range(200):
            await asyncio.sleep(0)
    assert clock.now() == start + timedelta(seconds=60)
    sleeper.cancel()


async def test_blocks_of_running_can_be_nested() -> None:
    clock = FakeClock(autojump=False)
    async with clock.running():
        async with clock.running():
            await clock.sleep(1)
        await clock.sleep(1)


async def test_running_clock_wakes_a_task_that_was_asleep_before() -> None:
    clock = FakeClock(autojump=False)
    sleeper = asyncio.create_task(clock.sleep(60))
    await iterations()
    async with clock.running():
        await sleeper


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"grace": -1}, ValueError, "invalid grace -1: must be a finite number of seconds, not negative"),
        ({"grace": float("nan")}, ValueError, "invalid grace nan"),
        ({"grace": float("inf")}, ValueError, "invalid grace inf"),
        ({"grace": "1"}, TypeError, "invalid grace: expected a number of seconds, not str"),
        ({"grace": True}, TypeError, "invalid grace: expected a number of seconds, not bool"),
        ({"autojump": "no"}, TypeError, "invalid autojump: expected a bool, not str"),
    ],
)
def test_invalid_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FakeClock(**options)


# --- a frozen clock fails ------------------------------------------------------------------------


async def test_pause_that_nothing_ends_fails() -> None:
    clock = FakeClock(autojump=False)
    with pytest.raises(ClockFrozen, match=r"cannot sleep for 60 seconds: the clock is frozen .*; call clock\.advance"):
        await clock.sleep(60)
    assert clock.sleepers == 0


async def test_advancing_frozen_clock_gives_each_pause_more_real_time() -> None:
    clock, loop = FakeClock(autojump=False, grace=0.05), asyncio.get_running_loop()
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    for _ in range(6):
        clock.advance(1)  # and then the loop checks whether the clock has advanced, as late as it may be
        checked = asyncio.Event()
        loop.call_later(0.05, checked.set)
        await checked.wait()
    assert not sleeper.done()
    with pytest.raises(ClockFrozen, match="cannot sleep for 54 seconds"):
        await sleeper


async def test_pause_that_outlasts_the_running_block_fails() -> None:
    clock = FakeClock(autojump=False, grace=0.02)
    async with clock.running():
        await clock.sleep(1)
        sleeper = asyncio.create_task(clock.sleep(60))
        await asyncio.sleep(0)
    with pytest.raises(ClockFrozen):
        await sleeper


async def test_call_on_a_frozen_clock_fails() -> None:
    fake = FakeCloud66(clock=FakeClock(autojump=False, grace=0.02))
    fake.faults.throttle(times=2)
    async with fake.client() as c66:
        with pytest.raises(ClockFrozen):
            await c66.stacks.list()
        fake.faults.clear()
        fake.faults.slow(20)
        with pytest.raises(ClockFrozen):
            await c66.stacks.list()
        fake.faults.clear()
        redeployment = await c66.stacks.redeploy(fake.add_stack("web").uid)
        waiting = [asyncio.create_task(c66.actions.wait(redeployment)) for _ in range(2)]
        found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
        assert [type(error) for error in found] == [ClockFrozen, ClockFrozen]
        async with fake.clock.running():
            assert (await c66.actions.wait(redeployment)).succeeded
        fake.faults.throttle(operation="stacks.get")
        with pytest.raises(ClockFrozen):  # not a `Failed`: the test is at fault
            await c66.collect(c66.stacks.get, ["a"])


# --- a clock that a test freezes -----------------------------------------------------------------


async def test_frozen_clock_only_moves_by_hand() -> None:
    fake = FakeCloud66()
    fake.clock.freeze()
    stack, start = fake.add_stack("web"), fake.clock.now()
    async with fake.client() as c66:
        waiting = asyncio.create_task(c66.actions.wait(await c66.stacks.redeploy(stack.uid)))
        while not fake.clock.sleepers:
            await asyncio.sleep(0)
        assert fake.clock.now() == start
        fake.clock.advance(60)
        assert (await waiting).succeeded
        async with fake.clock.running():
            assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded


async def test_pause_that_the_clock_is_frozen_under_fails() -> None:
    clock = FakeClock(grace=0.02)
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    clock.freeze()
    with pytest.raises(ClockFrozen, match=r"call clock\.advance\(\), or let it advance by itself"):
        await asyncio.wait_for(sleeper, 60)
