"""Loopback servers that send exactly the bytes of a test, and helpers for the client side."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Origin, Pool, PoolResponse, Streaming
from cloud66_async.transport import Timeouts

from ..support import iterations

NO_TIMEOUTS = Timeouts(None, None, None, None, None)
BIG = bytes(range(256)) * 8192  # 2 MiB


class ReceivedRequest(NamedTuple):
    """A request as the server received it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """One accepted connection on the server side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def read_headers(self) -> ReceivedRequest | None:
        """Return the next request without its body, or None if the client has closed the connection."""
        try:
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        method, target, _ = lines[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return ReceivedRequest(method, target, headers, b"")

    async def read_request(self) -> ReceivedRequest | None:
        """Return the next request with its body."""
        received = await self.read_headers()
        if received is None:
            return None
        if received.headers.get("transfer-encoding") == "chunked":
            body = await self.read_chunks()
        else:
            body = await self.reader.readexactly(int(received.headers.get("content-length", "0")))
        received = received._replace(body=body)
        self.server.received.append(received)
        return received

    async def read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            chunks.append((await self.reader.readexactly(size + 2))[:-2])
            if size == 0:
                return b"".join(chunks)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """End the stream after the data that was sent."""
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


Handler = Callable[[Peer], Awaitable[None]]


class Server:
    def __init__(self, handler: Handler, origin: Origin) -> None:
        self.handler = handler
        self.origin = origin
        self.received: list[ReceivedRequest] = []
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
            pass  # the client closed the connection
        except Exception as error:
            self.errors.append(error)
        finally:
            peer.close()


@asynccontextmanager
async def serve(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[Server, None]:
    """Run a server during the block. An error in its handler fails the test."""
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
        await iterations(6)
    assert server.errors == []


def make_response(body: bytes = b"", *, status: int = 200, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Reason\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), headers, body)


async def echo(peer: Peer) -> None:
    """Respond with the target and the body."""
    while (received := await peer.read_request()) is not None:
        await peer.send(make_response(received.target.encode() + b"|" + received.body))


async def big(peer: Peer) -> None:
    """Respond to `/big` with `BIG`, and to others with their target."""
    while (received := await peer.read_request()) is not None:
        await peer.send(make_response(BIG if received.target == "/big" else received.target.encode()))


async def never_respond(peer: Peer) -> None:
    """Read a request and never respond."""
    await peer.read_request()
    await peer.read_headers()


def request_headers(
    method: str = "GET", target: str = "/", *, length: int | None = None, chunked: bool = False
) -> bytes:
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
    timeouts: Timeouts = NO_TIMEOUTS,
    repeatable: bool = True,
    limit: int | None = None,
) -> Coroutine[Any, Any, PoolResponse]:
    origin = server.origin if isinstance(server, Server) else server
    return pool.request(
        origin, method, request_headers(method, target), repeatable=repeatable, timeouts=timeouts, limit=limit
    )


def post(
    pool: Pool,
    server: Server,
    body: bytes | AsyncIterable[bytes],
    target: str = "/",
    *,
    timeouts: Timeouts = NO_TIMEOUTS,
    repeatable: bool = False,
) -> Coroutine[Any, Any, PoolResponse]:
    whole = isinstance(body, bytes)
    return pool.request(
        server.origin,
        "POST",
        request_headers("POST", target, length=len(body) if isinstance(body, bytes) else None, chunked=not whole),
        body,
        chunked=not whole,
        repeatable=repeatable,
        timeouts=timeouts,
    )


def stream(
    pool: Pool, server: Server, target: str = "/", *, timeouts: Timeouts = NO_TIMEOUTS, limit: int | None = None
) -> Streaming:
    return pool.stream(server.origin, "GET", request_headers("GET", target), timeouts=timeouts, limit=limit)


async def async_body(*items: bytes) -> AsyncIterator[bytes]:
    for data in items:
        await asyncio.sleep(0)
        yield data


async def wait_until(condition: Callable[[], bool], *, max_iterations: int = 20_000) -> None:
    """Run the event loop until the condition is true."""
    for _ in range(max_iterations):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never became true")


async def timed_out(task: asyncio.Task[object] | asyncio.Future[object]) -> tuple[str, bool]:
    """Return the phase and `sent` of the TransportTimeout that the task has raised."""
    await iterations(4)
    assert task.done()  # on the test clock, not only when real time has passed, too
    with pytest.raises(TransportTimeout) as caught:
        await task
    assert f"{caught.value.phase} timeout" in str(caught.value)
    return caught.value.phase, caught.value.sent


def open_sockets() -> int:
    """Return the number of open sockets of this process, or 0 if the system does not list them."""
    folder = Path("/proc/self/fd")
    number = 0
    for entry in tuple(folder.iterdir()) if folder.is_dir() else ():
        with suppress(OSError):
            number += str(entry.readlink()).startswith("socket:")
    return number


class Clock:
    """Clock that advances the time of an asyncio event loop. It does not work with uvloop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._skew = 0.0
        real = loop.time
        loop.time = lambda: real() + self._skew  # type: ignore[method-assign]

    async def advance(self, seconds: float) -> None:
        self._skew += seconds
        await iterations(4)
