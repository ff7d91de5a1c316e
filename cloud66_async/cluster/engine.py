"""Engine: what carries batches to worker processes. Implement it to use another one than Dask."""

from __future__ import annotations

from typing import Protocol

from .batches import Batch, BatchOutcome

__all__ = ["Engine"]


class Engine(Protocol):
    """Carries batches to worker processes, each of which has one `Worker`.

    An engine for Ray or for a task queue needs these four members, and a function in its worker processes that creates
    a `Worker` once and passes batches to it.
    """

    @property
    def slots(self) -> int:
        """The number of batches that all workers together run at a time. Read after `open`, and it may change."""
        ...

    async def open(self) -> None:
        """Make the workers ready. It is called at the start of each block, and has no effect the second time."""
        ...

    async def run(self, batch: Batch) -> BatchOutcome:
        """Give a batch to a worker and return what `Worker.run` returned.

        If the worker dies, give it to another one. Raise EngineError after several such attempts, and any other
        exception if nothing more can be done. If this is cancelled, the batch is no longer wanted.
        """
        ...

    async def cancel(self, block: str) -> None:
        """Await `Worker.cancel` with this ID in every worker process."""
        ...
