"""Connections: the transports of one client, created when they are first needed."""

from __future__ import annotations

import warnings
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..errors import ConfigError
from ..secret import Secret
from . import tls
from .proxies import environment_proxy
from .shared import CLOSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._http.library import httpx
    from ..config import Config
    from ..pool import Pool
    from ..transport import StreamTransport, Transport
    from .origin import Origin

__all__ = ["Connections"]


def _is_own(transport: object) -> TypeGuard[Transport]:
    """Return whether this is a transport of ours rather than one of the HTTP library, whose clients have `send` too."""
    return hasattr(transport, "send") and hasattr(transport, "aclose") and not hasattr(type(transport), "build_request")


class Connections:
    """The connection pool of one client, as a transport for API calls and as a transport of the HTTP library."""

    def __init__(self, config: Config) -> None:
        if config.transport is not None and not _is_own(config.transport):
            from .._http.library import check_transport

            check_transport(config.transport)
        self._config = config
        self._pool: Pool | None = None
        self._httpx: httpx.AsyncBaseTransport | None = None
        # Streamed responses have connections of their own: a download takes minutes, and calls must not wait for it.
        self._stream_pool: Pool | None = None
        self._httpx_streams: dict[Secret | None, httpx.AsyncBaseTransport] = {}  # by the URL of the proxy
        self._opened = False
        self._closed = False

    def load_certificates(self) -> None:
        """Start loading the CA certificates in a background thread if TLS is needed, so that imports can continue."""
        if self._config.needs_certificates:
            with suppress(RuntimeError):  # if no thread can be started, the first connection reports the error
                tls.start_loading()

    def transport(self) -> Transport:
        """Return a new transport for API calls."""
        self._opened = True
        config = self._config
        if _is_own(config.transport):
            return config.transport
        if self._uses_own_pool():
            from ..pool import PoolTransport

            return PoolTransport(self._own_pool(), config.address.origin)
        from .._http.httpx_transport import HttpxTransport

        return HttpxTransport(config.address.origin, self._httpx_transport())

    def stream_transport(self, origin: Origin) -> StreamTransport:
        """Return the transport for streamed responses of this server, which need not be the API.

        Raises ConfigError if the client has a transport of the caller's that cannot stream responses.
        """
        config = self._config
        if _is_own(config.transport):
            if not hasattr(config.transport, "stream"):
                raise ConfigError("the transport of this client cannot stream responses; add the method `stream`")
            return cast("StreamTransport", config.transport)
        proxy = self._proxy(origin)  # NO_PROXY may name the API and not this server, or the reverse
        if config.own_pool and config.transport is None and not config.options and proxy is None:
            from ..pool import PoolTransport

            if self._stream_pool is None:
                self._stream_pool = self._create_pool()
            return PoolTransport(self._stream_pool, origin)
        from .._http.streaming import HttpxStreamTransport

        if config.transport is not None:
            return HttpxStreamTransport(self._httpx_transport())
        if proxy not in self._httpx_streams:
            # A Unix domain socket leads to the API and to no other server.
            left_out = () if origin == config.address.origin else ("uds",)
            options = {name: value for name, value in config.options.items() if name not in left_out}
            self._httpx_streams[proxy] = self._library_transport(options, proxy)
        return HttpxStreamTransport(self._httpx_streams[proxy])

    def httpx_transport(self) -> httpx.AsyncBaseTransport:
        """Return the pool as a transport of the HTTP library. A client that closes it does not close the pool.

        Raises ConfigError if the client is closed.
        """
        if self._closed:
            raise ConfigError(CLOSED)
        self._opened = True
        from .._http.adapter import BorrowedTransport

        return BorrowedTransport(self._httpx_transport())

    async def aclose(self) -> None:
        """Close every connection. Requests in flight raise TransportError."""
        self._closed = True
        opened = (self._pool, self._stream_pool, *self._httpx_streams.values(), self._httpx)
        async with AsyncExitStack() as stack:  # closes the others even if one fails or is cancelled
            for part in opened:
                if part is not None:
                    stack.push_async_callback(part.aclose)

    def _httpx_transport(self) -> httpx.AsyncBaseTransport:
        if self._httpx is None:
            self._httpx = self._create_httpx_transport()
        return self._httpx

    def _create_httpx_transport(self) -> httpx.AsyncBaseTransport:
        config = self._config
        from .._http.adapter import HttpxAdapter, TransportAdapter

        if self._uses_own_pool():
            return HttpxAdapter(self._own_pool())
        if config.transport is None:
            return self._library_transport(config.options, self._proxy(config.address.origin))
        if _is_own(config.transport):
            return TransportAdapter(config.transport)
        from .._http.logs import RedactedTransport

        return RedactedTransport(cast("httpx.AsyncBaseTransport", config.transport))

    def _library_transport(self, given: Mapping[str, Any], proxy: Secret | None) -> httpx.AsyncBaseTransport:
        """Return a new connection pool of the HTTP library. `proxy` applies unless the options name another."""
        from .._http.httpx_transport import library_transport
        from .._http.library import NAME

        config = self._config
        if NAME != "httpx":  # which is what mocks see
            from ..pool.mocks import check_unmocked

            check_unmocked(config.address.origin)
        options = dict(given)
        if "proxy" not in options and proxy is not None:
            options["proxy"] = proxy
        # Not the library's default, certifi: every transport trusts the same CA certificates.
        options["verify"] = tls.create_context() if config.tls is None else config.tls
        return library_transport(limit=config.limit, idle=config.idle, options=options)

    def _uses_own_pool(self) -> bool:
        config = self._config
        usable = config.own_pool and config.transport is None and not config.options
        return usable and self._proxy(config.address.origin) is None

    def _own_pool(self) -> Pool:
        if self._pool is None:
            self._pool = self._create_pool()
        return self._pool

    def _create_pool(self) -> Pool:
        from ..pool import Pool

        return Pool(self._config.limit, idle=self._config.idle, tls=self._config.tls)

    @staticmethod
    def _proxy(origin: Origin) -> Secret | None:
        """Return the proxy that the environment names for this server. The SDK's pool does not support proxies."""
        proxy = environment_proxy(origin)
        return None if proxy is None else Secret(proxy)  # the URL may contain a password

    def __del__(self) -> None:
        if self.__dict__.get("_opened") and not self._closed:
            warnings.warn(
                "a Cloud66 client was not closed; use `async with`, or `await c66.aclose()`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
