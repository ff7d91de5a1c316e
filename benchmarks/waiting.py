"""Requests that waiting for many redeployments takes, and rollouts, counted by the sandbox on its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median

from cloud66_async import Cloud66, Polling
from cloud66_async.clock import Clock
from cloud66_async.resources.actions import Action
from cloud66_async.resources.stacks import Redeployment
from cloud66_async.sandbox import FakeCloud66

from .fleet import STACKS

__all__ = ["AT_ONCE", "ROLLOUTS", "WAYS", "measure_rollout", "measure_waiting"]

AT_ONCE = 10

_SECONDS = 300.0
_UNLIMITED = 1_000_000  # requests an hour: more than the usual 3,000, which would make all of them wait

Wait = Callable[[Cloud66, Clock, Redeployment], Awaitable[Action]]


async def _with_sdk(c66: Cloud66, clock: Clock, started: Redeployment) -> Action:  # noqa: ARG001
    return await c66.actions.wait(started)


async def _poll_each(c66: Cloud66, clock: Clock, started: Redeployment) -> Action:
    """Read one action every 15 seconds, as the official client does."""
    assert started.stack is not None
    assert started.async_action_id is not None
    while True:
        await clock.sleep(15)
        action = await c66.actions.get(started.stack, started.async_action_id)
        if action.finished:
            return action


WAYS: dict[str, tuple[Wait, Polling | None]] = {
    "cloud66-async": (_with_sdk, None),
    "cloud66-async, results of the list": (_with_sdk, Polling(results="list")),
    "each every 15 s": (_poll_each, None),
}


async def _rollout(c66: Cloud66, clock: Clock, uids: list[str]) -> None:  # noqa: ARG001
    results = await c66.stacks.rollout(uids, at_once=AT_ONCE)
    assert all(result.state == "succeeded" for result in results)


async def _rollout_by_polling(c66: Cloud66, clock: Clock, uids: list[str]) -> None:
    remaining = iter(uids)

    async def work() -> None:
        for uid in remaining:
            await _poll_each(c66, clock, await c66.stacks.redeploy(uid))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


ROLLOUTS: dict[str, tuple[Callable[[Cloud66, Clock, list[str]], Awaitable[None]], Polling | None]] = {
    "cloud66-async": (_rollout, None),
    "cloud66-async, durations learnt": (_rollout, Polling(learn=True)),
    "each every 15 s": (_rollout_by_polling, None),
}


def _fleet() -> tuple[FakeCloud66, list[str]]:
    fake = FakeCloud66(action_seconds=_SECONDS, hourly_limit=_UNLIMITED)
    return fake, [fake.add_stack(f"app-{number}").uid for number in range(STACKS)]


async def measure_waiting(row: str, count: int) -> dict[str, float]:
    """Return the requests after the starts, and the median of the seconds after which an end is noticed."""
    fake, uids = _fleet()
    wait, polling = WAYS[row]
    delays: list[float] = []
    async with fake.client(polling=polling) as c66:
        step = STACKS / count  # anywhere in the list, but the same in every run
        started = [await c66.stacks.redeploy(uids[int(number * step)]) for number in range(count)]
        before = fake.calls()

        async def one(redeployment: Redeployment) -> None:
            action = await wait(c66, fake.clock, redeployment)
            assert action.finished_at is not None
            delays.append((fake.clock.now() - action.finished_at) / timedelta(seconds=1))

        await asyncio.gather(*map(one, started))
        return {"requests": fake.calls() - before, "delay": median(delays)}


async def measure_rollout(row: str) -> dict[str, float]:
    """Return the requests of a rollout of all stacks in the order of the list, and its hours."""
    fake, _ = _fleet()
    roll_out, polling = ROLLOUTS[row]
    async with fake.client(polling=polling) as c66:
        uids = [stack.uid for stack in await c66.stacks.list()]
        before, start = fake.calls(), fake.clock.now()
        await roll_out(c66, fake.clock, uids)
        return {"requests": fake.calls() - before, "hours": (fake.clock.now() - start) / timedelta(hours=1)}
