"""Claims: notes of which writes of a run were begun and made, so that none is made twice when a worker dies."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Generator
from contextlib import contextmanager
from logging import Logger, getLogger
from typing import Any, Protocol

import msgspec

from ..client import Cloud66
from ..errors import (
    APIError,
    Cloud66Error,
    ConfigError,
    LoginError,
    QuotaError,
    RequestTimeout,
    ResponseError,
    ServerError,
    StoreError,
    TransportError,
)
from .batches import Batch

__all__ = ["Claim", "Claims", "claimed_call", "kept_result", "mark_of"]

logger: Logger = getLogger("cloud66_async")

_NOT_MADE = (APIError, QuotaError, LoginError, ConfigError)
_MAY_BE_MADE = (ServerError, RequestTimeout)


class Claim(msgspec.Struct, frozen=True):
    """An earlier claim of the same item.

    Args:
        mark: Digest of the item.
        result: What was stored at the end, or None if the write was begun and its end is not known.
    """

    mark: str
    result: bytes | None = None

    def __repr__(self) -> str:
        return f"<Claim, {'begun' if self.result is None else 'done'}>"


class Claims(Protocol):
    """Store that all workers share. It is pickled, so it has to open its connections in each process.

    Results are pickles, which can run code when they are read: a store must encrypt or sign them, and check that.
    """

    async def begin(self, run: str, number: int, mark: str) -> Claim | None:
        """Claim an item. Return None if that is new, and otherwise the earlier claim. Atomic. Raises StoreError."""
        ...

    async def finish(self, run: str, number: int, mark: str, result: bytes) -> None:
        """Store the result of a claimed item. Raises StoreError."""
        ...

    async def withdraw(self, run: str, number: int) -> None:
        """Delete the claim of an item that was certainly not changed. Raises StoreError."""
        ...

    async def clear(self, run: str) -> None:
        """Delete every claim of a run. Raises StoreError."""
        ...

    async def aclose(self) -> None:
        """Close the connections of this process."""
        ...


async def claimed_call(claims: Claims, batch: Batch, number: int, item: Any, c66: Cloud66) -> Any:
    """Return the result of a write that is made once in a run. Raises its errors.

    The item must be the same for its number whenever the run is continued.
    """
    run, work = batch.run, batch.work
    mark, recovery = mark_of(run, item), work.recovery
    earlier = await claims.begin(run, number, mark)
    if earlier is not None and (recovery is None or earlier.result is not None or earlier.mark != mark):
        return kept_result(earlier, mark, run, number)
    try:
        if recovery is not None and earlier is not None:
            value = await recovery.function(c66, item)
        else:
            value = await work.call(c66, item)
    except Cloud66Error as error:
        if work.single and _was_not_made(error):
            with _logged(run, number):
                await claims.withdraw(run, number)
        elif recovery is None:
            await _finish(claims, run, number, mark, error)
        raise
    if recovery is None or recovery.is_final(value):
        await _finish(claims, run, number, mark, value)
    return value


def kept_result(claim: Claim, mark: str, run: str, number: int) -> Any:
    """Return the result of an earlier claim, or raise its error. Raises TransportError if its end is not known."""
    if claim.mark != mark:
        raise ConfigError(
            f"item {number} of the run {run!r} was another one before; pass the same items, or another name as run"
        )
    if claim.result is None:
        raise TransportError("the worker died before the end of this write: it may have been made", sent=True)
    try:
        found = pickle.loads(claim.result)  # noqa: S301  the store checks that nobody has changed it
    except Exception:  # noqa: BLE001  for example of another version
        raise ResponseError("the write was made, but its stored result cannot be read") from None
    if isinstance(found, Cloud66Error):
        raise found
    return found


def mark_of(run: str, item: Any) -> str:
    """Return a digest of an item. It is empty for items that are not plain data, which are then not compared."""
    try:
        body = msgspec.json.encode(item, order="deterministic")
    except (TypeError, ValueError, OverflowError, RecursionError):
        return ""
    return hashlib.sha256(run.encode() + b"\0" + body).hexdigest()[:16]


def _was_not_made(error: Cloud66Error) -> bool:
    if isinstance(error, TransportError):
        return not error.sent
    return isinstance(error, _NOT_MADE) and not isinstance(error, _MAY_BE_MADE)


async def _finish(claims: Claims, run: str, number: int, mark: str, result: Any) -> None:
    """Store a result. The write was made, so a store that fails must not turn it into an error."""
    with _logged(run, number):
        await claims.finish(run, number, mark, pickle.dumps(result))


@contextmanager
def _logged(run: str, number: int) -> Generator[None]:
    """Log that the store has failed. Without the end of a write, it counts as one that may have been made."""
    try:
        yield
    except StoreError as error:
        logger.warning("did not store the end of item %d of the run %s: %s", number, run, error)
