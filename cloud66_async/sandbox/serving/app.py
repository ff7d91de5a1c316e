"""The sandbox as an ASGI application. Needs the extra `sandbox`."""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from ...errors import ConfigError
from .. import message
from ..checks import UnexpectedRequest
from ..clock import ClockFrozen
from ..faults import ConnectionDropped
from ..overview import PATHS
from .delivery import Delivery

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from ..fake import FakeCloud66
    from ..faults.fault import Cut

__all__ = ["ABORT", "MISSING", "application"]

MISSING = 'the sandbox server needs Starlette and uvicorn: pip install "cloud66-async[sandbox]"'

ABORT = "cloud66_async.abort"
"""Key in `scope["extensions"]` of the functions with which a server ends the connection, by the kinds of cuts.

Each takes the bytes to send before.
"""

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
            if target in PATHS:  # an open start page sends a request every two seconds, which is not one of the test
                delivery = Delivery(self._fake.handle(received), self._fake.world.clock)
            else:
                delivery = await self._fake.deliver(received)
        except ConnectionDropped as dropped:
            await _cut(scope, receive, dropped.cut, self._header_section(dropped.reply))
            return
        except UnexpectedRequest as unexpected:
            delivery = Delivery(message.error_reply(500, "unexpected_request", str(unexpected)), self._fake.world.clock)
        except ClockFrozen as frozen:  # not 500, which the client would retry
            delivery = Delivery(message.error_reply(400, "clock_frozen", str(frozen)), self._fake.world.clock)
        await self._deliver(delivery, scope, receive, send)

    async def _deliver(self, delivery: Delivery, scope: Scope, receive: Receive, send: Send) -> None:
        reply = delivery.reply
        headers = [*self._encode(reply), (b"content-length", b"%d" % delivery.length)]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if delivery.is_plain:
            await send({"type": "http.response.body", "body": reply.body})
            return
        try:
            async for part in delivery.parts():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except ConnectionDropped as dropped:
            await _cut(scope, receive, dropped.cut, b"")
        else:
            await send({"type": "http.response.body"})

    def _encode(self, reply: message.Reply) -> list[tuple[bytes, bytes]]:
        """Return the headers of a response, with the time on the sandbox's clock."""
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
        if reply.header("date") is None:
            date = format_datetime(self._fake.world.clock.now().astimezone(UTC), usegmt=True)
            pairs.append((b"date", date.encode("ascii")))
        return pairs

    def _header_section(self, reply: message.Reply) -> bytes:
        lines = [b"HTTP/1.1 %d %b" % (reply.status, HTTPStatus(reply.status).phrase.encode())]
        lines += [b"%b: %b" % pair for pair in self._encode(reply)]
        return b"\r\n".join(lines)


async def _cut(scope: Scope, receive: Receive, cut: Cut, headers: bytes) -> None:
    """End the connection, after the first half of the header section if that is the fault."""
    scope["extensions"][ABORT][cut](headers[: len(headers) // 2] if cut == "inside" else b"")
    while (await receive())["type"] != "http.disconnect":  # uvicorn would report that there is no response
        pass


async def _body(request: Request) -> bytes | None:
    """Return the whole body, or None if it is larger than the API accepts."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)
