"""Shared test tools: a scripted transport, a clock without waiting, and a small HTTP server."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import msgspec

import cloud66_async
from cloud66_async import Cloud66, Retry
from cloud66_async.transport import BufferedResponse, RawResponse, Request

TOKEN = "c66-secret-token-of-a-user"
START = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
SECRET = "hush-this-is-secret"

Reply = BufferedResponse | Exception | Callable[[Request], Any]


class RecordingClock:
    """A clock whose `sleep` returns immediately, advances the time and records the pause."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class PausedClock(RecordingClock):
    """A clock whose pauses end when `resumed` is set. The time advances only by assignment."""

    def __init__(self) -> None:
        super().__init__()
        self.resumed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.resumed.wait()


class Script:
    """A transport that records the requests and returns scripted replies. The last reply is repeated."""

    def __init__(self, *replies: Reply) -> None:
        self.replies: Sequence[Reply] = list(replies) or [make_response({"response": {"uid": "a"}})]
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


def make_response(body: object = None, status: int = 200, **headers: str) -> BufferedResponse:
    """Return a response with this body: bytes unchanged, anything else as JSON."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return BufferedResponse(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def make_error(status: int, code: str | None = None, **headers: str) -> BufferedResponse:
    """Return an error response of the API."""
    return make_response({} if code is None else {"error": code}, status, **headers)


def client(transport: Script, *, token: str = TOKEN, **options: Any) -> Cloud66:
    """Return a client whose requests go to this transport."""
    options.setdefault("clock", RecordingClock())
    return Cloud66(token, transport=transport, **options)


ONCE = Retry(attempts=1)


def pages(*items: Sequence[Mapping[str, Any]], query: str = "page") -> Callable[[Request], BufferedResponse]:
    """Return a scripted reply that serves a list with these pages."""

    def reply(request: Request) -> BufferedResponse:
        number = int(request.target.partition(f"{query}=")[2].partition("&")[0])
        return make_response(
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


async def iterations(count: int = 20) -> None:
    """Let other tasks run for this many event loop iterations."""
    for _ in range(count):
        await asyncio.sleep(0)


def count_calls(function: Callable[[], object]) -> int:
    """Return how many calls within the package a function leads to. Other calls may happen at any time: finalizers."""
    folder = str(Path(cloud66_async.__file__).parent)
    calls = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(folder)

    function()  # what is created on first use is not counted
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def tasks_left() -> set[asyncio.Task[Any]]:
    """Return every task of the event loop except the current one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


class ReceivedRequest(NamedTuple):
    """A request as it arrived over the network."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """A small HTTP server that records requests. With `once`, it closes the connection after each response."""

    def __init__(self, reply: Callable[[ReceivedRequest], bytes], *, once: bool = False) -> None:
        self.received: list[ReceivedRequest] = []
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
            while header_section := await reader.readuntil(b"\r\n\r\n"):
                request_line, *fields = header_section.decode("latin-1").rstrip().split("\r\n")
                method, target, _ = request_line.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                received = ReceivedRequest(method, target, headers, body)
                self.received.append(received)
                writer.write(self._reply(received))
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
        """Close every connection and wait until it is closed."""
        while self._open:
            for writer in self._open.values():
                writer.transport.abort()
            await asyncio.wait(self._open)
        await iterations(2)


def packet(body: bytes = b'{"response":{"uid":"a"}}', status: str = "200 OK", *headers: str) -> bytes:
    """Return an HTTP/1.1 response as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@asynccontextmanager
async def wire(reply: Callable[[ReceivedRequest], bytes] | None = None, *, once: bool = False) -> AsyncGenerator[Wire]:
    """Start a `Wire` on a free local port."""
    server = Wire(reply or (lambda _: packet()), once=once)
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await iterations(5)  # CPython 3.11 does not close a connection that is accepted while the server closes
        running.close()
        await server.aclose()
        await running.wait_closed()
