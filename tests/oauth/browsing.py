"""A browser without a window, which sends its requests to the loopback listener."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

Visit = Callable[[int, str, str], Awaitable[None]]


async def speak(port: int, text: str | bytes) -> bytes:
    """Send this to the listener and return its response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode() if isinstance(text, str) else text)
        await writer.drain()
        with contextlib.suppress(ConnectionError):
            return await reader.read()
        return b""
    finally:
        writer.close()


async def get(port: int, target: str, *, method: str = "GET", host: str | None = None) -> bytes:
    return await speak(port, f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\n\r\n")


def status(response: bytes) -> int:
    return int(response.split(b" ")[1])


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def handlers() -> list[str]:
    """Return the running tasks of the listener."""
    return [text for text in (repr(task.get_coro()) for task in asyncio.all_tasks()) if "Listener" in text]


async def follow(url: str) -> str:
    """Open the local URL and return the URL of the consent page."""
    parts = urlsplit(url)
    assert parts.port is not None
    response = await get(parts.port, parts.path, host=parts.netloc)
    assert status(response) == 302
    found = re.search(rb"\r\nLocation: ([^\r]*)\r\n", response)
    assert found is not None
    return found[1].decode()


class Browser:
    """A browser that opens the consent page and then calls `visit`."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self.port = 0
        self.start_url = ""
        self.url = ""

    async def __call__(self, url: str) -> None:
        self.start_url = url
        self.url = url = await follow(url)
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        redirect = urlsplit(query["redirect_uri"])
        assert redirect.port is not None
        self.port = redirect.port
        await self._visit(self.port, redirect.path, query["state"])


async def consent(port: int, path: str, state: str) -> None:
    assert status(await get(port, f"{path}?code=CODE-1&state={state}")) == 200
