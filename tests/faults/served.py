"""The sandbox behind a socket of the same event loop, a client of it, and what a call may not leave behind."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from cloud66_async import Cloud66, Retry, Timeouts
from cloud66_async._http.library import NAME
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.pool import Pool
from cloud66_async.sandbox import FakeCloud66, FakeStack
from cloud66_async.sandbox.clock import FakeClock
from cloud66_async.sandbox.message import Request

from ..conftest import PoolName
from ..support import ReceivedRequest, Wire, packet, tasks_left, wire

__all__ = ["LIMIT", "REDIRECT", "QuickClock", "Served", "serve"]

LIMIT = 4
REDIRECT = "http://127.0.0.1/callback"


class QuickClock(FakeClock):
    """Clock whose `sleep` advances the time and takes one event loop iteration."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.advance(seconds)


class Served:
    """The sandbox with its server, and a client with a token and one without.

    Args:
        fake: Sandbox.
        server: Server on a local port.
        pool: Pool of the clients.
        folder: Empty directory.
    """

    def __init__(self, fake: FakeCloud66, server: Wire, pool: PoolName, folder: Path) -> None:
        self.fake = fake
        self.server = server
        self.folder = folder
        self.web: FakeStack = fake.add_stack("web")
        self.other: FakeStack = fake.add_stack("other", environment="staging")
        self.uids = [self.web.uid, self.other.uid, *(fake.add_stack(f"s{number}").uid for number in range(68))]
        self.application = fake.add_application(redirect_urls=[REDIRECT])
        self.number = itertools.count()
        self._pool: PoolName = pool
        self._clients: list[Cloud66 | Cloud66OAuth2Client] = []
        self.c66 = self.client(fake.add_token().reveal())
        self.site = self.client(
            None,
            client_id=self.application.client_id,
            client_secret=self.application.client_secret,
            redirect_url=REDIRECT,
        )

    def client(self, token: str | None = None, **options: Any) -> Cloud66:
        """Return a new client, which is closed at the end."""
        settings: dict[str, Any] = {"limit": LIMIT, "retry": Retry(attempts=3), "timeout": Timeouts()} | options
        made = Cloud66(token, url=self.server.url, pool=self._pool, clock=self.fake.clock, **settings)
        self._clients.append(made)
        return made

    def oauth(self, **options: Any) -> Cloud66OAuth2Client:
        """Return a new OAuth client over the pool of `site`, which is closed at the end."""
        application = self.application
        settings: dict[str, Any] = {"transport": self.site.transport} | options
        made = Cloud66OAuth2Client(
            application.client_id,
            application.client_secret,
            redirect_url=REDIRECT,
            url=self.server.url,
            clock=self.fake.clock,
            **settings,
        )
        self._clients.append(made)
        return made

    async def aclose(self) -> None:
        """Close every client."""
        for made in self._clients:
            await made.aclose()

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return every task except those of the server and the current one."""
        return {task for task in tasks_left() - self.server._open.keys() if not _is_starting(task)}

    def leftovers(self) -> list[str]:
        """Return what calls have left behind, one line each."""
        found = [f"task {task!r}" for task in self.tasks()]
        threads = anyio.to_thread.current_default_thread_limiter().borrowed_tokens
        if threads:
            found.append(f"{threads} threads taken")
        for made in self._clients:
            if isinstance(made, Cloud66):
                found += _held(made)
        return found

    async def check(self, label: str) -> None:
        """Fail unless nothing is left behind and the same client can be used."""
        for attempt in itertools.count():
            found = self.leftovers()
            if not found:
                break
            assert attempt < 500, f"{label}: {found}"
            await asyncio.sleep(0 if attempt < 100 else 0.005)
        stack = await self.c66.stacks.get(self.web.uid)
        assert stack.uid == self.web.uid, label


def _is_starting(task: asyncio.Task[Any]) -> bool:
    """Return whether this is a task of the server that has not run yet."""
    return getattr(task.get_coro(), "__qualname__", "") == Wire.serve.__qualname__


def _held(c66: Cloud66) -> list[str]:
    """Return the slots and connections that are not free, one line each."""
    found: list[str] = []
    limiter = c66._shared.limiter  # its limit is lower than the client's after some failures
    if limiter.free != limiter.limit:
        found.append(f"{limiter.free} of {limiter.limit} slots of the client's limiter free")
    connections = c66._connections
    for pool in (connections._pool, connections._stream_pool):
        found += [] if pool is None else _held_by_pool(pool)
    library = getattr(getattr(connections._httpx, "_transport", None), "_pool", None)
    streams = [
        getattr(getattr(each, "_transport", None), "_pool", None) for each in connections._httpx_streams.values()
    ]
    for library_pool in (library, *streams):
        if library_pool is not None and not isinstance(library_pool, Pool):
            found += [f"request {request!r}" for request in library_pool._requests]
            held = [each for each in library_pool.connections if not (each.is_idle() or each.is_closed())]
            found += [f"connection {each!r}" for each in held]
    return found


def _held_by_pool(pool: Pool) -> list[str]:
    idle = sum(map(len, pool._idle._by_origin.values()))
    found = [] if pool.live == idle else [f"{pool.live} connections open, {idle} idle"]
    if pool._limiter.free != pool.limit:
        found.append(f"{pool._limiter.free} of {pool.limit} slots of the pool free")
    if pool._connecting:
        found.append(f"{pool._connecting} connecting")
    return found


@asynccontextmanager
async def serve(pool: PoolName, folder: Path, **options: Any) -> AsyncGenerator[Served]:
    """Serve a new sandbox, and close its clients at the end."""
    if pool == "httpx" and NAME == "httpx":
        pytest.skip("httpx keeps connections of cancelled requests; httpx2 does not")
    fake = FakeCloud66(clock=QuickClock(), hourly_limit=10**9, **options)

    def reply(received: ReceivedRequest) -> bytes:
        found = fake.handle(Request(received.method, received.target, received.headers, received.body))
        headers = [f"{name}: {value}" for name, value in found.headers]
        return packet(found.body, f"{found.status} {HTTPStatus(found.status).phrase}", *headers)

    async with wire(reply) as server:
        served = Served(fake, server, pool, folder)
        try:
            yield served
        finally:
            await served.aclose()
