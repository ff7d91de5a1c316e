"""Connector: opens connections, with DNS lookup, TCP connection and TLS handshake under one deadline."""

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
from .mocks import check_unmocked
from .sockets import Address, dial, numeric

__all__ = ["TLS", "Connector"]

T = TypeVar("T")
TLS = ssl.SSLContext | Callable[[], ssl.SSLContext] | None


class Connector:
    """Opens connections in one event loop. Concurrent calls share one DNS lookup per name and one TLS context."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: TLS, create: Callable[[Origin], Connection]) -> None:
        self._loop = loop
        self._tls = tls
        self._create = create
        self._closed = False
        self._timeouts: set[asyncio.Timeout] = set()
        self._shared: dict[object, asyncio.Task[Any]] = {}

    async def open(self, origin: Origin, timeout: float | None, deadline: float) -> Connection:  # noqa: ASYNC109
        """Return a new connection, ready for its first request.

        `timeout` is in seconds, `deadline` in the event loop's time. Raises TransportTimeout, ConnectFailed,
        TransportError if the pool is closed, or ConfigError if a mock is active that does not see this connection. A
        DNS lookup cannot be cancelled: after a timeout, its thread continues and its result is discarded.
        """
        if self._closed:
            raise TransportError("the connection pool was closed", sent=False)
        check_unmocked(origin)
        first = deadline if timeout is None else min(deadline, self._loop.time() + timeout)
        try:
            async with asyncio.timeout_at(None if first == INFINITY else first) as scope:
                self._timeouts.add(scope)
                try:
                    return await self._open(origin)
                finally:
                    self._timeouts.discard(scope)
        except TimeoutError:
            if self._closed:
                raise TransportError("the connection pool was closed", sent=False) from None
            phase = "total" if first == deadline else "connect"
            raise TransportTimeout(
                f"cannot connect to {origin.host}:{origin.port} in time ({phase} timeout)", phase=phase, sent=False
            ) from None
        except (OSError, ValueError, OverflowError) as error:  # ValueError: an invalid host name or port
            raise ConnectFailed(f"cannot connect to {origin.host}:{origin.port}: {error}", sent=False) from error

    def close(self) -> None:
        """Fail every pending connection attempt."""
        self._closed = True
        for scope in self._timeouts:
            with suppress(RuntimeError):  # it is expiring already
                scope.reschedule(self._loop.time())
        for task in self._shared.values():
            task.cancel()

    async def _open(self, origin: Origin) -> Connection:
        loading = None
        if origin.tls and not isinstance(self._tls, ssl.SSLContext):
            loading = self._share("tls", self._load_context)  # runs while the socket connects
        addresses = numeric(origin.lookup_name, origin.port)
        if addresses is None:
            addresses = await asyncio.shield(self._share(origin[:2], lambda: self._resolve(origin)))
        connected = await dial(addresses)
        if loading is not None:
            try:
                await asyncio.shield(loading)
            except BaseException:
                connected.close()
                raise
        transport, connection = await self._wrap(origin, connected)
        if origin.tls:
            await self._secure(transport, connection)
        return connection

    async def _wrap(self, origin: Origin, connected: socket.socket) -> tuple[asyncio.Transport, Connection]:
        # Takes two event loop iterations without blocking. Shielded from cancellation: event loops differ in who then
        # closes the socket, and a descriptor that is closed twice may belong to another connection by then.
        wrapping = self._loop.create_task(self._loop.create_connection(lambda: self._create(origin), sock=connected))
        try:
            transport, connection = await asyncio.shield(wrapping)
        except BaseException:
            wrapping.add_done_callback(_discard)
            raise
        return transport, connection

    async def _secure(self, plain: asyncio.Transport, connection: Connection) -> None:
        context = self._tls
        assert isinstance(context, ssl.SSLContext)
        if connection.closed or plain.is_closing():
            # The server closed the connection or sent plain text; `start_tls` would wait for a response forever.
            plain.abort()
            raise ConnectionResetError("connection closed before the TLS handshake")
        # Not `create_connection(ssl=...)`: cancelled before the handshake starts, that leaves the socket open.
        name = connection.origin.sni or connection.origin.name
        try:
            secured = await self._loop.start_tls(
                plain, connection, context, server_hostname=name, ssl_shutdown_timeout=1.0
            )
        except BaseException:
            plain.abort()
            raise
        if secured is None:
            raise ConnectionResetError("connection closed after the TLS handshake")
        connection.transport = secured

    async def _resolve(self, origin: Origin) -> list[Address]:
        # asyncio sets TCP_NODELAY only on sockets whose protocol is IPPROTO_TCP, not 0, so ask for it explicitly.
        found = await self._loop.getaddrinfo(
            origin.lookup_name, origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        return cast("list[Address]", found)

    async def _load_context(self) -> None:
        create = self._tls
        assert not isinstance(create, ssl.SSLContext)
        self._tls = await (asyncio.wrap_future(start_loading()) if create is None else asyncio.to_thread(create))

    def _share(self, key: object, create: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Return the running task for `key`, or start one. A failure is not cached.

        Callers must shield the task, so that cancelling one of them does not cancel it for the others.
        """
        task = self._shared.get(key)
        if task is None:

            def done(task: asyncio.Task[T]) -> None:
                del self._shared[key]
                if not task.cancelled():
                    task.exception()  # mark as retrieved, even if every waiting caller was cancelled

            task = self._shared[key] = self._loop.create_task(create())
            task.add_done_callback(done)
        return task


def _discard(wrapping: asyncio.Task[tuple[asyncio.Transport, Connection]]) -> None:
    if not wrapping.cancelled() and wrapping.exception() is None:
        wrapping.result()[0].abort()
