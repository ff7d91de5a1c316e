"""Concurrent calls with one result per item."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

import attrs
import msgspec

from ._core.arguments import check_iterable, check_limit
from ._core.deadline import inherit_deadlines
from ._core.loop import running_loop
from ._core.tasks import Failure, end_tasks
from .errors import Cloud66Error

__all__ = ["BatchReport", "BatchResult", "BulkError", "Failed", "Ok", "collect", "each", "values"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

_END: Any = object()


class Ok(msgspec.Struct, Generic[K, V], frozen=True):
    """Successful result for `item`."""

    item: K
    value: V


class Failed(msgspec.Struct, Generic[K], frozen=True):
    """Error raised for `item`."""

    item: K
    error: Cloud66Error


@attrs.frozen(kw_only=True)
class BatchReport:
    """The requests that reading many resources took: `pages` of their list, and `singles` one by one."""

    pages: int = 0
    singles: int = 0

    @property
    def requests(self) -> int:
        """The number of requests, not counting retries."""
        return self.pages + self.singles


class BatchResult(tuple[T, ...], Generic[T]):  # noqa: SLOT001  the report is an attribute
    """Resources in the order in which they were requested. `report` tells which requests that took."""

    report: BatchReport = BatchReport()


class BulkError(Cloud66Error, ExceptionGroup[Cloud66Error]):
    """Some of many calls failed.

    `results` has an `Ok` or a `Failed` for every item, in the order of the items, so that nothing that was read is
    lost. `exceptions` holds only the errors, so `except*` works. `report` tells which requests `get_many` sent.
    """

    results: Sequence[Ok[Any, Any] | Failed[Any]] = ()
    report: BatchReport | None = None

    def derive(self, excs: Sequence[Any]) -> BulkError:  # type: ignore[override]  # the base promises any exception
        """Return a part of this error for `except*` and `split`. It holds all results."""
        part = BulkError(self.message, excs)
        part.results = self.results
        return part


class _Run(Generic[K, V]):
    """One `each` block: the workers, and the results that the block has not yet read.

    The workers are tasks of their own rather than a task group, because a block may be left in another task than it
    was entered in: in a generator that is not read to its end, in a fixture, or in an exit stack.
    """

    def __init__(
        self, function: Callable[[K], Awaitable[V]], items: Iterable[K] | AsyncIterable[K], limit: int
    ) -> None:
        self._function = function
        self._items = aiter(items) if isinstance(items, AsyncIterable) else None
        self._plain = None if isinstance(items, AsyncIterable) else iter(items)
        self._limit = limit
        self._working = limit
        self._pulling = asyncio.Lock()  # an async iterator must not be advanced concurrently
        self._done: deque[Ok[K, V] | Failed[K]] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._failure = Failure()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> AsyncIterator[Ok[K, V] | Failed[K]]:
        loop, context = running_loop(), inherit_deadlines()
        self._tasks = [context.run(loop.create_task, self._work()) for _ in range(self._limit)]
        return self._results()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._working = 0
        self._changed.set()
        await end_tasks(self._tasks)
        if error is None:
            self._failure.raise_once()
        self._failure.error = None

    async def _work(self) -> None:
        try:
            await self._work_through()
        except BaseException as error:  # noqa: BLE001  raised in the block
            if self._working and self._failure.error is None:
                self._failure.error = error
        else:
            self._working -= 1
        self._changed.set()

    async def _work_through(self) -> None:
        # Read one item at a time, as workers become free: the iterable may be infinite.
        function, done, plain = self._function, self._done, self._plain
        while (item := await self._pull() if plain is None else next(plain, _END)) is not _END:
            try:
                done.append(Ok(item, await function(item)))
            except Cloud66Error as error:
                done.append(Failed(item, error))
            self._changed.set()
            while len(done) >= self._limit:
                self._room.clear()
                await self._room.wait()

    async def _pull(self) -> K:
        assert self._items is not None
        async with self._pulling:
            return await anext(self._items, _END)

    async def _results(self) -> AsyncIterator[Ok[K, V] | Failed[K]]:
        done, failure = self._done, self._failure
        while True:
            while done and failure.error is None:
                yield done.popleft()
                self._room.set()
            failure.raise_once()
            if not self._working:
                return
            self._changed.clear()
            await self._changed.wait()


def each(
    function: Callable[[K], Awaitable[V]], items: Iterable[K] | AsyncIterable[K], *, limit: int = 32
) -> AbstractAsyncContextManager[AsyncIterator[Ok[K, V] | Failed[K]]]:
    """Call `function` for every item concurrently and yield results as they finish.

    Use it as a context manager; it returns an async iterator of `Ok` and `Failed`. `items` may be any
    iterable or async iterable, even an infinite one. At most `limit` calls run at a time, and at most
    twice `limit` items are running or waiting to be read.

    `Failed` holds a `Cloud66Error`. Any other exception from `function` or `items` is raised unchanged at the next
    read, or at the end of the block, and an exception of the block propagates unchanged. Leaving the block cancels
    the remaining calls and waits for them.

    Raises ValueError if `limit` is less than 1.
    """
    check_limit("limit", limit)
    if not callable(function):
        raise TypeError(f"invalid function: expected an async function, not {type(function).__name__}")
    if not isinstance(items, AsyncIterable):
        check_iterable("items", items)
    return _Run(function, items, limit)


async def collect(
    function: Callable[[K], Awaitable[V]], items: Iterable[K], *, limit: int = 32
) -> list[Ok[K, V] | Failed[K]]:
    """Call `function` for every item concurrently and return the results in the order of the items."""
    check_iterable("items", items)
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
    """Return the values of `results`. Raise BulkError, which holds every result, if any call failed."""
    failed = [result.error for result in results if isinstance(result, Failed)]
    if failed:
        problem = BulkError(f"{len(failed)} of {len(results)} calls failed; first error: {failed[0]}", failed)
        problem.results = results
        raise problem
    return [result.value for result in results if isinstance(result, Ok)]
