"""Opening connections: look-up, TCP and TLS under one deadline, shared where that can be."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

from .._core.limiter import INFINITY
from .._core.origin import Origin
from .._core.tls import start_loading
from ..errors import TransportError, TransportTimeout
from .connection import Connection
from .errors import ConnectFailed
from .sockets import Address, dial, numeric

__all__ = ["TLS", "Connector"]

T = TypeVar("T")
TLS = ssl.SSLContext | Callable[[], ssl.SSLContext] | None


class Connector:
    """Opens connections in one event loop. Addresses and the TLS context are asked for once by all who wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: TLS, make: Callable[[Origin], Connection]) -> None:
        self._loop = loop
        self._tls = tls
        self._make = make
        self._closed = False
        self._deadlines: set[asyncio.Timeout] = set()
        self._shared: dict[object, asyncio.Task[Any]] = {}

    async def open(self, origin: Origin, patience: float | None, end: float) -> Connection:
        """A new connection, ready for its first request.

        Raises TransportTimeout, ConnectFailed, or TransportError if the pool closes. A look-up cannot be
        taken back: its thread goes on after a timeout, and its result is dropped.
        """
        if self._closed:
            raise TransportError("the connection pool was closed", sent=False)
        until = end if patience is None else min(end, self._loop.time() + patience)
        try:
            async with asyncio.timeout_at(None if until == INFINITY else until) as deadline:
                self._deadlines.add(deadline)
                try:
                    return await self._open(origin)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError:
            if self._closed:
                raise TransportError("the connection pool was closed", sent=False) from None
            phase = "total" if until == end else "connect"
            raise TransportTimeout(
                f"no connection to {origin.host}:{origin.port} in time ({phase} timeout)", phase=phase, sent=False
            ) from None
        except (OSError, ValueError, OverflowError) as error:  # ValueError: a name or port that cannot be one
            raise ConnectFailed(f"cannot connect to {origin.host}:{origin.port}: {error}", sent=False) from error

    def close(self) -> None:
        """Send away everybody who waits for a connection."""
        self._closed = True
        for deadline in self._deadlines:
            with suppress(RuntimeError):  # it is striking already
                deadline.reschedule(self._loop.time())
        for task in self._shared.values():
            task.cancel()

    async def _open(self, origin: Origin) -> Connection:
        making = None
        if origin.tls and not isinstance(self._tls, ssl.SSLContext):
            making = self._share("tls", self._make_context)  # goes on while we connect
        addresses = numeric(origin.host, origin.port)
        if addresses is None:
            addresses = await asyncio.shield(self._share(origin[:2], lambda: self._look_up(origin)))
        connected = await dial(addresses)
        if making is not None:
            try:
                await asyncio.shield(making)
            except BaseException:
                connected.close()
                raise
        transport, connection = await self._wrap(origin, connected)
        if origin.tls:
            await self._secure(transport, connection)
        return connection

    async def _wrap(self, origin: Origin, connected: socket.socket) -> tuple[asyncio.Transport, Connection]:
        # Two turns of the loop, no waiting. Not cancelled half-way: loops differ in who then closes the
        # socket, and a descriptor closed under a transport may be another connection's by then.
        made = self._loop.create_task(self._loop.create_connection(lambda: self._make(origin), sock=connected))
        try:
            transport, connection = await asyncio.shield(made)
        except BaseException:
            made.add_done_callback(_drop)
            raise
        return transport, connection

    async def _secure(self, plain: asyncio.Transport, connection: Connection) -> None:
        context = self._tls
        assert isinstance(context, ssl.SSLContext)
        # Not `create_connection(ssl=...)`: cancelled before the handshake starts, that leaves it open.
        name = connection.origin.sni or connection.origin.host
        try:
            secured = await self._loop.start_tls(
                plain, connection, context, server_hostname=name, ssl_shutdown_timeout=1.0
            )
        except BaseException:
            plain.abort()
            raise
        if secured is None:
            raise ConnectionResetError("it was closed after the TLS handshake")
        connection.transport = secured

    async def _look_up(self, origin: Origin) -> list[Address]:
        found = await self._loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        return cast("list[Address]", found)

    async def _make_context(self) -> None:
        make = self._tls
        assert not isinstance(make, ssl.SSLContext)
        self._tls = await (asyncio.wrap_future(start_loading()) if make is None else asyncio.to_thread(make))

    def _share(self, key: object, make: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """A task for what `make()` gives, one for all who ask meanwhile; each has to shield it.

        So one who is cancelled does not take it from the others. A failure is not kept.
        """
        task = self._shared.get(key)
        if task is None:

            def done(task: asyncio.Task[T]) -> None:
                del self._shared[key]
                if not task.cancelled():
                    task.exception()  # seen, even if everybody who asked has gone

            task = self._shared[key] = self._loop.create_task(make())
            task.add_done_callback(done)
        return task


def _drop(made: asyncio.Task[tuple[asyncio.Transport, Connection]]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result()[0].abort()
