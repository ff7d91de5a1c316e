"""Many calls, a few at a time, with a result for each item."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

import msgspec

from .errors import BulkError, Cloud66Error

__all__ = ["Failed", "Ok", "collect", "each", "values"]

K = TypeVar("K")
V = TypeVar("V")

_END: Any = object()


class Ok(msgspec.Struct, Generic[K, V], frozen=True):
    """What came back for `item`."""

    item: K
    value: V


class Failed(msgspec.Struct, Generic[K], frozen=True):
    """Why nothing came back for `item`."""

    item: K
    error: Cloud66Error


class _Run(Generic[K, V]):
    """The state that the workers and the reader of one run share."""

    def __init__(
        self, function: Callable[[K], Awaitable[V]], items: Iterable[K] | AsyncIterable[K], limit: int
    ) -> None:
        self._function = function
        self._items = aiter(items) if isinstance(items, AsyncIterable) else None
        self._plain = None if isinstance(items, AsyncIterable) else iter(items)
        self._limit = limit
        self._working = limit
        self._pulling = asyncio.Lock()  # an async iterator is not to be asked twice at once
        self._done: deque[Ok[K, V] | Failed[K]] = deque()
        self._bell = asyncio.Event()
        self._room = asyncio.Event()

    async def work(self) -> None:
        await self._work_through()
        # Not when it was interrupted: the reader would take that for the end of the items. It is interrupted too.
        self._working -= 1
        self._bell.set()

    def end(self) -> None:
        """Let nobody wait for a result any more."""
        self._working = 0
        self._bell.set()

    async def _work_through(self) -> None:
        # The items are pulled one by one as workers come free: they may have no end.
        function, done, plain = self._function, self._done, self._plain
        while (item := await self._pull() if plain is None else next(plain, _END)) is not _END:
            try:
                done.append(Ok(item, await function(item)))
            except Cloud66Error as error:
                done.append(Failed(item, error))
            self._bell.set()
            while len(done) >= self._limit:
                self._room.clear()
                await self._room.wait()

    async def _pull(self) -> K:
        assert self._items is not None
        async with self._pulling:
            return await anext(self._items, _END)

    async def results(self) -> AsyncIterator[Ok[K, V] | Failed[K]]:
        done = self._done
        while True:
            while done:
                yield done.popleft()
                self._room.set()
            if not self._working:
                return
            self._bell.clear()
            await self._bell.wait()


def each(
    function: Callable[[K], Awaitable[V]], items: Iterable[K] | AsyncIterable[K], *, limit: int = 32
) -> AbstractAsyncContextManager[AsyncIterator[Ok[K, V] | Failed[K]]]:
    """The results of `await function(item)` for every item, `limit` at a time, as they finish.

    A context manager that gives an iterator of `Ok` and `Failed`. The items may be any iterable or
    async iterable, also one without end: they are taken as places come free, and at most
    twice `limit` are under way or wait to be read. `Failed` holds an error of this package; any other exception
    of `function`, of `items` or of the block ends everything and leaves as itself. Leaving the block,
    however that happens, cancels what still runs and waits until it has ended.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    return _each(function, items, limit)


@asynccontextmanager
async def _each(
    function: Callable[[K], Awaitable[V]], items: Iterable[K] | AsyncIterable[K], limit: int
) -> AsyncGenerator[AsyncIterator[Ok[K, V] | Failed[K]]]:
    import anyio  # 20 ms to import, and not every program works in bulk

    run = _Run(function, items, limit)
    results = run.results()
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as group:
            for _ in range(limit):
                group.start_soon(run.work)
            try:
                yield results
            except BaseException as error:  # noqa: BLE001  it leaves below, as itself
                failure = error
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:  # several workers may fail at once; the first tells
        if failure is None or isinstance(failure, asyncio.CancelledError):
            failure = errors.exceptions[0]
    finally:
        run.end()
    if failure is not None:
        try:
            raise failure
        finally:
            failure = None  # no cycle: error -> traceback -> this frame -> error


async def collect(
    function: Callable[[K], Awaitable[V]], items: Iterable[K], *, limit: int = 32
) -> list[Ok[K, V] | Failed[K]]:
    """The results of `await function(item)` for every item, `limit` at a time, in the order of the items."""
    pairs = list(enumerate(items))
    found: dict[int, Ok[K, V] | Failed[K]] = {}

    async def numbered(pair: tuple[int, K]) -> V:
        return await function(pair[1])

    async with each(numbered, pairs, limit=limit) as results:
        async for result in results:
            match result:
                case Ok((number, item), value):
                    found[number] = Ok(item, value)
                case Failed((number, item), error):
                    found[number] = Failed(item, error)
    return [found[number] for number, _ in pairs]


def values(results: Sequence[Ok[K, V] | Failed[K]]) -> list[V]:
    """The values of `results`. Raises BulkError, which holds all of them, if one failed."""
    failed = [result.error for result in results if isinstance(result, Failed)]
    if failed:
        problem = BulkError(f"{len(failed)} of {len(results)} calls failed; the first: {failed[0]}", failed)
        problem.results = results
        raise problem
    return [result.value for result in results if isinstance(result, Ok)]
