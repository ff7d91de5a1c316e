"""A FastAPI route that lists the stacks of its user, called by many users at once.

The application runs in the measured process. `python -m benchmarks.route PORT USERS COUNT` is the load, which runs in
a process of its own on the server's core.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from statistics import median
from typing import Any

from .raw import RawClient
from .rows import TOKEN, Target, library_options

__all__ = ["ROUTES", "measure_route"]

_FIELDS = ("uid", "name", "environment", "status", "health")
_LIMIT = 64
_PARTS = 5

Shown = list[dict[str, Any]]
ListStacks = Callable[[], Awaitable[Shown]]


def _shown(items: list[dict[str, Any]]) -> Shown:
    return [{name: item[name] for name in _FIELDS} for item in items]


@asynccontextmanager
async def _bare(target: Target) -> AsyncGenerator[ListStacks]:  # noqa: ARG001
    from .fleet import PER_PAGE
    from .samples import stack

    shown = _shown([stack(number) for number in range(PER_PAGE)])

    async def list_stacks() -> Shown:
        return shown

    yield list_stacks


@asynccontextmanager
async def _cloud66(target: Target) -> AsyncGenerator[ListStacks]:
    from cloud66_async import Cloud66

    async with Cloud66(
        client_id="id", client_secret="secret", redirect_url="http://127.0.0.1/callback", url=target.url, limit=_LIMIT
    ) as c66:

        async def list_stacks() -> Shown:
            page = await c66.using(token=TOKEN).stacks.list().page(1)
            return [
                {
                    "uid": item.uid,
                    "name": item.name,
                    "environment": item.environment,
                    "status": None if item.status is None else item.status.value,
                    "health": None if item.health is None else item.health.value,
                }
                for item in page.items
            ]

        yield list_stacks


@asynccontextmanager
async def _aiohttp(target: Target) -> AsyncGenerator[ListStacks]:
    aiohttp: Any = import_module("aiohttp")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_LIMIT)) as session:

        async def list_stacks() -> Shown:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with session.get(f"{target.url}/api/3/stacks.json?page=1", headers=headers) as response:
                return _shown((await response.json())["response"])

        yield list_stacks


def _library(name: str) -> Callable[[Target], AbstractAsyncContextManager[ListStacks]]:
    @asynccontextmanager
    async def open_client(target: Target) -> AsyncGenerator[ListStacks]:
        library: Any = import_module(name)
        async with library.AsyncClient(**library_options(library, target, _LIMIT)) as client:

            async def list_stacks() -> Shown:
                headers = {"Authorization": f"Bearer {TOKEN}"}
                response = await client.get(f"{target.url}/api/3/stacks.json?page=1", headers=headers)
                return _shown(response.json()["response"])

            yield list_stacks

    return open_client


@asynccontextmanager
async def _authlib_shared(target: Target) -> AsyncGenerator[ListStacks]:
    """Authlib's client for each request, over one transport."""
    from cloud66_async._http.library import AsyncOAuth2Client, httpx

    limits = library_options(httpx, target, _LIMIT)["limits"]
    async with httpx.AsyncHTTPTransport(limits=limits) as transport:

        async def list_stacks() -> Shown:
            client = AsyncOAuth2Client("id", "secret", token=_token(), transport=transport)
            response = await client.get(f"{target.url}/api/3/stacks.json?page=1")
            return _shown(response.json()["response"])

        yield list_stacks


@asynccontextmanager
async def _authlib_each(target: Target) -> AsyncGenerator[ListStacks]:
    """Authlib's client for each request, as its integrations for web frameworks create it."""
    from cloud66_async._http.library import AsyncOAuth2Client

    async def list_stacks() -> Shown:
        async with AsyncOAuth2Client("id", "secret", token=_token()) as client:
            response = await client.get(f"{target.url}/api/3/stacks.json?page=1")
            return _shown(response.json()["response"])

    yield list_stacks


def _token() -> dict[str, str]:
    return {"access_token": TOKEN, "token_type": "Bearer"}


ROUTES: dict[str, tuple[Callable[[Target], AbstractAsyncContextManager[ListStacks]], float]] = {
    "no call": (_bare, 1.0),
    "cloud66-async": (_cloud66, 1.0),
    "aiohttp": (_aiohttp, 1.0),
    "httpx2": (_library("httpx2"), 0.5),
    "authlib, shared transport": (_authlib_shared, 0.3),
    "authlib, a client each": (_authlib_each, 0.1),
}
"""How a route reads the stacks, and the number of requests as a share of that of the fast rows."""


async def measure_route(target: Target, row: str, users: int, count: int, load_core: int | None) -> dict[str, float]:
    """Return microseconds of CPU time per request of the application, and its requests per second.

    They are medians of five parts of the requests: other programs disturb only some of them, and the difference to the
    row without a call is half of the figure or less.
    """
    fastapi: Any = import_module("fastapi")
    uvicorn: Any = import_module("uvicorn")
    warnings.simplefilter("ignore")
    async with ROUTES[row][0](target) as list_stacks:
        app = fastapi.FastAPI()
        app.get("/stacks", response_model=None)(list_stacks)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        await _load(port, users, max(users, count // 5), load_core)
        part = max(users, count // _PARTS)
        costs: list[tuple[float, float]] = []
        for _ in range(_PARTS):
            cpu, start = time.process_time(), time.perf_counter()
            await _load(port, users, part, load_core)
            costs.append((time.process_time() - cpu, time.perf_counter() - start))
        server.should_exit = True
        await serving
    cpu, elapsed = (median(values) for values in zip(*costs, strict=True))
    return {"cpu": cpu / part * 1e6, "rate": part / elapsed}


async def _load(port: int, users: int, count: int, core: int | None) -> None:
    pin = [] if core is None else ["taskset", "-c", str(core)]
    process = await asyncio.create_subprocess_exec(
        *pin, sys.executable, "-m", "benchmarks.route", str(port), str(users), str(count), stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode()[-2000:])


async def _send(port: int, users: int, count: int) -> None:
    client = RawClient("127.0.0.1", port, None)
    remaining = iter(range(count))

    async def use() -> None:
        for _ in remaining:
            await client.get("/stacks")

    await asyncio.gather(*(use() for _ in range(users)))
    client.close()


if __name__ == "__main__":
    asyncio.run(_send(*map(int, sys.argv[1:4])))
