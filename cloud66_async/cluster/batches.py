"""Batches of items, which are what an engine sends to its workers, and what comes back."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from itertools import islice
from typing import Any, TypeVar

import msgspec

from ..bulk import Failed, Ok
from ..errors import Cloud66Error
from .work import Work

__all__ = ["Batch", "BatchOutcome", "EngineError", "chunks", "portable"]

K = TypeVar("K")


class EngineError(Cloud66Error):
    """The engine gave up an item, for example because a worker died with it several times.

    A write that fails with this error was not made.
    """


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Items that one worker works on. An engine only has to pickle it and give it to `Worker.run`.

    Args:
        block: Random ID of the `each` block, which `Engine.cancel` names.
        number: Number of the batch in its block.
        work: What is called for each item.
        items: Items with their numbers.
        run: Name of the run, in which each write is made once.
        claims: Pickled `Claims` of a run that writes, or None.
    """

    block: str
    number: int
    work: Work
    items: tuple[tuple[int, Any], ...]
    run: str
    claims: bytes | None = None

    @property
    def key(self) -> str:
        """A name that no other batch has."""
        return f"cloud66-{self.block}-{self.number}"

    def __repr__(self) -> str:
        return f"<Batch {self.key}: {len(self.items)} items>"  # the items may hold secrets


class BatchOutcome(msgspec.Struct, frozen=True):
    """What a worker has done with a batch.

    Args:
        results: Results in order of completion, with the number of each item in place of the item.
        failure: Exception of the function that is not an error of this package, or None.
    """

    results: tuple[Ok[int, Any] | Failed[int], ...]
    failure: Exception | None = None


def portable(error: Exception) -> Exception:
    """Return the error with its traceback as a note. If it cannot be pickled, return an EngineError with its text."""
    note = "in a worker process:\n" + "".join(traceback.format_tb(error.__traceback__)).rstrip()
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  just pickled
    except Exception:  # noqa: BLE001  `__reduce__` of any class
        error = EngineError(f"the function raised {type(error).__name__}, which cannot be sent to another process")
    error.add_note(note)
    return error


async def chunks(items: Iterable[K] | AsyncIterable[K], size: int) -> AsyncGenerator[tuple[tuple[int, K], ...]]:
    """Yield the items with their numbers, up to `size` at a time. Items are not read before they are needed."""
    number = 0
    if not isinstance(items, AsyncIterable):
        iterator = iter(items)
        while chunk := tuple(enumerate(islice(iterator, size), number)):
            number += len(chunk)
            yield chunk
        return
    pending: list[tuple[int, K]] = []
    async for item in items:
        pending.append((number, item))
        number += 1
        if len(pending) == size:
            yield tuple(pending)
            pending.clear()
    if pending:
        yield tuple(pending)
