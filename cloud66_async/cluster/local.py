"""LocalEngine: worker processes on this machine, without another package."""

from __future__ import annotations

import asyncio
import os
import pickle
from contextlib import suppress
from types import TracebackType
from typing import Self

from .._core.arguments import check_limit
from .._core.loop import running_loop
from ..client import Cloud66
from .batches import Batch, BatchOutcome, EngineError
from .local_process import LocalProcess, ProcessDied
from .worker import Connect

__all__ = ["LocalEngine"]

_MAX_LOSSES = 3  # processes that may die with one batch, as in Dask


class LocalEngine:
    """Engine with worker processes on this machine. A process that dies is replaced.

    Use it as a context manager, or call `aclose()` at the end. It belongs to the event loop of its first use. The
    processes are started with "spawn", so a script needs `if __name__ == "__main__":` around what it runs.

    Args:
        connect: Function that creates the client in each process. By default that is `Cloud66()`.
        processes: Number of processes. The default is the number of CPU cores.
        slots_per_process: Number of batches that a process works on at a time.
    """

    def __init__(self, connect: Connect = Cloud66, *, processes: int | None = None, slots_per_process: int = 4) -> None:
        count = (os.cpu_count() or 1) if processes is None else processes
        check_limit("processes", count)
        check_limit("slots_per_process", slots_per_process)
        self._connect = pickle.dumps(connect)
        self._count = count
        self._slots = slots_per_process
        self._free: asyncio.Semaphore | None = None
        self._processes: list[LocalProcess] = []

    def __repr__(self) -> str:
        return f"<LocalEngine with {self._count} processes>"

    @property
    def slots(self) -> int:
        """The number of batches that run at a time."""
        return self._count * self._slots

    @property
    def pids(self) -> tuple[int, ...]:
        """The IDs of the running processes."""
        return tuple(process.pid for process in self._processes if process.alive)

    async def open(self) -> None:
        """Start the processes and wait until each has its client. Raises what its creation raises."""
        running_loop()
        if self._free is None:
            self._free = asyncio.Semaphore(self.slots)
        self._replace_dead()
        for process in self._processes:
            await process.ready()

    async def run(self, batch: Batch) -> BatchOutcome:
        """Carry a batch out, in another process if the first dies. Raises EngineError after the third."""
        assert self._free is not None, "open() comes first"
        async with self._free:
            for _ in range(_MAX_LOSSES):
                self._replace_dead()
                process = min(self._processes, key=lambda process: process.load)
                try:
                    await process.ready()
                    return await process.run(batch)
                except ProcessDied:
                    continue
        raise EngineError(f"the item was given up: {_MAX_LOSSES} worker processes died while they worked on its batch")

    async def cancel(self, block: str) -> None:
        """End the batches of a block in all processes, and wait until they have ended."""
        for process in self._processes:
            with suppress(ProcessDied):
                await process.cancel(block)

    async def aclose(self) -> None:
        """End the processes and wait for them."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.close()
        for process in processes:
            await process.wait()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _replace_dead(self) -> None:
        alive = [process for process in self._processes if process.alive]
        missing = self._count - len(alive)
        self._processes = alive + [LocalProcess(self._connect) for _ in range(missing)]
