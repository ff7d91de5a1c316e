"""Connection pools of the HTTP library for a client that talks to several servers."""

from __future__ import annotations

import ssl
from typing import Any

from .._core.origin import DEFAULT_PORTS, Origin
from .._core.proxies import environment_proxy
from .._core.tls import create_context
from .._http.httpx_transport import library_transport
from .._http.library import httpx

__all__ = ["RoutedTransport"]

_LIMIT = 100
_IDLE = 15.0


class RoutedTransport(httpx.AsyncBaseTransport):
    """Sends each request directly or through the proxy for its origin, which `environment_proxy` finds.

    Trusts the same CA certificates as every other transport of this package, unless `verify` says otherwise.
    """

    def __init__(self, *, proxy: Any, verify: Any, trust_env: bool) -> None:
        self._proxy = proxy
        self._verify: ssl.SSLContext | Any = verify
        self._trust_env = trust_env
        self._pools: dict[Any, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return the response. Raises ConfigError if the environment's proxy is invalid."""
        return await self._pool(request.url).handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        proxy = self._proxy
        if proxy is None and self._trust_env:
            proxy = environment_proxy(Origin(url.host, url.port or DEFAULT_PORTS[url.scheme], url.scheme == "https"))
        pool = self._pools.get(proxy)
        if pool is None:
            if self._verify is True:
                self._verify = create_context()
            options = {"verify": self._verify, "trust_env": False} | ({} if proxy is None else {"proxy": proxy})
            pool = self._pools[proxy] = library_transport(limit=_LIMIT, idle=_IDLE, options=options)
        return pool
