"""Clients that share reads in one process, for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from cloud66_async import Cloud66, MemoryReads, Token
from cloud66_async.sandbox import FakeCloud66, FakeStack
from cloud66_async.transport import BufferedResponse, Request

from ..support import Script, client


class Setting:
    """A sandbox with one stack and a client that shares reads."""

    def __init__(self, **options: Any) -> None:
        self.fake = FakeCloud66()
        self.stack: FakeStack = self.fake.add_stack("web")
        self.reads = MemoryReads(**options)
        self.token = self.fake.add_token()

    def client(self, token: Token | None = None, **options: Any) -> Cloud66:
        """Return a client of this sandbox. All of them share reads."""
        return Cloud66(
            token or self.token, transport=self.fake.transport(), url="https://app.cloud66.com",
            shared_reads=self.reads, **options,
        )  # fmt: skip


@asynccontextmanager
async def sharing(*replies: Any, **options: Any) -> AsyncGenerator[tuple[Cloud66, Script]]:
    """Open a client that shares reads and has these replies."""
    transport = Script(*replies)
    async with client(transport, shared_reads=MemoryReads(), **options) as c66:
        yield c66, transport


def later(event: asyncio.Event, reply: BufferedResponse) -> Callable[[Request], Coroutine[Any, Any, BufferedResponse]]:
    """Return a reply that is sent when the event happens."""

    async def wait(_: Request) -> BufferedResponse:
        await event.wait()
        return reply

    return wait
