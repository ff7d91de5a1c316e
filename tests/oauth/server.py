"""A small HTTP server on a free local port that returns set replies and records requests."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

import attrs


class ReceivedRequest(NamedTuple):
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def form(self) -> dict[str, str]:
        fields = parse_qs(self.body.decode(), strict_parsing=True)
        assert all(len(values) == 1 for values in fields.values())
        return {name: values[0] for name, values in fields.items()}

    def header(self, name: str) -> str | None:
        """Return the header. Fails if it occurs more than once."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1
        return values[0] if values else None


@attrs.frozen
class Reply:
    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/html"),)
    wait: asyncio.Event | None = None
    cut: bool = False
    pause: float = 0.0
    """Seconds before each byte of the body."""


def form(status: int = 200, **fields: str) -> Reply:
    return Reply(urlencode(fields).encode(), status)


def as_json(status: int = 200, **fields: Any) -> Reply:
    return Reply(json.dumps(fields).encode(), status)


def redirect(status: int, location: str) -> Reply:
    return Reply(status=status, headers=(("location", location), ("set-cookie", "session=COOKIE; Path=/")))


TOKEN = form(access_token="TOKEN-1", token_type="bearer", scope="public redeploy")


class Server:
    """`replies` by path. Other paths return 404."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.replies: dict[str, Reply | Callable[[ReceivedRequest], Reply]] = {"/oauth/token": TOKEN}
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def requests_to(self, path: str) -> list[ReceivedRequest]:
        return [request for request in self.requests if request.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._respond(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        pairs = [line.partition(":") for line in lines[1:] if line]
        request = ReceivedRequest(method, target, [(name.lower(), value.strip()) for name, _, value in pairs], b"")
        request = request._replace(body=await _body(request, reader))
        self.requests.append(request)
        found = self.replies.get(request.path, Reply(status=404))
        reply = found(request) if callable(found) else found
        if reply.wait is not None:
            await reply.wait.wait()
        lines = [f"HTTP/1.1 {reply.status} Status", f"Content-Length: {len(reply.body) + reply.cut}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if reply.pause else reply.body))
        for byte in reply.body if reply.pause else b"":
            await asyncio.sleep(reply.pause)
            writer.write(bytes([byte]))
            await writer.drain()
        await writer.drain()
        return not reply.cut


async def _body(request: ReceivedRequest, reader: asyncio.StreamReader) -> bytes:
    if request.header("transfer-encoding") is None:
        return await reader.readexactly(int(request.header("content-length") or 0))
    assert request.header("content-length") is None
    chunks: list[bytes] = []
    while size := int(await reader.readline(), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(chunks)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    server = Server()
    server.scheme = "http" if tls is None else "https"
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))
