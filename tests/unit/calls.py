"""Items and functions for tests of concurrent calls."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

__all__ = ["ControlledCalls", "async_range", "double", "never"]


async def double(item: int) -> int:
    await asyncio.sleep(0)
    return item * 2


async def never(_: object) -> int:
    await asyncio.Event().wait()
    raise AssertionError


class ControlledCalls:
    """An async function whose calls return once the test finishes them."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[int]] = {}
        self.cancelled: list[int] = []

    async def __call__(self, item: int) -> int:
        self.waiting[item] = asyncio.get_running_loop().create_future()
        try:
            return await self.waiting[item]
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise

    def finish(self, item: int) -> None:
        self.waiting[item].set_result(item * 10)


async def async_range(count: int | None = None) -> AsyncIterator[int]:
    for number in itertools.count() if count is None else range(count):
        await asyncio.sleep(0)
        yield number
