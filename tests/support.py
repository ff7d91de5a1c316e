"""What the tests of the core share: a scripted transport, a swift clock, a small server of bytes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from cloud66_async import Cloud66, Retry
from cloud66_async.transport import BufferedResponse, RawResponse, Request

TOKEN = "c66-secret-token-of-a-user"
START = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
SECRET = "hush-this-is-secret"

Reply = BufferedResponse | Exception | Callable[[Request], Any]


class Recorder:
    """A clock on which every sleep ends at once, moves the time and is written down."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Script:
    """A transport that answers from a script, the last line of it again and again, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies: Sequence[Reply] = list(replies) or [answer({"response": {"uid": "a"}})]
        self.requests: list[Request] = []
        self.closed = 0
        self.in_flight = 0
        self.most_in_flight = 0

    @property
    def targets(self) -> list[str]:
        return [request.target.removeprefix("/api/3") for request in self.requests]

    async def send(self, request: Request) -> RawResponse:
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply: Any = self.replies[0]
            self.replies = self.replies[1:] or self.replies
            if callable(reply):
                reply = reply(request)
                if inspect.isawaitable(reply):
                    reply = await reply
            if isinstance(reply, Exception):
                raise reply
            assert isinstance(reply, BufferedResponse)
            return reply
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        self.closed += 1


def answer(body: object = None, status: int = 200, **headers: str) -> BufferedResponse:
    """An answer with this body: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return BufferedResponse(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def refusal(status: int, code: str | None = None, **headers: str) -> BufferedResponse:
    """An error as the API gives it."""
    return answer({} if code is None else {"error": code}, status, **headers)


def client(transport: Script, *, token: str = TOKEN, **options: Any) -> Cloud66:
    """A client whose requests go to this transport."""
    options.setdefault("clock", Recorder())
    return Cloud66(token, transport=transport, **options)


ONCE = Retry(attempts=1)


def pages(*items: Sequence[Mapping[str, Any]], query: str = "page") -> Callable[[Request], BufferedResponse]:
    """A list of so many pages."""

    def reply(request: Request) -> BufferedResponse:
        number = int(request.target.partition(f"{query}=")[2].partition("&")[0])
        return answer(
            {
                "response": items[number - 1],
                "count": len(items[number - 1]),
                "pagination": {
                    "previous": number - 1 or None,
                    "next": number + 1 if number < len(items) else None,
                    "current": number,
                    "per_page": 30,
                    "count": sum(map(len, items)),
                    "pages": len(items),
                },
            }
        )

    return reply


async def turns(count: int = 20) -> None:
    """Let every task that is ready run, a few times over."""
    for _ in range(count):
        await asyncio.sleep(0)


def tasks_left() -> set[asyncio.Task[Any]]:
    """Every task of the loop but the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


class Asked(NamedTuple):
    """A request as it stood on the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """A small HTTP server that shows the bytes it was sent; `reply` makes its answers, `once` one a connection."""

    def __init__(self, reply: Callable[[Asked], bytes], *, once: bool = False) -> None:
        self.seen: list[Asked] = []
        self.connections = 0
        self.port = 0
        self._reply = reply
        self._once = once
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rest = head.decode("latin-1").rstrip().split("\r\n")
                method, target, _ = line.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (part.partition(":") for part in rest)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                asked = Asked(method, target, headers, body)
                self.seen.append(asked)
                writer.write(self._reply(asked))
                await writer.drain()
                if self._once:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            del self._open[task]

    async def aclose(self) -> None:
        """End every connection and wait until it has ended."""
        while self._open:
            for writer in self._open.values():
                writer.transport.abort()
            await asyncio.wait(self._open)
        await turns(2)


def packet(body: bytes = b'{"response":{"uid":"a"}}', status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@asynccontextmanager
async def wire(reply: Callable[[Asked], bytes] | None = None, *, once: bool = False) -> AsyncGenerator[Wire]:
    """A `Wire` on a free port of this machine."""
    server = Wire(reply or (lambda _: packet()), once=once)
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await turns(5)  # a server that closes while it lets somebody in drops them without closing (CPython 3.11)
        running.close()
        await server.aclose()
        await running.wait_closed()
