"""What stacks, connections, clients and shared values take: memory here and in Redis, and the time of a shared read."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any
from uuid import uuid4

from cloud66_async import Cloud66, MemoryReads
from cloud66_async._core.codec import decode
from cloud66_async.reads import SharedReads
from cloud66_async.resources import stacks
from cloud66_async.transport import BufferedResponse, Request

from .samples import PAGE, PAGE_SIZE

__all__ = ["measure"]

_CONNECTIONS = 1000
_USERS = 1000
_RUNS = 7
_CALLS = 200
_RESULT = 600  # bytes: a pickled stack, encrypted

Figure = tuple[str, float, str]


def measure() -> Iterator[Figure]:
    """Yield the name, the value and the unit of each figure."""
    yield "JSON of a stack", len(PAGE) / PAGE_SIZE, "bytes"
    yield "model of a stack", _model(), "bytes"
    yield "user: view, headers and quota", asyncio.run(_user()), "bytes"
    opened, connection = (int(text) for text in _child("connections").split())
    yield "process with a client", opened / 1e6, "MB"
    yield "connection that is idle", connection, "bytes"
    with _api() as api, _redis() as redis:
        os.environ.setdefault("CLOUD66_STORE_KEY", "-" * 43 + "=")
        yield from asyncio.run(_reads(api, redis))
        if redis is not None:
            yield from asyncio.run(_stored(redis))


def _child(name: str) -> str:
    """Return what this program prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.footprint", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _model() -> float:
    gc.collect()
    tracemalloc.start()
    pages = [decode(PAGE, stacks.LIST.returns) for _ in range(20)]
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / len(pages) / PAGE_SIZE


class _Canned:
    """A transport that returns one page."""

    def __init__(self) -> None:
        self.response = BufferedResponse(200, PAGE, {"x-ratelimit-remaining": "2999", "x-ratelimit-limit": "3000"})

    async def send(self, request: Request) -> BufferedResponse:  # noqa: ARG002
        return self.response

    async def aclose(self) -> None:
        """Do nothing."""


async def _user() -> float:
    async with Cloud66("t", transport=_Canned()) as c66:
        await c66.stacks.list().page(1)
        gc.collect()
        tracemalloc.start()
        views = [c66.using(token=f"token-{number}") for number in range(_USERS)]
        for view in views:
            await view.stacks.list().page(1)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return used / _USERS


# --- connections, in a process of its own --------------------------------------------------------


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _serve(port: int) -> None:
    """Respond to each request with an empty object, in a process of its own."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.5)  # so that every request needs a connection of its own
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"response":{}}')

    async def serve() -> None:
        async with await asyncio.start_server(respond, "127.0.0.1", port, backlog=_CONNECTIONS) as server:
            print("ready", flush=True)
            await server.serve_forever()

    asyncio.run(serve())


async def _connections() -> None:
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.footprint", "serve", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        server.stdout.readline()
        async with Cloud66("t", url=f"http://127.0.0.1:{port}", limit=_CONNECTIONS) as c66:
            await c66.request("GET", "/x.json")
            opened = _resident()
            await asyncio.gather(*(c66.request("GET", "/x.json") for _ in range(_CONNECTIONS)))
            gc.collect()
            print(opened, (_resident() - opened) // _CONNECTIONS)
        server.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


# --- shared reads --------------------------------------------------------------------------------


@contextmanager
def _api() -> Generator[str]:
    """Run the server of the benchmarks. Yield its URL."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['plain']}"
        server.stdin.close()


@contextmanager
def _redis() -> Generator[str | None]:
    """Run a Redis. Yield its URL, or None if redis-server or redis-py is not installed."""
    program = which("redis-server")
    if program is None or find_spec("redis") is None:
        yield None
        return
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
            server.terminate()


async def _time(read: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return the microseconds of CPU time and of elapsed time of one call, the best of several runs."""
    found: list[tuple[float, float]] = []
    for _ in range(_RUNS):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(_CALLS):
            await read()
        found.append(((time.process_time() - cpu) / _CALLS * 1e6, (time.perf_counter() - wall) / _CALLS * 1e6))
    return min(found)


async def _reads(api: str, url: str | None) -> list[Figure]:
    """Measure a request, and a read that is shared in this process or through Redis, one after the other."""
    ways: dict[str, SharedReads | None] = {"request": None, "shared read, in memory": MemoryReads(seconds=3600)}
    if url is not None:
        from cloud66_async.integrations.redis import RedisReads

        ways["shared read, through Redis"] = RedisReads(url, seconds=3600)
    found: list[Figure] = []
    for name, reads in ways.items():
        async with Cloud66("t", url=api, shared_reads=reads) as c66:
            for what, read in (
                ("1 stack", partial(c66.stacks.get, "a")),
                (f"{PAGE_SIZE} stacks", partial(c66.stacks.list().page, 1)),
            ):
                await read()
                cpu, wall = await _time(read)
                found += [(f"{name}, {what}: CPU", cpu, "µs"), (f"{name}, {what}: elapsed", wall, "µs")]
    return found


async def _stored(url: str) -> list[Figure]:
    """Measure what is stored in Redis: a page, a worker in the book of a quota, and a claim."""
    from cloud66_async.integrations.redis import RedisReads
    from cloud66_async.integrations.redis.claims import RedisClaims

    module: Any = import_module("redis.asyncio")  # partly untyped
    reads = RedisReads(url, seconds=3600)
    async with module.Redis.from_url(url) as redis, Cloud66("t", transport=_Canned(), shared_reads=reads) as c66:
        await redis.flushall()
        await c66.stacks.list().page(1)
        (key,) = await redis.keys()
        page = await redis.memory_usage(key)
        await redis.hset("book", mapping={f"p:{uuid4().hex}": "48 12345 1790000000000" for _ in range(_USERS)})
        book = await redis.memory_usage("book", samples=0)
        await redis.flushall()
        claims = RedisClaims(url)
        for number in range(_USERS):
            await claims.begin("run", number, uuid4().hex)
            await claims.finish("run", number, "", b"x" * _RESULT)
        await claims.aclose()
        claimed = [await redis.memory_usage(key, samples=0) for key in await redis.keys()]
    return [
        (f"page of {PAGE_SIZE} stacks in Redis", page, "bytes"),
        ("worker in the quota of a user in Redis", book / _USERS, "bytes"),
        (f"claim in Redis, with a result of {_RESULT} bytes", sum(claimed) / _USERS, "bytes"),
    ]


def _main(name: str, *arguments: str) -> None:
    if name == "connections":
        asyncio.run(_connections())
    else:
        _serve(int(arguments[0]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
