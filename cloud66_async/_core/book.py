"""The book of a quota that several processes share: what they report to it, what it grants, and whether it works."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from ..errors import StoreError

__all__ = ["RETRY_SECONDS", "Book", "Grant", "Health", "Report"]

RETRY_SECONDS: Final = 1.0
"""Seconds between attempts to call a book that has failed, and between questions whether a quota is still exhausted."""

logger = logging.getLogger("cloud66_async")


class Report(NamedTuple):
    """What a process tells the book. Its numbers are totals, so that a call that is lost or repeated does no harm.

    `held` counts the permits in hand and the requests in flight. A call with a lower `sequence` than the latest one of
    the same owner arrived late.
    """

    owner: str
    sequence: int
    held: int
    want: int
    reserve: int
    generation: int
    limit: int | None
    remaining: int | None


class Grant(NamedTuple):
    """Permits from the book, and what all processes together know of the quota.

    `highest` is the highest number of remaining requests that was reported in this hour. If it `checks`, the response
    to its request shows how many requests a dead process has sent.
    """

    given: int
    generation: int = 0
    limit: int | None = None
    remaining: int | None = None
    highest: int | None = None
    checks: bool = False


class Book(Protocol):
    """What all processes know of one quota, and what each of them holds. Each hour has a page of its own."""

    async def exchange(self, hour: int, report: Report) -> Grant:
        """Store the report and return what is granted. Raises StoreError."""
        ...


class Health:
    """Whether the books can be reached. If not, one caller a second finds out whether they can again."""

    def __init__(self, when_unavailable: Literal["open", "closed"]) -> None:
        self.lost: bool = False
        self.closes: bool = when_unavailable == "closed"
        self._again = 0.0

    @property
    def pauses(self) -> bool:
        """Whether the books have failed less than a second ago, or are being tried."""
        return self.lost and monotonic() < self._again

    def attempt(self) -> None:
        """Let others wait for the result of this attempt instead of making their own."""
        self._again = monotonic() + RETRY_SECONDS

    def failed(self, error: StoreError) -> None:
        """Take note of a failure. The first one is logged."""
        self._again = monotonic() + RETRY_SECONDS
        if not self.lost:
            self.lost = True
            policy = "requests are refused" if self.closes else "each process limits its requests on its own"
            logger.warning("lost the shared quota, %s: %s", policy, error)

    def succeeded(self) -> None:
        """Take note of a success. The first one after failures is logged."""
        if self.lost:
            self.lost = False
            logger.info("the shared quota is available again")
