"""Whole jobs against a server of 600 stacks: list them, find one, read each with its servers and newest deployment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.client import HTTPConnection
from importlib import import_module
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import attrs
import msgspec

from cloud66_async import Cloud66, Failed
from cloud66_async.resources.stacks import Stack

from .fleet import PAGES, STACKS
from .rows import HEADERS, SECONDS, TOKEN, Target, library_options
from .samples import PlainStack, stack, uid

__all__ = ["JOBS", "run_job"]

_LIMIT = 32
_SHORTEST = 1.0
_WANTED = STACKS * 2 // 3
_NAME: str = stack(_WANTED)["name"]
_ENVELOPE: Any = msgspec.defstruct("Envelope", [("response", list[PlainStack])])
_decode_page: Callable[[bytes], Any] = msgspec.json.Decoder(_ENVELOPE, strict=False).decode

Read = Callable[[str], Awaitable[bytes]]
Work = Callable[[], Awaitable[int]]


# --- the SDK ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _sdk(target: Target) -> AsyncGenerator[Cloud66]:
    async with Cloud66(TOKEN, url=target.url, limit=_LIMIT) as c66:
        yield c66


async def _list(c66: Cloud66) -> int:
    return len(await c66.stacks.list())


async def _find(c66: Cloud66) -> int:
    return int((await c66.stacks.find(_NAME)).uid == uid(_WANTED))


async def _read(c66: Cloud66) -> int:
    async def one(found: Stack) -> object:
        return await asyncio.gather(c66.servers.list(found.uid).first(), c66.deployments.list(found.uid).first())

    count = 0
    async with c66.each(one, c66.stacks.list()) as results:
        async for result in results:
            if isinstance(result, Failed):
                raise result.error
            count += 1
    return count


# --- other clients ----------------------------------------------------------------------------------


@asynccontextmanager
async def _aiohttp(target: Target) -> AsyncGenerator[Read]:
    aiohttp: Any = import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=_LIMIT, keepalive_timeout=SECONDS)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def read(path: str) -> bytes:
            async with session.get(f"{target.url}/api/3{path}") as response:
                body: bytes = await response.read()
                return body

        yield read


def _library(name: str) -> Callable[[Target], AbstractAsyncContextManager[Read]]:
    @asynccontextmanager
    async def open_client(target: Target) -> AsyncGenerator[Read]:
        library: Any = import_module(name)
        async with library.AsyncClient(headers=HEADERS, **library_options(library, target, _LIMIT)) as client:

            async def read(path: str) -> bytes:
                body: bytes = (await client.get(f"{target.url}/api/3{path}")).content
                return body

            yield read

    return open_client


async def _page(read: Read, number: int) -> list[PlainStack]:
    found: list[PlainStack] = _decode_page(await read(f"/stacks.json?page={number}")).response
    return found


async def _list_gathered(read: Read) -> int:
    first = await _page(read, 1)
    others = await _in_workers(lambda number: _page(read, number), range(2, PAGES + 1))
    return len(first) + sum(map(len, others))


async def _list_one_by_one(read: Read) -> int:
    """Read one page after another, as the official Go client does."""
    return sum([len(await _page(read, number)) for number in range(1, PAGES + 1)])


async def _find_in_pages(read: Read) -> int:
    found = [item for number in range(1, PAGES + 1) for item in await _page(read, number) if item.name == _NAME]
    return len(found)


async def _read_gathered(read: Read) -> int:
    pages = await _in_workers(lambda number: _page(read, number), range(1, PAGES + 1))
    stacks = [item for page in pages for item in page]
    paths = [f"/stacks/{item.uid}/{name}.json" for item in stacks for name in ("servers", "deployments")]
    bodies = await _in_workers(read, paths)
    for body in bodies:
        msgspec.json.decode(body)
    return len(bodies) // 2


async def _in_workers(read: Callable[[Any], Awaitable[Any]], items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    remaining = iter(items)

    async def work() -> None:
        for item in remaining:
            found.append(await read(item))  # noqa: PERF401  shared by the workers

    await asyncio.gather(*(work() for _ in range(_LIMIT)))
    return found


# --- jobs -------------------------------------------------------------------------------------------


@attrs.frozen
class _Row:
    open: Callable[[Target], AbstractAsyncContextManager[Any]]
    run: Callable[[Any], Awaitable[int]]
    expected: int


JOBS: dict[str, dict[str, _Row]] = {
    "list": {
        "cloud66-async": _Row(_sdk, _list, STACKS),
        "aiohttp, workers": _Row(_aiohttp, _list_gathered, STACKS),
        "httpx2, workers": _Row(_library("httpx2"), _list_gathered, STACKS),
        "aiohttp, one page after another": _Row(_aiohttp, _list_one_by_one, STACKS),
    },
    "find": {
        "cloud66-async": _Row(_sdk, _find, 1),
        "aiohttp, one page after another": _Row(_aiohttp, _find_in_pages, 1),
    },
    "read": {
        "cloud66-async": _Row(_sdk, _read, STACKS),
        "aiohttp, workers": _Row(_aiohttp, _read_gathered, STACKS),
        "httpx2, workers": _Row(_library("httpx2"), _read_gathered, STACKS),
    },
}


async def run_job(target: Target, job: str, row: str, repetitions: int) -> dict[str, float]:
    """Return elapsed seconds and milliseconds of CPU time, medians after a warm-up, and the number of requests.

    The job is repeated until a second has passed, or more often: the medians of a few short runs differ by a third.
    """
    chosen = JOBS[job][row]
    times: list[tuple[float, float]] = []
    async with chosen.open(target) as client:
        before = _requests(target)
        await chosen.run(client)
        requests = _requests(target) - before - 1
        while len(times) < repetitions or sum(elapsed for elapsed, _ in times) < _SHORTEST:
            cpu, start = time.process_time(), time.perf_counter()
            found = await chosen.run(client)
            times.append((time.perf_counter() - start, time.process_time() - cpu))
            if found != chosen.expected:
                raise RuntimeError(f"{row} found {found} instead of {chosen.expected}")
    return {
        "seconds": median(elapsed for elapsed, _ in times),
        "cpu": median(cpu for _, cpu in times) * 1e3,
        "requests": requests,
    }


def _requests(target: Target) -> int:
    """Return the number of requests that the server has had. This is one of them."""
    parts = urlsplit(target.url)
    connection = HTTPConnection(parts.netloc)
    connection.request("GET", "/requests")
    return int(connection.getresponse().read())
