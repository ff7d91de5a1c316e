"""The server of the benchmarks. It sends prepared responses and runs on a CPU core of its own.

`python -m benchmarks.server [certificate]` prints its ports as JSON and serves until its standard input is closed.
Responses to requests under `/slow/` are delayed by 50 ms. Under `fleet/`, the responses are those of a fleet of stacks
instead of the same stack or page; `/requests` tells how many requests there were.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import count, cycle

from . import fleet, samples

LATENCY = 0.05
_BUFFER = memoryview(bytearray(256 * 1024))
_HEADERS = (
    "HTTP/1.1 200 OK\r\nServer: benchmark\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: max-age=0, private\r\n"
    "X-Request-Id: 5f3c1e0a-8c0e-4a34-9d1f-6f1f0f6d2b11\r\nX-RateLimit-Limit: 3600\r\nX-RateLimit-Remaining: {}\r\n\r\n"
)


def _responses(body: bytes, count: int) -> cycle[bytes]:
    """Return an endless sequence of responses that count down the remaining quota."""
    return cycle([_HEADERS.format(len(body), remaining).encode() + body for remaining in range(count, 0, -1)])


_STACKS = _responses(samples.STACK, 3600)
_PAGES = _responses(samples.PAGE, 100)
_requests = count()


@cache
def _fleet_response(target: str) -> bytes:
    body = fleet.respond(target)
    return _HEADERS.format(len(body), 3599).encode() + body


def _respond(target: bytes) -> bytes:
    if target == b"/requests":
        body = str(next(_requests)).encode()
        return _HEADERS.format(len(body), 3599).encode() + body
    next(_requests)
    if b"fleet/" in target:
        return _fleet_response(target.decode())
    return next(_PAGES if b"/stacks.json" in target else _STACKS)


class Connection(asyncio.BufferedProtocol):
    """One connection, on which every GET request gets a response."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        *requests, self._pending = (self._pending + _BUFFER[:nbytes]).split(b"\r\n\r\n")
        for request in requests:
            target = request[4 : request.index(b" ", 4)]
            response = _respond(target)
            if target.startswith(b"/slow/"):
                asyncio.get_running_loop().call_later(LATENCY, self._send, response)
            else:
                self.transport.write(response)

    def _send(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)


async def serve(certificate: str | None) -> None:
    servers = {"plain": await _listen(None)}
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        servers["tls"] = await _listen(tls)
    print(json.dumps({name: server.sockets[0].getsockname()[1] for name, server in servers.items()}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _listen(tls: ssl.SSLContext | None) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, ssl=tls, backlog=1024)


if __name__ == "__main__":
    runner = import_module("uvloop" if find_spec("uvloop") else "asyncio")
    runner.run(serve(sys.argv[1] if len(sys.argv) > 1 else None))
