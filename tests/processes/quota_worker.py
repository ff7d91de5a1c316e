"""A process that uses a shared quota as fast as it can. `Fleet` starts it and reads what it prints at its end."""

from __future__ import annotations

import asyncio
import json
import logging
import mmap
import signal
import struct
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cloud66_async import Cloud66, QuotaError, Retry, Throttled, TransportError
from cloud66_async.integrations.redis import RedisQuota

ROOT = Path(__file__).parents[2]
FIRST = 8
"""Requests of each process before any of them goes on: enough to hold permits."""


class FileClock:
    """A clock that several processes read from a file. A pause takes real time."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        (seconds,) = struct.unpack("d", self._map[:8])
        return datetime.fromtimestamp(seconds, UTC)

    def set(self, time: datetime) -> None:
        self._map[:8] = struct.pack("d", time.timestamp())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @classmethod
    def create(cls, path: Path, time: datetime) -> FileClock:
        path.write_bytes(bytes(8))
        clock = cls(path)
        clock.set(time)
        return clock


class Worker:
    """One worker process. Its counts are those of `Hammer`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.quota_worker", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def wait_for(self, line: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{line}\n"

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def result(self) -> Counter[str]:
        """Wait for the end of the process and return what it counted."""
        output, _ = self.process.communicate(timeout=100)
        assert self.process.returncode == 0
        return Counter(json.loads(output))


class Fleet:
    """Several workers that start at the same time, and go on when each of them has sent its first requests."""

    def __init__(self, count: int, **options: Any) -> None:
        self.workers = [Worker({**options, "name": number}) for number in range(count)]

    def __enter__(self) -> Self:
        try:
            for line, answer in (("ready", "start"), ("busy", "go on")):
                for worker in self.workers:
                    worker.wait_for(line)
                for worker in self.workers:
                    worker.tell(answer)
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> Counter[str]:
        """End the workers that are still running and return what they counted together."""
        running = [worker for worker in self.workers if worker.process.poll() is None]
        for worker in running:
            worker.tell("stop")
        return sum((worker.result() for worker in running), Counter[str]())

    def result(self) -> Counter[str]:
        """Wait until the quota is exhausted, and return what the workers counted together."""
        running = [worker for worker in self.workers if worker.process.returncode != -signal.SIGKILL]
        return sum((worker.result() for worker in running), Counter[str]())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.communicate()


class Hammer:
    """Tasks that send requests until the quota is exhausted, and for longer if `endless`."""

    def __init__(self, c66: Cloud66, stack: str, *, endless: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._c66 = c66
        self._stack = stack
        self._endless = endless
        self._stopped = False

    async def begin(self) -> None:
        await asyncio.gather(*(self._send() for _ in range(FIRST)))

    async def run(self, tasks: int) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin, self._read_input)
        await asyncio.gather(*(self._work() for _ in range(tasks)))

    def _read_input(self) -> None:
        self._stopped = sys.stdin.readline() == "stop\n"
        asyncio.get_running_loop().remove_reader(sys.stdin)

    async def _send(self) -> None:
        await self._c66.stacks.get(self._stack)
        self.counts["ok"] += 1

    async def _work(self) -> None:
        while not self._stopped:
            try:
                await self._send()
            except QuotaError as error:
                if error.retry_at is not None and not self._endless:
                    self.counts["exhausted"] += 1
                    return
                self.counts["refused"] += 1
                await asyncio.sleep(0.02)
            except Throttled:
                self.counts["throttled"] += 1
                await asyncio.sleep(0.02)
            except TransportError:
                self.counts["no response"] += 1


class LogCounter(logging.Handler):
    """Counts what is logged about the shared quota."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    def emit(self, record: logging.LogRecord) -> None:
        self._counts[record.levelname] += "shared quota" in record.getMessage()


async def _meet(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)


async def main(options: dict[str, Any]) -> None:
    shared = RedisQuota(
        options["redis"],
        processes=options.get("processes", 4),
        lease=options.get("lease", 16),
        when_unavailable=options.get("when_unavailable", "open"),
    )
    async with Cloud66(
        options["tokens"][options["name"] % len(options["tokens"])],
        url=options["url"],
        clock=FileClock(Path(options["clock"])),
        limit=options["tasks"],
        retry=Retry(attempts=1),
        shared_quota=shared,
        user=options.get("user"),
        when_exhausted="refuse",
    ) as c66:
        hammer = Hammer(c66, options["stack"], endless=options.get("endless", False))
        logger = logging.getLogger("cloud66_async")
        logger.setLevel(logging.INFO)
        logger.addHandler(LogCounter(hammer.counts))
        import_module("redis.asyncio")  # takes as long as many requests
        await _meet("ready")
        await hammer.begin()
        await _meet("busy")
        await hammer.run(options["tasks"])
    sys.stdout.write(json.dumps(hammer.counts))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
