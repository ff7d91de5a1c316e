"""Requests that it takes to wait for many redeployments, counted by the sandbox, whose clock advances by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median

from cloud66_async import Cloud66
from cloud66_async.clock import Clock
from cloud66_async.resources.actions import Action
from cloud66_async.resources.stacks import Redeployment
from cloud66_async.sandbox import FakeCloud66

from .fleet import STACKS

__all__ = ["WAYS", "measure_waiting"]

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


WAYS: dict[str, Wait] = {"cloud66-async": _with_sdk, "each every 15 s": _poll_each}


async def measure_waiting(row: str, count: int) -> dict[str, float]:
    """Return the requests after the starts, and the median of the seconds after which an end is noticed."""
    fake = FakeCloud66(action_seconds=_SECONDS, hourly_limit=_UNLIMITED)
    stacks = [fake.add_stack(f"app-{number}") for number in range(STACKS)]
    delays: list[float] = []
    async with fake.client() as c66:
        step = STACKS / count  # anywhere in the list, but the same in every run
        chosen = [stacks[int(number * step)] for number in range(count)]
        started = [await c66.stacks.redeploy(stack.uid) for stack in chosen]
        before = fake.calls()

        async def one(redeployment: Redeployment) -> None:
            action = await WAYS[row](c66, fake.clock, redeployment)
            assert action.finished_at is not None
            delays.append((fake.clock.now() - action.finished_at) / timedelta(seconds=1))

        await asyncio.gather(*map(one, started))
        return {"requests": fake.calls() - before, "delay": median(delays)}
