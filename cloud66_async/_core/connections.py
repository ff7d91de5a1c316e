"""Connections: the transports of one client, created when they are first needed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeGuard, cast

from ..errors import ConfigError
from .proxies import environment_proxy
from .shared import CLOSED
from .tls import create_context

if TYPE_CHECKING:
    from .._http.library import httpx
    from ..config import Config
    from ..pool import Pool
    from ..transport import Transport

__all__ = ["Connections"]


def _is_own(transport: object) -> TypeGuard[Transport]:
    """Return whether this is a transport of ours rather than one of the HTTP library."""
    return hasattr(transport, "send")


class Connections:
    """The connection pool of one client, as a transport for API calls and as a transport of the HTTP library."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pool: Pool | None = None
        self._httpx: httpx.AsyncBaseTransport | None = None
        self._opened = False
        self._closed = False

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
        if self._httpx is not None:
            await self._httpx.aclose()
        if self._pool is not None:
            await self._pool.aclose()

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
            from .._http.httpx_transport import library_transport

            options = dict(config.options)
            if "proxy" not in options and (proxy := self._proxy()) is not None:
                options["proxy"] = proxy
            # Not the library's default, certifi: every transport trusts the same CA certificates.
            options["verify"] = create_context() if config.tls is None else config.tls
            return library_transport(limit=config.limit, idle=config.idle, options=options)
        if _is_own(config.transport):
            return TransportAdapter(config.transport)
        return cast("httpx.AsyncBaseTransport", config.transport)

    def _uses_own_pool(self) -> bool:
        config = self._config
        return config.own_pool and config.transport is None and not config.options and self._proxy() is None

    def _own_pool(self) -> Pool:
        if self._pool is None:
            from ..pool import Pool

            self._pool = Pool(self._config.limit, idle=self._config.idle, tls=self._config.tls)
        return self._pool

    def _proxy(self) -> str | None:
        """Return the proxy that the environment names for the API. The SDK's pool does not support proxies."""
        return environment_proxy(self._config.address.origin)

    def __del__(self) -> None:
        if self.__dict__.get("_opened") and not self._closed:
            warnings.warn(
                "a Cloud66 client was not closed; use `async with`, or `await c66.aclose()`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
