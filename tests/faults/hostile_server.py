"""A server that does what a server must not do, and counts what arrives and what it could send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import chain, repeat

from ..support import ReceivedRequest

__all__ = ["HostileServer", "endless", "hostile"]

Respond = Callable[[ReceivedRequest], Iterable[bytes]]

MOST_BYTES = 96 * 2**20
MOST_REQUESTS = 100
"""After these, the server closes the connection: a test of something endless then fails instead of hanging."""


class HostileServer:
    """Writes what `respond` returns for each request, part by part, for as long as the client reads it."""

    def __init__(self, respond: Respond, *, close: bool) -> None:
        self.received: list[ReceivedRequest] = []
        self.sent = 0
        self.url = ""
        self._respond = respond
        self._close = close

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                section = await reader.readuntil(b"\r\n\r\n")
                line, *fields = section.decode("latin-1").rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, target, _ = line.split(" ")
                self.received.append(ReceivedRequest(method, target, headers, body))
                for part in self._respond(self.received[-1]):
                    writer.write(part)
                    await writer.drain()
                    self.sent += len(part)
                    if self.sent > MOST_BYTES:
                        return
                if self._close or len(self.received) >= MOST_REQUESTS:
                    return
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hostile(respond: Respond | bytes, *, close: bool = False) -> AsyncGenerator[HostileServer]:
    """Start a `HostileServer` on a free local port. With `close`, it closes the connection after each response."""

    def same(_: ReceivedRequest) -> Iterable[bytes]:
        assert isinstance(respond, bytes)
        return [respond]

    server = HostileServer(respond if callable(respond) else same, close=close)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(server.serve(reader, writer)))

    running = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def endless(start: bytes, part: bytes) -> Respond:
    """Return a response that starts like this and goes on with `part` without an end."""
    return lambda _: chain([start], repeat(part * (16_384 // len(part) + 1)))


async def drain(data: AsyncIterable[bytes]) -> None:
    """Read a streamed body to its end."""
    async for _ in data:
        pass
