"""Running: one `each` block, which sends batches to an engine and yields their results."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sized
from contextlib import aclosing, suppress
from itertools import count
from types import TracebackType
from typing import Any, Generic, TypeVar

from .._core.loop import running_loop
from .._core.tasks import Failure, end_tasks
from ..bulk import Failed, Ok
from ..errors import Cloud66Error
from .batches import Batch, BatchOutcome, EngineError, chunks
from .claims import Claims, kept_result, mark_of
from .engine import Engine
from .work import Work

__all__ = ["Progress", "Running"]

K = TypeVar("K")

Progress = Callable[[int, int, int | None], object]
"""Function that is called with the number of finished items, of failed ones among them, and of all if it is known."""

_PER_SLOT = 3  # batches that are sent to the engine for each that can run: none has to wait for the next one
_CANCEL_SECONDS = 5.0


class Running(Generic[K]):
    """One `each` block.

    Args:
        engine: Engine that carries the batches.
        work: What is called for each item.
        items: Items.
        size: Maximum number of items in a batch.
        window: Maximum number of items that are sent and not yet read. There are no more than slots. None means three
            batches for each slot.
        claims: Pickled store of claims if the work writes.
        run: Name of the run, or None.
        progress: Function that is called as results arrive.
    """

    def __init__(
        self,
        engine: Engine,
        work: Work,
        items: Iterable[K] | AsyncIterable[K],
        *,
        size: int,
        window: int | None = None,
        claims: bytes | None = None,
        run: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._engine = engine
        self._work = work
        self._items = items
        self._size = size
        self._window = window
        self._pickled = claims
        # A copy, as each worker has: its connections can be closed at the end, whatever else uses the original.
        self._claims: Claims | None = None if claims is None else pickle.loads(claims)  # noqa: S301  from the caller
        self._progress = progress
        self._block = os.urandom(8).hex()
        self._run = run or self._block
        self._clears = run is None  # nothing else can refer to the run later
        self._total = len(items) if isinstance(items, Sized) else None
        self._sent = self._finished = self._failed = self._unread = 0
        self._ready: deque[Ok[K, Any] | Failed[K]] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._failure = Failure()
        self._feeder: asyncio.Task[None] | None = None
        self._carriers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> AsyncIterator[Ok[K, Any] | Failed[K]]:
        loop = running_loop()
        await self._engine.open()
        if self._total is not None:  # few items are spread over all workers
            self._size = max(1, min(self._size, -(-self._total // max(1, self._engine.slots))))
        self._feeder = loop.create_task(self._guard(self._feed()))
        return self._results()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = {task for task in (self._feeder, *self._carriers) if task is not None}
        ended = all(task.done() for task in tasks)
        try:
            await end_tasks(tasks)
        finally:
            await self._clean_up(complete=ended and self._failure.error is None)
        if error is None:
            self._failure.raise_once()
        self._failure.error = None

    async def _clean_up(self, *, complete: bool) -> None:
        """Stop what still runs in the workers, and delete claims that nothing can refer to."""
        import anyio  # imported lazily: takes 20 ms

        # Also in a cancelled scope, but not for long: the engine may be gone.
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True), suppress(Cloud66Error):
            if not complete:
                await self._engine.cancel(self._block)
            elif self._claims is not None and self._clears:
                await self._claims.clear(self._run)
        if self._claims is not None:
            with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
                await self._claims.aclose()

    # --- to the engine ---------------------------------------------------------------------------

    async def _guard(self, part: Any) -> None:
        """Await a part of the work, and let the block raise its error."""
        try:
            await part
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised in the block
            self._failure.error = self._failure.error or error
        finally:
            self._changed.set()

    @property
    def _is_full(self) -> bool:
        """Whether the next batch has to wait until results were read."""
        slots = max(1, self._engine.slots)  # without workers, those that are about to come
        window = _PER_SLOT * slots * self._size if self._window is None else min(self._window, slots)
        return self._unread > 0 and self._unread + self._size > window

    async def _feed(self) -> None:
        """Send batches as long as there are items and room."""
        loop = asyncio.get_running_loop()
        block, run, work, claims = self._block, self._run, self._work, self._pickled
        async with aclosing(chunks(self._items, self._size)) as source:
            for number in count():
                while self._is_full:
                    self._room.clear()
                    await self._room.wait()
                items = await anext(source, None)
                if items is None:
                    return
                self._unread += len(items)
                self._sent += len(items)
                batch = Batch(block=block, number=number, work=work, items=items, run=run, claims=claims)
                task = loop.create_task(self._guard(self._carry(batch)))
                self._carriers.add(task)
                task.add_done_callback(self._carriers.discard)

    async def _carry(self, batch: Batch) -> None:
        """Let the engine carry one batch, and take the results in."""
        error: EngineError | None = None
        try:
            outcome = await self._engine.run(batch)
        except EngineError as lost:
            outcome, error = BatchOutcome(()), lost
        items = dict(batch.items)
        for result in outcome.results:
            item = items.pop(result.item)
            self._take(Ok(item, result.value) if isinstance(result, Ok) else Failed(item, result.error))
        if outcome.failure is None:
            error = error or EngineError("the worker stopped before it came to this item")
            for number, item in items.items():
                self._take(await self._lost(number, item, error))
        else:
            self._failure.error = self._failure.error or outcome.failure
        if self._progress is not None:
            self._progress(self._finished, self._failed, self._total)
        self._changed.set()

    async def _lost(self, number: int, item: K, error: EngineError) -> Ok[K, Any] | Failed[K]:
        """Return the result of an item for which the engine has none."""
        if self._claims is None:
            return Failed(item, error)
        mark = mark_of(self._run, item)
        try:
            claim = await self._claims.begin(self._run, number, mark)
            if claim is not None:
                return Ok(item, kept_result(claim, mark, self._run, number))
            await self._claims.withdraw(self._run, number)
        except Cloud66Error as kept:
            return Failed(item, kept)
        return Failed(item, error)

    def _take(self, result: Ok[K, Any] | Failed[K]) -> None:
        self._ready.append(result)
        self._finished += 1
        self._failed += isinstance(result, Failed)

    # --- to the block ----------------------------------------------------------------------------

    async def _results(self) -> AsyncIterator[Ok[K, Any] | Failed[K]]:
        feeder, ready, failure = self._feeder, self._ready, self._failure
        assert feeder is not None
        while True:
            while ready and failure.error is None:
                self._unread -= 1
                self._room.set()
                yield ready.popleft()
            failure.raise_once()
            if feeder.done() and self._finished == self._sent and not ready:
                return
            self._changed.clear()
            await self._changed.wait()
