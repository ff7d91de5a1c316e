"""What all views of one client share: the way to the wire, and the quota of each token."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeGuard, cast

from ._sender import CLOSED, Line
from .config import names_proxy
from .errors import ConfigError
from .quota import Allowance

if TYPE_CHECKING:
    from ._clock import Clock
    from ._http.library import httpx
    from ._lane import Lane
    from .config import Config
    from .pool import Pool
    from .token import Token

__all__ = ["Shared"]

_MOST_TOKENS = 1024


def _is_lane(transport: object) -> TypeGuard[Lane]:
    """Whether it is the sandbox in this process, rather than a transport of the HTTP library."""
    return hasattr(transport, "exchange")


class Shared:
    """One connection pool, one gate, and one allowance per token: opened when first needed, closed once."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self._pool: Pool | None = None
        self._line: Line | None = None
        self._transport: httpx.AsyncBaseTransport | None = None
        self._closed = False
        self._allowances: OrderedDict[bytes, Allowance] = OrderedDict()

    def line(self) -> Line:
        """The way to the API. Raises ConfigError once it is closed."""
        if self._closed:
            raise ConfigError(CLOSED)
        if self._line is None:
            self._line = Line(self._lane(), prefix=self.config.address.api, limit=self.config.limit)
        return self._line

    def allowance(self, token: Token) -> Allowance:
        """The quota of this token; of the 1,024 tokens used last."""
        import hashlib  # 1.5 ms, and not before the first call

        key = hashlib.sha256(token.reveal().encode()).digest()
        found = self._allowances.get(key)
        if found is None:
            found = Allowance(self.clock, reserve=self.config.reserve, in_flight=self.config.limit)
            self._allowances[key] = found
            if len(self._allowances) > _MOST_TOKENS:
                self._allowances.popitem(last=False)
        else:
            self._allowances.move_to_end(key)
        return found

    def transport(self) -> httpx.AsyncBaseTransport:
        """The pool behind the interface of the HTTP library, for clients that may close what they borrow."""
        if self._closed:
            raise ConfigError(CLOSED)
        from ._http.lane import BorrowedTransport

        return BorrowedTransport(self._own_transport())

    def _own_transport(self) -> httpx.AsyncBaseTransport:
        if self._transport is None:
            self._transport = self._make_transport()
        return self._transport

    async def aclose(self) -> None:
        """Close every connection; what is in flight ends with TransportError."""
        self._closed = True
        if self._line is not None:
            await self._line.aclose()
        if self._transport is not None:
            await self._transport.aclose()
        if self._pool is not None:
            await self._pool.aclose()

    def _lane(self) -> Lane:
        config = self.config
        if _is_lane(config.transport):
            return config.transport
        if self._uses_own_pool():
            from .pool import PoolLane

            return PoolLane(self._own_pool(), config.address.origin)
        from ._http.lane import HttpxLane

        return HttpxLane(config.address.origin, self._own_transport())

    def _make_transport(self) -> httpx.AsyncBaseTransport:
        config = self.config
        if self._uses_own_pool():
            from ._http.transport import PoolTransport

            return PoolTransport(self._own_pool())
        from ._http.lane import LaneTransport, library_transport

        if config.transport is None:
            options = dict(config.options)
            if "proxy" not in options and (proxy := self._proxy()) is not None:
                options["proxy"] = proxy
            if config.tls is not None:
                options["verify"] = config.tls
            return library_transport(limit=config.limit, idle=config.idle, options=options)
        if _is_lane(config.transport):
            return LaneTransport(config.transport)
        return cast("httpx.AsyncBaseTransport", config.transport)

    def _uses_own_pool(self) -> bool:
        config = self.config
        return config.own_pool and config.transport is None and not config.options and self._proxy() is None

    def _own_pool(self) -> Pool:
        if self._pool is None:
            from .pool import Pool

            self._pool = Pool(self.config.limit, idle=self.config.idle, tls=self.config.tls)
        return self._pool

    def _proxy(self) -> str | None:
        """The proxy through which the environment wants this address reached; our pool speaks to none."""
        if not names_proxy():
            return None
        from urllib.request import getproxies, proxy_bypass  # 15 ms to import, and rarely needed

        address = self.config.address
        proxies = getproxies()
        scheme = "https" if address.tls else "http"
        proxy = proxies.get(scheme) or proxies.get("all")
        return None if proxy is None or proxy_bypass(address.host) else proxy

    def __del__(self) -> None:
        if not self.__dict__.get("_closed", True) and (self._line is not None or self._transport is not None):
            warnings.warn(
                "a Cloud66 client was not closed: use `async with`, or `await c66.aclose()`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
