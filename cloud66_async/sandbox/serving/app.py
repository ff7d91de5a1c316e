"""The sandbox as an ASGI application. Needs the extra `sandbox`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...errors import ConfigError
from .. import message
from ..faults import ConnectionDropped

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from ..fake import FakeCloud66

__all__ = ["ABORT", "MISSING", "application"]

MISSING = 'the sandbox server needs Starlette and uvicorn: pip install "cloud66-async[sandbox]"'

ABORT = "cloud66_async.abort"
"""Key in `scope["extensions"]` under which a server offers a function `now` that closes the connection."""

_MAX_BODY = 1024 * 1024


def application(fake: FakeCloud66, *, latency: float = 0.0) -> Starlette:
    """Return an ASGI application that serves `fake`. Responses of the API are delayed by `latency` real seconds.

    Raises ConfigError if the extra `sandbox` is not installed.
    """
    try:
        from starlette.applications import Starlette
    except ImportError:
        raise ConfigError(MISSING) from None

    app = Starlette()
    app.router.default = _Endpoint(fake, latency)  # the pattern of a route does not match a line break in a path
    return app


class _Endpoint:
    """ASGI application for all paths: the sandbox does its own routing."""

    def __init__(self, fake: FakeCloud66, latency: float) -> None:
        self._fake = fake
        self._latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import ClientDisconnect, Request
        from starlette.responses import Response

        request = Request(scope, receive)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        if body is None:
            await Response(status_code=413)(scope, receive, send)
            return
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target = f"{target}?{scope['query_string'].decode('latin-1')}"
        received = message.Request(request.method, target, dict(request.headers), body)
        if self._latency and target.startswith("/api/"):
            await asyncio.sleep(self._latency)
        try:
            reply = await self._fake.send(received)
        except ConnectionDropped as dropped:
            if dropped.reply is None:
                scope.get("extensions", {})[ABORT]["now"]()
            else:
                await _send_half(dropped.reply, send)
            return
        response = Response(reply.body, status_code=reply.status)
        response.raw_headers.extend(_encode(reply))
        await response(scope, receive, send)


async def _send_half(reply: message.Reply, send: Send) -> None:
    """Send the first half of a response. The server closes the connection, because the rest never comes."""
    length = (b"content-length", str(len(reply.body)).encode())
    await send({"type": "http.response.start", "status": reply.status, "headers": [length, *_encode(reply)]})
    half = reply.body[: len(reply.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


def _encode(reply: message.Reply) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]


async def _body(request: Request) -> bytes | None:
    """Return the whole body, or None if it is larger than the API accepts."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)
