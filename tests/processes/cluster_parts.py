"""What the tests of `cluster` send to workers, and an engine and a store of claims in this process."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

from cloud66_async import Cloud66, Failed, NotFound, Ok
from cloud66_async.clock import SystemClock
from cloud66_async.cluster import Batch, BatchOutcome, Claim, EngineError, Worker
from cloud66_async.sandbox import FakeCloud66, SandboxServer

Result = Ok[Any, Any] | Failed[Any]


class InProcess:
    """Engine in this process, with one worker. What it carries is pickled on both ways.

    `lose(batch)` tells how often a worker dies with the result of a batch.
    """

    def __init__(
        self,
        connect: Callable[[], Cloud66 | Awaitable[Cloud66]],
        *,
        slots: int = 8,
        lose: Callable[[Batch], int] | None = None,
    ) -> None:
        self.slots = slots
        self.worker = Worker(connect)
        self.opened = 0
        self.cancelled: list[str] = []
        self.sizes: list[int] = []
        self.running = self.most_running = 0
        self._lose = lose
        self._free = asyncio.Semaphore(slots)
        self._tasks: set[asyncio.Task[BatchOutcome]] = set()
        self._killed: set[asyncio.Task[BatchOutcome]] = set()

    async def open(self) -> None:
        if not self.opened:
            await self.worker.open()
        self.opened += 1

    async def run(self, batch: Batch) -> BatchOutcome:
        self.sizes.append(len(batch.items))
        async with self._free:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            try:
                for _ in range(self._lose(batch) if self._lose else 0):
                    await self._carry(batch)  # the result is lost with the worker
                while (found := await self._carry(batch)) is None:
                    pass
                return found
            finally:
                self.running -= 1

    async def cancel(self, block: str) -> None:
        self.cancelled.append(block)
        await self.worker.cancel(block)

    def kill(self) -> None:
        """End everything that runs, as if the worker had died. Another one starts with the same batches."""
        for task in self._tasks:
            self._killed.add(task)
            task.cancel()

    @property
    def working(self) -> int:
        """The number of batches that the worker works on. It goes on if nobody waits for the result any more."""
        return sum(not task.done() for task in self._tasks)

    async def _carry(self, batch: Batch) -> BatchOutcome | None:
        sent: Batch = pickle.loads(pickle.dumps(batch))
        task = asyncio.create_task(self.worker.run(sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task])
        if task in self._killed:
            return None
        outcome: BatchOutcome = pickle.loads(pickle.dumps(task.result()))
        return outcome

    async def aclose(self) -> None:
        await self.worker.aclose()


@asynccontextmanager
async def in_process(
    fake: FakeCloud66, *, slots: int = 8, lose: Callable[[Batch], int] | None = None
) -> AsyncGenerator[InProcess]:
    engine = InProcess(fake.client, slots=slots, lose=lose)
    try:
        yield engine
    finally:
        await engine.aclose()


class GivesUp(InProcess):
    """Engine that gives up every batch, after a worker has carried it out or before."""

    def __init__(self, connect: Callable[[], Cloud66], *, after: bool) -> None:
        super().__init__(connect)
        self._after = after

    async def run(self, batch: Batch) -> BatchOutcome:
        if self._after:
            await super().run(batch)
        raise EngineError("given up")


class MemoryClaims:
    """Store of claims in this process. Copies share what they hold."""

    stores: ClassVar[dict[str, dict[tuple[str, int], tuple[str, bytes | None]]]] = {}

    def __init__(self, name: str | None = None) -> None:
        self.name = name or os.urandom(4).hex()
        self.held = self.stores.setdefault(self.name, {})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,)

    async def begin(self, run: str, number: int, mark: str) -> Claim | None:
        found = self.held.get((run, number))
        if found is not None:
            return Claim(*found)
        self.held[run, number] = (mark, None)
        return None

    async def finish(self, run: str, number: int, mark: str, result: bytes) -> None:
        self.held[run, number] = (mark, result)

    async def withdraw(self, run: str, number: int) -> None:
        self.held.pop((run, number), None)

    async def clear(self, run: str) -> None:
        for key in [key for key in self.held if key[0] == run]:
            del self.held[key]

    async def aclose(self) -> None:
        pass


class Counts:
    """What `progress` was called with."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int, int | None]] = []

    def add(self, done: int, failed: int, total: int | None) -> None:
        self.found.append((done, failed, total))


async def collect(block: Any) -> list[Result]:
    async with block as results:
        return [result async for result in results]


@contextmanager
def served(
    stacks: int, *, latency: float = 0.0, hourly_limit: int = 10**9, action_seconds: float = 60.0
) -> Generator[tuple[SandboxServer, list[str]]]:
    """Serve a sandbox with stacks on a real socket. Yield the server and the uids."""
    fake = FakeCloud66(clock=SystemClock(), hourly_limit=hourly_limit, action_seconds=action_seconds)
    uids = [fake.add_stack(f"stack-{number}").uid for number in range(stacks)]
    with SandboxServer(fake, latency=latency) as server:
        yield server, uids


def connect_with_quota(url: str, token: str, redis: str) -> Cloud66:
    """Create a client that shares the quota with other processes. Only a test may send a token to it."""
    from cloud66_async.integrations.redis.quota import RedisQuota

    return Cloud66(token, url=url, shared_quota=RedisQuota(redis), when_exhausted="refuse")


# --- functions that workers call -----------------------------------------------------------------


async def stack_name(c66: Cloud66, uid: str) -> str | None:
    return (await c66.stacks.get(uid)).name


async def own_error(c66: Cloud66, uid: str) -> str:
    raise LookupError(f"no {uid}")


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()  # not only other arguments than `args`: Dask lets such exceptions be pickled


async def unpicklable_error(c66: Cloud66, item: int) -> None:
    raise Unpicklable


async def die(c66: Cloud66, item: int) -> None:
    os._exit(1)


async def endless(c66: Cloud66, item: int) -> int:
    await asyncio.sleep(3600)
    return item


async def double(c66: Cloud66, item: int) -> int:
    return 2 * item


async def restart_quietly(c66: Cloud66, uid: str) -> None:
    """Write, although the caller did not say so."""
    await c66.stacks.restart(uid)


async def restart(c66: Cloud66, uid: str) -> int:
    return (await c66.stacks.restart(uid)).id


async def missing(c66: Cloud66, uid: str) -> None:
    raise NotFound(f"no stack {uid}", status=404)


async def unsendable(c66: Cloud66, item: int) -> Any:
    return lambda: item


async def of_account(c66: Cloud66, item: tuple[int, str]) -> str | None:
    account, uid = item
    return (await c66.using(account=account).stacks.get(uid)).name


async def numbers(count: int, pulled: list[int]) -> AsyncIterator[int]:
    for number in range(count):
        pulled.append(number)
        yield number


def plain(c66: Cloud66, item: int) -> int:
    return item


async def client_id(c66: Cloud66, item: int) -> tuple[int, int]:
    return os.getpid(), id(c66)


@contextmanager
def served_accounts(
    *, accounts: int, stacks: int, latency: float
) -> Generator[tuple[SandboxServer, list[tuple[int, str]]]]:
    """Serve a sandbox whose user belongs to many accounts. Yield the server and pairs of an account and a uid."""
    fake = FakeCloud66(clock=SystemClock(), hourly_limit=10**9)
    fake.add_user(fake.user.email, accounts=range(1, accounts + 1))
    numbers = [1 + number % accounts for number in range(stacks)]
    pairs = [
        (account, fake.add_stack(f"stack-{number}", account=account).uid) for number, account in enumerate(numbers)
    ]
    with SandboxServer(fake, latency=latency) as server:
        yield server, pairs
