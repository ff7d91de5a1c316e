"""Blocks with iterators that are left after any number of items: nothing is left behind, and the same client works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ..conftest import PoolName
from .served import Served, serve
from .uses import started

MOST = 100
"""More items than any iterator has."""


@asynccontextmanager
async def followed(served: Served) -> AsyncGenerator[AsyncIterator[Any]]:
    async with aclosing(served.c66.actions.follow(await started(served))) as found:
        yield found


@asynccontextmanager
async def streamed(served: Served) -> AsyncGenerator[AsyncIterator[Any]]:
    async with served.c66.stream("GET", "/stacks.json") as response:
        yield aiter(response)


BLOCKS: dict[str, Callable[[Served], AbstractAsyncContextManager[AsyncIterator[Any]]]] = {
    "follow": followed,
    "each": lambda served: served.c66.each(served.c66.stacks.get, [*served.uids[:8], "none"], limit=3),
    "prefetch": lambda served: served.c66.stacks.list().prefetch(2),
    "stream": streamed,
}


@pytest.mark.parametrize("name", BLOCKS)
async def test_break_in_a_block_after_any_number_of_items(name: str, transport: PoolName, tmp_path: Path) -> None:
    async with serve(transport, tmp_path) as served:
        for most in range(MOST):
            count = 0
            async with BLOCKS[name](served) as found:
                async for _ in found:
                    if count == most:
                        break
                    count += 1
            await served.check(f"{name}: break after {count}")
            if count < most:
                assert count > 0
                return
    pytest.fail(f"more than {MOST} items")


async def test_break_out_of_follow_without_a_block(transport: PoolName, tmp_path: Path) -> None:
    async with serve(transport, tmp_path) as served:
        for most in range(MOST):
            count = 0
            async for _ in served.c66.actions.follow(await started(served)):
                if count == most:
                    break
                count += 1
            await served.check(f"break after {count}")
            if count < most:
                return
    pytest.fail(f"more than {MOST} items")
