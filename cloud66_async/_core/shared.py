"""The state that all views of one client share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config import check_drift
from ..errors import ConfigError
from ..quota import Allowance
from .limiter import Limiter

if TYPE_CHECKING:
    from ..clock import Clock
    from ..drift import Drift
    from ..token import Token
    from ..transport import RawResponse, Request, StreamTransport, Transport
    from .origin import Origin

__all__ = ["CLOSED", "SharedState"]

CLOSED = "this client is closed; create a new one"

_MAX_TOKENS = 1024


class SharedState:
    """One transport, one limiter, and one allowance per token."""

    def __init__(
        self,
        connect: Callable[[], Transport],
        clock: Clock,
        *,
        prefix: str,
        limit: int,
        reserve: int | None,
        connect_stream: Callable[[Origin], StreamTransport],
        drift: Drift | None = None,
    ) -> None:
        self.clock: Clock = clock
        self.prefix: str = prefix
        self.limiter: Limiter = Limiter(limit)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.transport: Transport
        self.drift: Drift | None = check_drift(drift)
        self._connect = connect
        self._connect_stream = connect_stream
        self._limit = limit
        self._reserve = reserve
        self._closed = False
        self._allowances: OrderedDict[bytes, Allowance] = OrderedDict()

    def open(self) -> None:
        """Create the transport and bind the client to this event loop.

        Raises ConfigError if the client is closed or belongs to another event loop.
        """
        if self._closed:
            raise ConfigError(CLOSED)
        if self.loop is not None:
            raise ConfigError("this client belongs to another event loop; create one client per event loop")
        self.transport = self._connect()
        self.loop = asyncio.get_running_loop()

    def stream_transport(self, origin: Origin) -> StreamTransport:
        """Return the transport for streamed responses of this server. Raises ConfigError if the client is closed."""
        if self._closed:
            raise ConfigError(CLOSED)
        return self._connect_stream(origin)

    async def aclose(self) -> None:
        """Close the transport. Waiting and later calls raise ConfigError."""
        self._closed = True
        if self.loop is not None:
            transport, self.transport = self.transport, _ClosedTransport()
            await transport.aclose()

    def allowance(self, token: Token) -> Allowance:
        """Return the quota of this token. The 1,024 most recently used tokens are kept."""
        import hashlib  # imported lazily: takes 1.5 ms

        key = hashlib.sha256(token.reveal().encode()).digest()
        found = self._allowances.get(key)
        if found is None:
            found = Allowance(self.clock, reserve=self._reserve, in_flight=self._limit)
            self._allowances[key] = found
            if len(self._allowances) > _MAX_TOKENS:
                self._allowances.popitem(last=False)
        else:
            self._allowances.move_to_end(key)
        return found


class _ClosedTransport:
    """The transport of a closed client."""

    async def send(self, request: Request) -> RawResponse:  # noqa: ARG002  the protocol's name
        raise ConfigError(CLOSED)

    async def aclose(self) -> None:
        pass
