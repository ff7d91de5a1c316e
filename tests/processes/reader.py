"""A process that shares reads, for the tests: `python -m tests.processes.reader URL REDIS`.

It reads commands from its standard input, as JSON in lines, and carries them out one after the other.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

from cloud66_async import Cloud66
from cloud66_async.integrations.redis.reads import RedisReads
from cloud66_async.resources import stacks

SECONDS = 60.0  # in which a process must have done something


class Reader:
    """A process, seen from the test that has started it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str, redis: str) -> Self:
        """Start a process and wait until it is ready."""
        pipe = asyncio.subprocess.PIPE
        arguments = (sys.executable, "-m", "tests.processes.reader", url, redis)
        found = cls(await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe))
        await found._receive()
        return found

    async def read(self, token: str, stack: str, times: int = 1) -> list[float | None]:
        """Read a stack several times at the same time. Return the ages of the responses."""
        found: list[float | None] = await self._ask("read", token, stack, times)
        return found

    async def name(self, token: str, stack: str) -> str:
        """Read a stack and return its name."""
        return str(await self._ask("name", token, stack))

    async def redeploy(self, token: str, stack: str) -> None:
        """Start a deployment."""
        await self._ask("redeploy", token, stack)

    async def kill(self) -> None:
        """End the process at once, as a crash does."""
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        """Let the process close everything, and wait for its end."""
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            async with asyncio.timeout(SECONDS):
                assert await self._process.wait() == 0

    async def _ask(self, *command: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self._receive()

    async def _receive(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def readers(count: int, url: str, redis: str) -> AsyncGenerator[list[Reader]]:
    """Start processes, and end them after the block."""
    found = await asyncio.gather(*(Reader.start(url, redis) for _ in range(count)))
    try:
        yield found
    finally:
        await asyncio.gather(*(reader.end() for reader in found))


async def carry_out(c66: Cloud66, name: str, stack: str, times: int = 1) -> object:
    """Carry out a command and return what the test gets."""
    if name == "redeploy":
        await c66.stacks.redeploy(stack)
        return None
    if name == "name":
        return (await c66.stacks.get(stack)).name
    responses = await asyncio.gather(*(c66.send(stacks.GET.bind(stack=stack)) for _ in range(times)))
    return [response.age for response in responses]


async def main(url: str, redis: str) -> None:
    """Carry out the commands."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    reads = RedisReads(redis)
    await reads.changed("nobody")  # imports redis-py, which takes long while many processes do
    print("null", flush=True)  # noqa: T201  ready
    async with Cloud66("none", url=url, shared_reads=reads) as c66:
        while line := await lines.readline():
            name, token, *arguments = json.loads(line)
            print(json.dumps(await carry_out(c66.using(token=token), name, *arguments)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
