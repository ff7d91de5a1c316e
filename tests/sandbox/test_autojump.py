"""A fake clock that advances by itself: no pause takes real time, and no test hangs."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread
import pytest

from cloud66_async import ActionUnfinished, Cloud66, Retry
from cloud66_async.sandbox import FakeClock, FakeCloud66, SandboxServer, clock as clocks, idle

HOUR = timedelta(hours=1)


def run_asyncio(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def run_uvloop(coroutine: Coroutine[Any, Any, None]) -> None:
    uvloop = pytest.importorskip("uvloop", exc_type=ImportError)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(coroutine)


every_loop = pytest.mark.parametrize("run", [run_asyncio, run_uvloop], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a clock that never finds its loop idle wait forever, which the time limit of the test ends."""
    monkeypatch.setattr(idle, "_ENDLESS_SECONDS", math.inf)


# --- no real time --------------------------------------------------------------------------------


@every_loop
@pytest.mark.usefixtures("no_fallback")
def test_hour_of_polling(run: Run) -> None:
    async def main() -> None:
        clock = FakeClock(grace=3600)
        start = clock.now()
        while clock.now() < start + HOUR:
            await clock.sleep(15)
        assert clock.now() == start + HOUR

    run(main())


@every_loop
@pytest.mark.usefixtures("no_fallback")
def test_action_that_takes_an_hour(run: Run) -> None:
    async def main() -> None:
        fake = FakeCloud66(action_seconds=3600)
        stack = fake.add_stack("web")
        async with fake.client() as c66:
            action = await c66.actions.wait(await c66.stacks.redeploy(stack.uid))
            assert action.succeeded
            unfinished = await c66.stacks.redeploy(stack.uid)
            with pytest.raises(ActionUnfinished):
                await c66.actions.wait(unfinished, timeout=600)

    run(main())


@every_loop
@pytest.mark.usefixtures("no_fallback")
def test_throttled_hours(run: Run) -> None:
    async def main() -> None:
        fake = FakeCloud66()
        start = fake.clock.now()
        fake.faults.throttle(times=2)
        async with fake.client() as c66:
            await c66.stacks.list()
        assert HOUR < fake.clock.now() - start < 2 * HOUR

    run(main())


@every_loop
@pytest.mark.usefixtures("no_fallback")
def test_life_of_a_token(run: Run) -> None:
    async def main() -> None:
        fake = FakeCloud66()
        application = fake.add_application(redirect_urls=["https://app.example/callback"])
        async with fake.client(application=application) as c66:
            login = c66.login()
            token = await c66.finish_login(login, await fake.consent(login.url))
            view = c66.using(token=token)
            for _ in range(24 * 90):
                await fake.clock.sleep(3600)
            assert await view.stacks.list() == []

    run(main())


# --- order ---------------------------------------------------------------------------------------


@every_loop
def test_tasks_wake_in_order_of_their_times(run: Run) -> None:
    pauses = [(number * 37) % 100 + number % 3 / 10 + 1 for number in range(100)]

    async def wake_all() -> list[int]:
        clock, woken = FakeClock(), list[int]()
        start = clock.now()

        async def sleep(number: int) -> None:
            await clock.sleep(pauses[number])
            woken.append(number)
            assert clock.now() == start + timedelta(seconds=pauses[number])

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(sleep(number))
        return woken

    async def main() -> None:
        for _ in range(50):
            assert await wake_all() == sorted(range(100), key=pauses.__getitem__)

    run(main())


@every_loop
@pytest.mark.usefixtures("no_fallback")
def test_clock_waits_for_tasks_that_run(run: Run) -> None:
    async def main() -> None:
        clock, woken = FakeClock(), list[str]()

        async def busy() -> None:
            for _ in range(300):
                await asyncio.sleep(0)
            await clock.sleep(5)
            woken.append("busy")

        async def lazy() -> None:
            await clock.sleep(60)
            woken.append("lazy")

        async def nested() -> None:
            await asyncio.gather(asyncio.gather(asyncio.shield(asyncio.gather(asyncio.sleep(0)))))
            await clock.sleep(4)
            woken.append("nested")

        await asyncio.gather(lazy(), busy(), nested())
        assert woken == ["nested", "busy", "lazy"]

    for _ in range(20):
        run(main())


@pytest.mark.usefixtures("no_fallback")  # each would take the callbacks of the other for activity
async def test_two_clocks_in_one_event_loop_are_independent() -> None:
    quick, slow = FakeClock(grace=3600), FakeClock(grace=3600)
    start = quick.now()

    async def repeat(clock: FakeClock, seconds: float) -> None:
        for _ in range(50):
            await clock.sleep(seconds)

    await asyncio.gather(repeat(quick, 1), repeat(slow, 100))
    assert (quick.now() - start, slow.now() - start) == (timedelta(seconds=50), timedelta(seconds=5000))


async def test_advancing_by_hand() -> None:
    clock = FakeClock()
    start = clock.now()
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    clock.advance(61)
    await sleeper
    assert clock.now() == start + timedelta(seconds=61)


# --- real time in the user's code ----------------------------------------------------------------


async def real_pause() -> None:
    await asyncio.sleep(0.01)


async def thread() -> None:
    await asyncio.to_thread(time.sleep, 0.01)


async def anyio_thread() -> None:
    await anyio.to_thread.run_sync(time.sleep, 0.01)


async def event_of_a_thread() -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    timer = threading.Timer(0.01, loop.call_soon_threadsafe, [event.set])
    timer.start()
    await event.wait()
    timer.join()


async def connection() -> None:
    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(b"x")
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b"x"
        writer.close()
        await writer.wait_closed()


@every_loop
@pytest.mark.parametrize("work", [real_pause, thread, anyio_thread, event_of_a_thread, connection])
def test_clock_waits_for_real_work_during_the_grace_period(run: Run, work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        sleeper = asyncio.create_task(FakeClock(grace=3600).sleep(60))
        await work()
        assert not sleeper.done()
        sleeper.cancel()

    run(main())


@every_loop
def test_clock_does_not_wait_longer_than_the_grace_period(run: Run) -> None:
    async def main() -> None:
        clock = FakeClock()
        heartbeat = asyncio.create_task(asyncio.sleep(60))
        for _ in range(5):
            await clock.sleep(3600)
        assert not heartbeat.done()
        heartbeat.cancel()

    run(main())


@every_loop
@pytest.mark.parametrize("pause", [0, 0.001])
def test_task_that_polls_does_not_stop_the_clock(run: Run, pause: float) -> None:
    async def main() -> None:
        sleeper = asyncio.create_task(FakeClock().sleep(60))
        while not sleeper.done():
            await asyncio.sleep(pause)

    run(main())


@every_loop
def test_tasks_that_do_not_show_for_what_they_wait(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: object) -> None:
        """Return nothing, as for a task without the private attribute."""

    monkeypatch.setattr(idle, "_future", unknown)

    async def main() -> None:
        await asyncio.gather(*map(FakeClock().sleep, (20, 10)))

    run(main())


@every_loop
def test_timeout_around_a_wait(run: Run) -> None:
    async def main() -> None:
        fake = FakeCloud66(action_seconds=3600)
        stack = fake.add_stack("web")
        async with fake.client() as c66:
            async with asyncio.timeout(20):
                assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded
            with anyio.fail_after(20):
                assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded
            start = fake.clock.now()
            waiting = asyncio.create_task(c66.actions.wait(await c66.stacks.redeploy(stack.uid)))
            assert (await asyncio.wait_for(waiting, 20)).succeeded
            assert fake.clock.now() - start >= HOUR

    run(main())


@every_loop
def test_timeout_ends_a_pause_that_never_ends(run: Run) -> None:
    async def main() -> None:
        clock = FakeClock()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(clock.sleep(float("inf")), 0.02)
        assert clock.sleepers == 0
        await clock.sleep(1)

    run(main())


# --- several event loops -------------------------------------------------------------------------


async def test_threads_sleep_on_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_GRACE", 0.1)
    monkeypatch.setattr(clocks, "_GRACE_IF_FROZEN", 60)  # until both threads sleep
    clock, woken = FakeClock(autojump=False), list[tuple[str, int]]()

    async def repeat(name: str, seconds: int) -> None:
        for count in range(1, 4):
            await clock.sleep(seconds)
            woken.append((name, seconds * count))

    threads = [threading.Thread(target=asyncio.run, args=(repeat(*case),)) for case in (("a", 10), ("b", 7))]
    for one in threads:
        one.start()
    while clock.sleepers < 2:
        await asyncio.sleep(0.001)
    async with clock.running():
        for one in threads:
            await asyncio.to_thread(one.join, 60)
    assert woken == [("b", 7), ("a", 10), ("b", 14), ("a", 20), ("b", 21), ("a", 30)]


def test_loops_that_have_ended_do_not_stop_the_clock() -> None:
    clock = FakeClock()

    async def forget() -> None:
        forgotten.append(asyncio.ensure_future(clock.sleep(5)))
        await asyncio.sleep(0)

    forgotten: list[asyncio.Future[None]] = []
    stopped, closed = asyncio.new_event_loop(), asyncio.new_event_loop()
    for loop in (stopped, closed):
        loop.run_until_complete(forget())
    forgotten[1].cancel()
    with suppress(asyncio.CancelledError):
        closed.run_until_complete(forgotten[1])
    closed.close()
    for _ in range(5):
        asyncio.run(clock.sleep(60))
    stopped.run_until_complete(forgotten[0])
    stopped.close()


async def test_served_sandbox_and_its_client_share_the_clock() -> None:
    fake = FakeCloud66(clock=FakeClock(grace=0.05), action_seconds=600)
    stack = fake.add_stack("web")
    fake.faults.slow(20, operation="stacks.get")
    with SandboxServer(fake) as server:
        retry = Retry(max_pause=3700)
        async with Cloud66(fake.add_token(), url=server.url, clock=fake.clock, retry=retry) as c66:
            assert (await c66.stacks.get(stack.uid)).name == "web"
            action = await c66.actions.wait(await c66.stacks.redeploy(stack.uid))
    assert action.succeeded


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 added eager tasks")
async def test_eager_tasks() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
    clock = FakeClock()
    await asyncio.gather(*(clock.sleep(seconds) for seconds in (3, 1, 2)))
