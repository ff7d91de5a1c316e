"""Lower bound: asyncio with nothing in between, which reads only the length of a response."""

from __future__ import annotations

import asyncio
import ssl

__all__ = ["RawClient"]

_BUFFER = memoryview(bytearray(256 * 1024))


class _Connection(asyncio.BufferedProtocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return _BUFFER

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        self._received: list[bytes] = []
        self._missing = 0
        self._response: asyncio.Future[bytes] = self._loop.create_future()
        self.transport.write(request)
        return self._response

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_BUFFER[:nbytes])
        if not self._received:
            body = data.index(b"\r\n\r\n") + 4
            length = data.index(b"ength: ") + 7  # of Content-Length, in any case that servers send
            self._missing = body + int(data[length : data.index(b"\r", length)])
        self._received.append(data)
        self._missing -= nbytes
        if self._missing <= 0:
            self._response.set_result(data if len(self._received) == 1 else b"".join(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_response") and not self._response.done():
            self._response.set_exception(exc or ConnectionError("closed"))


class RawClient:
    """Client that keeps its connections open and reuses the most recent one first."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._address = (host, port)
        self._tls = tls
        self._idle: list[_Connection] = []

    async def get(self, target: str) -> bytes:
        connection = self._idle.pop() if self._idle else await self._connect()
        response = await connection.send(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self._idle.append(connection)
        return response

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, *self._address, ssl=self._tls)
        return connection

    def close(self) -> None:
        for connection in self._idle:
            connection.transport.abort()
