"""Trials of strength: everything at once, everything cancelled."""

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

__all__ = ["TRIALS"]


async def crowd(target: Target, count: int, flight: int, *, peer: bool) -> dict[str, float]:
    """How many of `count` reads started at once are answered, with the default timeouts and a pool of `flight`."""
    if not peer:
        async with Cloud66(TOKEN, url=target.url, limit=flight) as c66:
            return _tally(await asyncio.gather(*(c66.stacks.get(uid(n)) for n in range(count)), return_exceptions=True))
    httpx: Any = import_module("httpx")
    limits = httpx.Limits(max_connections=flight, max_keepalive_connections=flight)
    async with httpx.AsyncClient(limits=limits) as client:
        urls = (f"{target.url}/api/3/stacks/{uid(n)}.json" for n in range(count))
        return _tally(await asyncio.gather(*(client.get(url) for url in urls), return_exceptions=True))


async def cancelling(target: Target, count: int, flight: int, *, peer: bool) -> dict[str, float]:
    """What is left of a pool of `flight` after `count` reads were cancelled at random moments."""
    before = _sockets()
    httpx: Any = import_module("httpx")
    if peer:
        limits = httpx.Limits(max_connections=flight, max_keepalive_connections=flight)
        async with httpx.AsyncClient(limits=limits, timeout=2.0) as client:
            found = await _cancel(lambda n: client.get(f"{target.url}/api/3/stacks/{uid(n)}.json"), count)
            found["open"] = _sockets() - before
    else:
        async with Cloud66(TOKEN, url=target.url, limit=flight, timeout=2.0) as c66:
            found = await _cancel(lambda n: c66.stacks.get(uid(n)), count)
            found["open"] = _sockets() - before
    await asyncio.sleep(0.1)
    return found | {"limit": flight, "left open": _sockets() - before}


async def _cancel(read: Callable[[int], Awaitable[object]], count: int) -> dict[str, float]:
    chance = random.Random(66)

    async def one(number: int) -> None:
        task = asyncio.ensure_future(read(number))
        await asyncio.sleep(chance.uniform(0.0, 0.06))
        task.cancel()
        await asyncio.wait([task])

    for start in range(0, count, 100):
        await asyncio.gather(*(one(number) for number in range(start, start + 100)))
    return _tally(await asyncio.gather(*(read(n) for n in range(100)), return_exceptions=True))


def _tally(results: list[Any]) -> dict[str, float]:
    failed = sum(isinstance(result, BaseException) for result in results)
    return {"answered": len(results) - failed, "failed": failed}


def _sockets() -> int:
    """The sockets that this process has open."""
    links = Path("/proc/self/fd")
    return sum(_is_socket(link) for link in links.iterdir()) if links.exists() else 0


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except OSError:  # the folder itself was among them
        return False


TRIALS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, float]]]] = {"crowd": crowd, "cancelling": cancelling}
