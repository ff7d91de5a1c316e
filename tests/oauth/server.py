"""A small real HTTP server on loopback that answers what it is told and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

import attrs


class Asked(NamedTuple):
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
        """The header, which is there at most once."""
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


def form(status: int = 200, **fields: str) -> Reply:
    return Reply(urlencode(fields).encode(), status)


def as_json(status: int = 200, **fields: Any) -> Reply:
    return Reply(json.dumps(fields).encode(), status)


def redirect(status: int, location: str) -> Reply:
    return Reply(status=status, headers=(("location", location), ("set-cookie", "session=COOKIE; Path=/")))


TOKEN = form(access_token="TOKEN-1", token_type="bearer", scope="public redeploy")


class Server:
    """`replies` by path; a path that is not there is 404."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.replies: dict[str, Reply | Callable[[Asked], Reply]] = {"/oauth/token": TOKEN}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def at(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        pairs = [line.partition(":") for line in lines[1:] if line]
        asked = Asked(method, target, [(name.lower(), value.strip()) for name, _, value in pairs], b"")
        asked = asked._replace(body=await _body(asked, reader))
        self.asked.append(asked)
        found = self.replies.get(asked.path, Reply(status=404))
        reply = found(asked) if callable(found) else found
        if reply.wait is not None:
            await reply.wait.wait()
        head = [f"HTTP/1.1 {reply.status} RawResponse", f"Content-Length: {len(reply.body) + reply.cut}"]
        head += [f"{name}: {value}" for name, value in reply.headers]
        writer.write("\r\n".join([*head, "", ""]).encode("latin-1") + reply.body)
        await writer.drain()
        return not reply.cut


async def _body(asked: Asked, reader: asyncio.StreamReader) -> bytes:
    if asked.header("transfer-encoding") is None:
        return await reader.readexactly(int(asked.header("content-length") or 0))
    assert asked.header("content-length") is None
    parts: list[bytes] = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


@asynccontextmanager
async def serving() -> AsyncGenerator[Server]:
    server = Server()
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

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))
