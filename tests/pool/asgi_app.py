"""Plain ASGI application for uvicorn and Hypercorn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RESPONSES: dict[str, tuple[int, list[tuple[bytes, bytes]], list[bytes]]] = {
    "/plain": (200, [(b"content-length", b"5"), (b"x-a", b"1"), (b"x-a", b"2")], [b"plain"]),
    "/nothing": (204, [], []),
    "/empty": (200, [(b"content-length", b"0")], []),
    "/chunked": (200, [(b"content-type", b"text/plain")], [b"a" * 10, b"", b"b" * 70_000, b"c"]),
    "/big": (200, [(b"content-length", b"3000000")], [b"x" * 100_000] * 30),
    "/missing": (404, [(b"content-length", b"2")], [b"no"]),
    "/broken": (503, [(b"content-length", b"2"), (b"retry-after", b"1")], [b"no"]),
    "/moved": (302, [(b"location", b"/plain"), (b"content-length", b"0")], []),
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/echo":
        body = await _body(receive)
        text = f"{scope['method']} {scope['query_string'].decode()} {len(body)} ".encode() + body
        status, headers, chunks = 200, [(b"content-length", str(len(text)).encode())], [text]
    else:
        status, headers, chunks = RESPONSES[scope["path"]]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)
