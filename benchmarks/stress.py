"""Stress: many reads started together, and many reads cancelled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any

from cloud66_async import Cloud66

from .rows import TOKEN, Target
from .samples import uid

__all__ = ["SCENARIOS"]

Read = Callable[[int], Awaitable[object]]


async def burst(target: Target, row: str, count: int, limit: int) -> dict[str, float]:
    """Count the successes of `count` reads started together, with the default timeouts and `limit` connections."""

    async def run(read: Read) -> dict[str, float]:
        return _count(await asyncio.gather(*map(read, range(count)), return_exceptions=True))

    if row == "cloud66-async":
        async with Cloud66(TOKEN, url=target.url, limit=limit) as c66:
            return await run(lambda number: c66.stacks.get(uid(number)))
    async with _httpx_client(limit) as client:
        return await run(lambda number: client.get(_url(target, number)))


async def cancellation(target: Target, row: str, count: int, limit: int) -> dict[str, float]:
    """Cancel `count` reads at random times. Return whether a pool of `limit` connections still works, and its size."""
    before = _open_sockets()
    if row == "cloud66-async":
        async with Cloud66(TOKEN, url=target.url, limit=limit, timeout=2.0) as c66:
            found = await _cancel(lambda number: c66.stacks.get(uid(number)), count)
            found["open"] = _open_sockets() - before
    else:
        async with _httpx_client(limit, timeout=2.0) as client:
            found = await _cancel(lambda number: client.get(_url(target, number)), count)
            found["open"] = _open_sockets() - before
    await asyncio.sleep(0.1)
    return found | {"limit": limit, "left open": _open_sockets() - before}


def _httpx_client(limit: int, **options: Any) -> Any:
    httpx: Any = import_module("httpx")
    return httpx.AsyncClient(limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit), **options)


def _url(target: Target, number: int) -> str:
    return f"{target.url}/api/3/stacks/{uid(number)}.json"


async def _cancel(read: Read, count: int) -> dict[str, float]:
    chance = random.Random(66)

    async def one(number: int) -> None:
        task = asyncio.ensure_future(read(number))
        await asyncio.sleep(chance.uniform(0.0, 0.06))
        task.cancel()
        await asyncio.wait([task])

    for start in range(0, count, 100):
        await asyncio.gather(*(one(number) for number in range(start, start + 100)))
    return _count(await asyncio.gather(*map(read, range(100)), return_exceptions=True))


def _count(results: list[Any]) -> dict[str, float]:
    failed = sum(isinstance(result, BaseException) for result in results)
    return {"succeeded": len(results) - failed, "failed": failed}


def _open_sockets() -> int:
    """Return the number of sockets that this process has open."""
    links = Path("/proc/self/fd")
    return sum(_is_socket(link) for link in links.iterdir()) if links.exists() else 0


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except OSError:  # the descriptor of the folder itself, which is closed by now
        return False


SCENARIOS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, float]]]] = {
    "burst": burst,
    "cancellation": cancellation,
}
