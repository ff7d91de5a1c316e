"""The client of the chaos test, in a process of its own: mixed reads and writes, and one line for each outcome.

It takes its settings as JSON from standard input, and writes JSON lines to standard output.
"""

# ruff: noqa: T201  a program

from __future__ import annotations

import asyncio
import gc
import json
import random
import ssl
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from cloud66_async import Cloud66, Cloud66Error, Failed, Retry, Timeouts, TransportError, Unauthenticated
from cloud66_async.resources import stacks

__all__ = ["Settings"]

CONNECTIONS = 32
ROUNDS = 5
READ_TIMEOUT = 0.4


class Settings(msgspec.Struct, frozen=True):
    """What the client does.

    Args:
        url: URL of the sandbox.
        ca_file: CA certificate to trust, or None without TLS.
        pool: Connection pool of the client.
        seed: Seed of all decisions.
        operations: Number of operations in all.
        seconds: How long to go on instead, or None.
        tokens: Access tokens. A fault may revoke them one by one.
        uids: Stacks to read and write.
    """

    url: str
    ca_file: str | None
    pool: Literal["own", "httpx"]
    seed: int
    operations: int
    seconds: float | None
    tokens: tuple[str, ...]
    uids: tuple[str, ...]


class HurriedClock:
    """The system's clock, except that pauses are much shorter."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 500)


class Operation(NamedTuple):
    """One operation: the marker of a write or an empty string, and the function that carries it out."""

    name: str
    marker: str
    run: Callable[[Cloud66], Awaitable[object]]


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


# --- operations ----------------------------------------------------------------------------------


def expect(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"wrong answer: {found!r}, expected {expected!r}")


def read(choice: random.Random, uids: tuple[str, ...]) -> Operation:
    uid = choice.choice(uids)
    several = choice.sample(uids, 3)

    async def get(c66: Cloud66) -> None:
        expect((await c66.stacks.get(uid)).uid, uid)

    async def send(c66: Cloud66) -> None:
        expect((await c66.send(stacks.GET.bind(stack=uid))).data.uid, uid)

    async def first(c66: Cloud66) -> None:
        expect((await c66.stacks.list().first()) is not None, True)

    async def listed(c66: Cloud66) -> None:
        expect(set(uids) <= {stack.uid for stack in await c66.stacks.list()}, True)

    async def collect(c66: Cloud66) -> None:
        for result in await c66.collect(c66.stacks.get, several, limit=3):
            if isinstance(result, Failed):
                raise result.error
            expect(result.value.uid, result.item)

    async def prefetch(c66: Cloud66) -> None:
        async with c66.environment_variables.list(uid).prefetch(2) as found:
            async for variable in found:
                expect(bool(variable.key), True)

    async def stream(c66: Cloud66) -> None:
        async with c66.stream("GET", f"/stacks/{uid}.json") as response:
            body = b"".join([part async for part in response])
        expect(not body or len(body) > 5, True)

    run = choice.choices([get, send, first, listed, collect, prefetch, stream], [8, 3, 2, 1, 2, 2, 1])[0]
    return Operation(run.__name__, "", run)


def write(choice: random.Random, uids: tuple[str, ...], number: int) -> Operation:
    uid, marker = choice.choice(uids), f"M{number}"

    async def create(c66: Cloud66) -> None:
        expect((await c66.environment_variables.create(uid, marker, value="x")).stack, uid)

    async def redeploy(c66: Cloud66) -> None:
        expect((await c66.stacks.redeploy(uid, user_reference=marker)).stack, uid)

    run = choice.choices([create, redeploy], [2, 1])[0]
    return Operation(run.__name__, marker, run)


# --- the load ------------------------------------------------------------------------------------


class Load:
    """Carries out operations with a bounded number of tasks, and counts their outcomes."""

    def __init__(self, settings: Settings, c66: Cloud66) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._views = [c66.using(token=token) for token in settings.tokens]
        self._refused = 0

    async def round(self, numbers: Iterator[int]) -> None:
        """Carry out the operations with these numbers."""

        async def work() -> None:
            for number in numbers:
                await self._carry_out(number)

        await asyncio.gather(*(work() for _ in range(CONNECTIONS + 8)))

    async def _carry_out(self, number: int) -> None:
        choice = random.Random(f"{self.settings.seed}:{number}")
        uids = self.settings.uids
        operation = write(choice, uids, number) if choice.random() < 0.3 else read(choice, uids)
        refused = self._refused
        running = asyncio.ensure_future(operation.run(self._views[refused % len(self._views)]))
        if choice.random() < 0.04:
            for _ in range(choice.randrange(40)):
                await asyncio.sleep(0)
            running.cancel()
        await asyncio.wait([running])
        outcome = self._outcome(operation, running)
        if outcome == "Unauthenticated" and self._refused == refused:
            self._refused += 1
        self.counts[f"{'write' if operation.marker else 'read'} {outcome}"] += 1
        if operation.marker:
            say(marker=operation.marker, name=operation.name, outcome=outcome)

    def _outcome(self, operation: Operation, running: asyncio.Future[object]) -> str:
        """Return `done`, `cancelled`, `unsent`, or the name of the error."""
        if running.cancelled():
            return "cancelled"
        error = running.exception()
        if error is None:
            return "done"
        if not isinstance(error, Cloud66Error):
            self.problems.append(f"{operation.name}: " + "".join(traceback.format_exception(error)))
            return "untyped"
        if isinstance(error, TransportError) and not error.sent:
            return "unsent"
        return "Unauthenticated" if isinstance(error, Unauthenticated) else type(error).__name__


def state() -> dict[str, int]:
    """Return how much of everything this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    found = gc.get_objects()
    own = sum(str(type(item).__module__).startswith("cloud66_async") for item in found)
    return {"objects": len(found), "own": own, "kilobytes": pages * 4, "tasks": len(asyncio.all_tasks()) - 1}


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) - 1 if folder.is_dir() else 0


def rounds(settings: Settings) -> Iterator[Iterator[int]]:
    """Yield the numbers of the operations of each round."""
    size = max(settings.operations // ROUNDS, 1)
    loop, start = asyncio.get_running_loop(), 0
    end = None if settings.seconds is None else loop.time() + settings.seconds
    while loop.time() < end if end is not None else start < size * ROUNDS:
        yield iter(range(start, start + size))
        start += size


async def main(settings: Settings) -> None:
    problems: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(f"event loop: {context}"))
    sys.unraisablehook = lambda found: problems.append(f"unraisable: {found.exc_value!r} in {found.object!r}")
    tls = None if settings.ca_file is None else ssl.create_default_context(cafile=settings.ca_file)
    before = descriptors()
    retry, limits = Retry(base=0.2), Timeouts(connect=5, read=READ_TIMEOUT, total=20)
    options: dict[str, Any] = {"url": settings.url, "pool": settings.pool, "tls": tls, "clock": HurriedClock()}
    async with Cloud66(settings.tokens[0], limit=CONNECTIONS, retry=retry, timeout=limits, **options) as c66:
        load = Load(settings, c66)
        for numbers in rounds(settings):
            await load.round(numbers)
            say(state=state())
    await asyncio.sleep(0.05)
    problems += load.problems
    say(counts=load.counts, problems=problems[:5], **state(), descriptors=descriptors() - before)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)))
