"""Whatever happens in which order, processes that share a quota do not exceed it."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from cloud66_async import QuotaError
from cloud66_async._core import book, lease
from cloud66_async._core.book import Health
from cloud66_async._core.lease import LeasedAllowance
from cloud66_async.quota import Allowance, Permit

from .fake_book import FakeBook

LEASE, PROCESSES, FRESH = 6, 3, 10.0
NOW = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
ACTIONS = {
    "take": 12, "serve": 10, "respond": 10, "cancel": 1, "lose": 0.3, "call": 1, "late call": 2, "fail": 1, "die": 0.3,
    "stop": 0.3, "wait": 0.5,
}  # fmt: skip


class FixedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Sent(NamedTuple):
    """A request, and how many remain after it, if the server has counted it."""

    process: Process
    permit: Permit
    remaining: int | None = None


class Process:
    """One process: its allowance and the requests that it has sent."""

    def __init__(self, world: World) -> None:
        local = Allowance(FixedClock(), reserve=0)
        self.allowance = LeasedAllowance(world.book, local, health=Health("closed"), lease=LEASE, margin=0, fresh=FRESH)
        self.sent: list[Sent] = []


class World:
    """Several processes, their book, and a server that counts."""

    def __init__(self, *, limit: int, share: int) -> None:
        self.limit = limit
        self.book = FakeBook(share=share, margin=0, fresh=FRESH)
        self.processes = [Process(self) for _ in range(PROCESSES)]
        self.counted = 0
        self.tolerated = 0  # requests that nobody but the server knows of

    def monotonic(self) -> float:
        return self.book.time

    async def act(self, action: str, number: int) -> None:
        process = self.processes[number % PROCESSES]
        if action == "take":
            await self.take(process)
        elif action == "serve":
            self.serve(process, number)
        elif action in ("respond", "lose", "cancel"):
            self.end(process, action, number)
        elif action == "late call" and self.book.calls:
            self.book.apply(*self.book.calls[number % len(self.book.calls)])
        elif action == "call":
            await process.allowance._report()
        elif action == "fail":
            await self.fail(process, number)
        elif action == "die":
            self.die(process, number)
        elif action == "stop":
            for _ in range(4):
                await self.wait(stopped=process)
            self.tolerated += len(process.sent)
        elif action == "wait":
            await self.wait()

    async def take(self, process: Process) -> bool:
        """Take a permit if there is one. Return whether the quota is exhausted."""
        found = process.allowance.try_take(NOW)
        if found is None:
            task = asyncio.create_task(process.allowance.take())
            for _ in range(5):
                await asyncio.sleep(0)
            if not task.done():  # it waits for others
                task.cancel()
            try:
                found = await task
            except asyncio.CancelledError:
                return False
            except QuotaError as error:
                return error.retry_at is not None
        process.sent.append(Sent(process, found))
        return False

    def serve(self, process: Process, number: int) -> None:
        """Let the server count a request."""
        waiting = [index for index, sent in enumerate(process.sent) if sent.remaining is None]
        if waiting:
            self.counted += 1
            index = waiting[number % len(waiting)]
            process.sent[index] = process.sent[index]._replace(remaining=max(0, self.limit - self.counted))

    def end(self, process: Process, action: str, number: int) -> None:
        """End a request: with a response, before it was sent, or without a response although it was counted."""
        ready = [sent for sent in process.sent if (sent.remaining is None) == (action == "cancel")]
        if ready:
            sent = ready[number % len(ready)]
            process.sent.remove(sent)
            if action == "respond":
                process.allowance.learn(sent.permit, self.limit, sent.remaining)
            self.tolerated += action == "lose"
            process.allowance.end(sent.permit)

    async def fail(self, process: Process, number: int) -> None:
        """Let a call of the book fail, before or after it was carried out."""
        self.book.failing, self.book.loses_response = number % 2 == 0, number % 2 == 1
        await self.take(process)
        self.book.failing = self.book.loses_response = False

    def die(self, process: Process, number: int) -> None:
        """End a process. The server counts a part of its requests, and another process starts."""
        for _ in range(number):
            self.serve(process, 0)
        self.tolerated += 1
        self.processes[self.processes.index(process)] = Process(self)

    async def wait(self, *, stopped: Process | None = None) -> None:
        """Let a third of the time pass after which a silent process counts as dead. The living ones call."""
        self.book.time += FRESH / 3
        for process in self.processes:
            if process is not stopped:
                await process.allowance._report()

    async def finish(self) -> None:
        """Use what is left."""
        for _ in range(6):
            await self.wait()
        ended = [False] * PROCESSES
        for _ in range(40 * self.limit):
            for number, process in enumerate(self.processes):
                ended[number] = await self.take(process)
                self.serve(process, 0)
                self.end(process, "respond", 0)
            if all(ended) and not any(process.sent for process in self.processes):
                return
            self.book.time += 0.1
        pytest.fail("the quota is neither used nor exhausted")


async def run(seed: int, patch: pytest.MonkeyPatch) -> World:
    choose = random.Random(seed)
    world = World(limit=choose.randint(5, 60), share=choose.randint(1, 2 * PROCESSES))
    for module in (book, lease):
        patch.setattr(module, "monotonic", world.monotonic)
    for _ in range(choose.randint(0, 500)):
        (action,) = choose.choices(list(ACTIONS), list(ACTIONS.values()))
        await world.act(action, choose.randint(0, 9))
        assert world.counted <= world.limit + world.tolerated
    await world.finish()
    for process in world.processes:
        await process.allowance.aclose()
    return world


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_the_sum_never_exceeds_the_quota(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(first, first + 50):
        world = asyncio.run(run(seed, monkeypatch))
        assert world.limit <= world.counted <= world.limit + world.tolerated, seed
