"""Engine on Dask, for `cluster.each` and `cluster.rollout`. Requires the extra `dask`."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from itertools import count
from typing import Any, Final

from ..client import Cloud66
from ..cluster import Batch, BatchOutcome, Connect, EngineError, Worker
from ..errors import ConfigError

try:
    from distributed import Client, KilledWorker, WorkerPlugin
except ImportError:
    raise ImportError("missing package 'distributed'; install it with pip install \"cloud66-async[dask]\"") from None

__all__ = ["DaskEngine"]

_FIRST_TIMEOUT: Final = 2.0  # seconds to fetch the result of a task
_MAX_TIMEOUT: Final = 60.0
_PAUSE: Final = 0.1
_COUNT_INTERVAL: Final = 5.0

_workers: Final[dict[str, _SharedWorker]] = {}
"""The workers of this process, by the name of their engine."""


class DaskEngine:
    """Engine whose batches run on the workers of a Dask cluster, each of which has one client and connection pool.

    Every worker needs this package, the modules of the functions that it calls, and access to the token. What is sent
    passes through the scheduler: use TLS between the machines of a cluster.

    Args:
        client: Dask's client, which must be asynchronous: `Client(address, asynchronous=True)`.
        connect: Function that creates the client of a worker process. By default that is `Cloud66()`, which finds the
            token in the environment or in a stored login of the worker. See `StoredLogin`.
    """

    def __init__(self, client: Client, connect: Connect = Cloud66) -> None:
        if not client.asynchronous:
            raise ConfigError("the Dask client is not asynchronous; create it as Client(address, asynchronous=True)")
        self._client: Any = client  # partly untyped
        self._connect = connect
        self._name = f"cloud66-{os.urandom(8).hex()}"
        self._is_open = False
        self._slots = 0
        self._counted = -_COUNT_INTERVAL

    def __repr__(self) -> str:
        return f"<DaskEngine with {self.slots} slots>"

    @property
    def slots(self) -> int:
        """The number of threads of all workers. Each runs one batch at a time. Known after `open`."""
        return self._slots

    async def open(self) -> None:
        """Create a client in each worker process, also in those that start later. Raises what its creation raises."""
        if not self._is_open:
            await self._client.register_plugin(_Plugin(self._name, self._connect), name=self._name)
            self._is_open = True
        self._counted = -_COUNT_INTERVAL
        await self._count()

    async def run(self, batch: Batch) -> BatchOutcome:
        """Carry a batch out. Dask gives it to another worker if one dies, by default three times.

        Then, or if the task was cancelled from elsewhere, it raises EngineError.
        """
        await self._count()
        future: Any = self._client.submit(_run, self._name, batch, key=batch.key, pure=False)
        try:
            return await self._result(future)
        except KilledWorker:
            raise EngineError("the item was given up: several workers died while they worked on its batch") from None
        finally:
            future.release()

    async def _count(self) -> None:
        """Count the threads, if that was not done lately: workers come and go."""
        now = asyncio.get_running_loop().time()
        if now - self._counted >= _COUNT_INTERVAL:
            self._counted = now
            threads: dict[str, int] = await self._client.nthreads()
            self._slots = sum(threads.values())

    async def _result(self, future: Any) -> BatchOutcome:
        """Return the result of a task, again if it was lost with the memory of a worker."""
        for attempt in count():
            error: Exception | None = await future.exception()  # when it has ended
            if error is not None:
                raise error
            if future.cancelled():
                raise EngineError("the item was given up: its task was cancelled, or the scheduler is gone")
            # Not `await future`: if a worker has died, Dask tries to connect to it for 30 seconds, and results of other
            # workers have to wait meanwhile.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_FIRST_TIMEOUT * 2**attempt, _MAX_TIMEOUT)):
                    response: dict[str, Any] = await self._client.scheduler.gather(keys=[future.key])
                if future.key in response.get("data", ()):
                    outcome: BatchOutcome = response["data"][future.key]
                    return outcome
                await asyncio.sleep(_PAUSE)
        raise AssertionError

    async def cancel(self, block: str) -> None:
        """End the batches of a block in all workers, and wait until they have ended."""
        await self._client.run(_cancel, self._name, block)

    async def aclose(self) -> None:
        """Close the clients in the workers. The cluster continues."""
        if self._is_open:
            self._is_open = False
            await self._client.unregister_worker_plugin(self._name)


class _SharedWorker:
    """The worker of a process. Several workers of Dask may run in one, with one event loop."""

    def __init__(self, connect: Connect) -> None:
        self._worker = Worker(connect)
        self._opening: asyncio.Task[None] | None = None
        self.users = 0

    async def opened(self) -> Worker:
        """Return the worker when it has its client."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._worker.open())
        await asyncio.shield(self._opening)
        return self._worker

    async def aclose(self) -> None:
        """Close the worker."""
        await self._worker.aclose()


class _Plugin(WorkerPlugin):
    """Opens the worker in each process, and closes it."""

    def __init__(self, name: str, connect: Connect) -> None:
        self._name = name
        self._connect = connect

    async def setup(self, worker: object) -> None:  # noqa: ARG002
        """Create the client of the process."""
        found = _workers.setdefault(self._name, _SharedWorker(self._connect))
        found.users += 1
        try:
            await found.opened()
        except BaseException:
            _workers.pop(self._name, None)  # the next attempt starts again
            raise

    async def teardown(self, worker: object) -> None:  # noqa: ARG002
        """Close the client of the process."""
        found = _workers.get(self._name)
        if found is not None:
            found.users -= 1
            if not found.users:
                del _workers[self._name]
                await found.aclose()


async def _run(name: str, batch: Batch) -> BatchOutcome:
    found = _workers.get(name)
    if found is None:
        return BatchOutcome(())  # the engine was closed meanwhile
    return await (await found.opened()).run(batch)


async def _cancel(name: str, block: str) -> None:
    found = _workers.get(name)
    if found is not None:
        await (await found.opened()).cancel(block)
