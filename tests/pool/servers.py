"""Servers on loopback whose every byte is the test's, and small helpers for the client's side."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from cloud66_async.pool import Origin, Pool, PoolResponse, Streaming
from cloud66_async.transport import Timeouts

PATIENT = Timeouts(None, None, None, None, None)


class Received(NamedTuple):
    """A request as the server read it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """One accepted connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def head(self) -> Received | None:
        """The next request without its body; None when the client has closed."""
        try:
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        method, target, _ = lines[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return Received(method, target, headers, b"")

    async def request(self) -> Received | None:
        """The next request with its body."""
        received = await self.head()
        if received is None:
            return None
        if received.headers.get("transfer-encoding") == "chunked":
            body = await self._chunks()
        else:
            body = await self.reader.readexactly(int(received.headers.get("content-length", "0")))
        received = received._replace(body=body)
        self.server.received.append(received)
        return received

    async def _chunks(self) -> bytes:
        pieces: list[bytes] = []
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            pieces.append((await self.reader.readexactly(size + 2))[:-2])
            if size == 0:
                return b"".join(pieces)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """End of stream after what was sent."""
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


Handler = Callable[[Peer], Awaitable[None]]


class Server:
    def __init__(self, handler: Handler, origin: Origin) -> None:
        self.handler = handler
        self.origin = origin
        self.received: list[Received] = []
        self.peers: list[Peer] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.errors: list[BaseException] = []

    @property
    def url(self) -> str:
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        return f"http{'s' if self.origin.tls else ''}://{host}:{self.origin.port}"

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, self)
        self.peers.append(peer)
        task = asyncio.ensure_future(self._handle(peer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _handle(self, peer: Peer) -> None:
        try:
            await self.handler(peer)
        except (ConnectionError, EOFError):
            pass  # the client has gone
        except Exception as error:
            self.errors.append(error)
        finally:
            peer.close()


@asynccontextmanager
async def serve(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[Server, None]:
    """A server for as long as the block runs; an error in its handler fails the test."""
    server = Server(handler, Origin(host, port, tls is not None))
    listening = await asyncio.start_server(server.accept, host, port, ssl=tls)
    server.origin = Origin(host, listening.sockets[0].getsockname()[1], tls is not None)
    try:
        yield server
    finally:
        listening.close()
        tasks = tuple(server.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in server.peers:
            peer.abort()
        await turns(6)
    assert server.errors == []


def answer(body: bytes = b"", *, status: int = 200, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Reason\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), headers, body)


async def echo(peer: Peer) -> None:
    """Answers with the target and the body."""
    while (received := await peer.request()) is not None:
        await peer.send(answer(received.target.encode() + b"|" + received.body))


def head(method: str = "GET", target: str = "/", *, length: int | None = None, chunked: bool = False) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode()


def get(
    pool: Pool,
    server: Server | Origin,
    target: str = "/",
    *,
    method: str = "GET",
    timeouts: Timeouts = PATIENT,
    repeatable: bool = True,
    limit: int | None = None,
) -> Coroutine[Any, Any, PoolResponse]:
    origin = server.origin if isinstance(server, Server) else server
    return pool.request(origin, method, head(method, target), repeatable=repeatable, timeouts=timeouts, limit=limit)


def post(
    pool: Pool,
    server: Server,
    body: bytes | AsyncIterable[bytes],
    target: str = "/",
    *,
    timeouts: Timeouts = PATIENT,
    repeatable: bool = False,
) -> Coroutine[Any, Any, PoolResponse]:
    whole = isinstance(body, bytes)
    return pool.request(
        server.origin,
        "POST",
        head("POST", target, length=len(body) if isinstance(body, bytes) else None, chunked=not whole),
        body,
        chunked=not whole,
        repeatable=repeatable,
        timeouts=timeouts,
    )


def stream(pool: Pool, server: Server, target: str = "/", *, timeouts: Timeouts = PATIENT) -> Streaming:
    return pool.stream(server.origin, "GET", head("GET", target), timeouts=timeouts)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def turns(number: int) -> None:
    """Let the event loop turn so often."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], *, within: int = 20_000) -> None:
    """Let the event loop turn until this is so."""
    for _ in range(within):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


def open_sockets() -> int:
    """How many sockets this process holds; 0 where that cannot be told."""
    folder = Path("/proc/self/fd")
    number = 0
    for entry in tuple(folder.iterdir()) if folder.is_dir() else ():
        with suppress(OSError):
            number += str(entry.readlink()).startswith("socket:")
    return number


class Clock:
    """Moves the time of an event loop of asyncio's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._skew = 0.0
        real = loop.time
        loop.time = lambda: real() + self._skew  # type: ignore[method-assign]

    async def forward(self, seconds: float) -> None:
        self._skew += seconds
        await turns(4)
