"""The state that all views of one client share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from ..config import check_drift
from ..errors import ConfigError
from ..observe import check_observer
from ..quota import Allowance
from .limiter import Limiter
from .loop import running_loop

if TYPE_CHECKING:
    from datetime import datetime

    from ..clock import Clock
    from ..config import Address
    from ..drift import Drift
    from ..observe import Observer
    from ..token import Token
    from ..transport import RawResponse, Request, SharedHeaders, StreamTransport, Transport
    from .origin import Origin

__all__ = ["CLOSED", "Background", "Identity", "SharedState"]

CLOSED = "this client is closed; create a new one"

_MAX_TOKENS = 1024


class Identity(NamedTuple):
    """What requests of one token are sent with: the headers, the quota, and when the token expires."""

    headers: SharedHeaders
    allowance: Allowance
    expires_at: datetime | None


class Background(Protocol):
    """Work that continues between calls. It ends when the client is closed."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        ...

    async def aclose(self) -> None:
        """End the work. Those who wait for it raise ConfigError."""
        ...


class SharedState:
    """One transport, one limiter, one allowance per token, and the work that continues between calls."""

    def __init__(
        self,
        connect: Callable[[], Transport],
        clock: Clock,
        *,
        address: Address,
        limit: int,
        reserve: int | None,
        when_exhausted: Literal["wait", "refuse"],
        connect_stream: Callable[[Origin], StreamTransport],
        drift: Drift | None,
        observer: Observer | None,
    ) -> None:
        self.clock: Clock = clock
        self.prefix: str = address.api_path
        self.url: str = address.api
        self.limit: int = limit
        self.limiter: Limiter = Limiter(limit)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.transport: Transport
        self.drift: Drift | None = check_drift(drift)
        self.observer: Observer | None = check_observer(observer)
        self._connect = connect
        self._connect_stream = connect_stream
        self.reserve: int | None = 0 if reserve is None and when_exhausted == "refuse" else reserve
        self._waits = when_exhausted == "wait"
        self._closed = False
        self._allowances: OrderedDict[bytes, Allowance] = OrderedDict()
        self._background: dict[Hashable, Background] = {}

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

    def background(self, key: Hashable, create: Callable[[], Background]) -> Background:
        """Return the work with this key, which `create` returns if there is none.

        Raises ConfigError if the client is closed or belongs to another event loop.
        """
        if self._closed or self.loop is not running_loop():
            self.open()
        found = self._background.get(key)
        if found is None:
            if len(self._background) >= _MAX_TOKENS:
                self._background = {other: work for other, work in self._background.items() if not work.idle}
            found = self._background[key] = create()
        return found

    def running(self) -> Sequence[Background]:
        """Return all work that continues between calls."""
        return tuple(self._background.values())

    async def aclose(self) -> None:
        """End all work and close the transport. Waiting and later calls raise ConfigError."""
        self._closed = True
        for work in self.running():
            await work.aclose()
        if self.loop is not None:
            transport, self.transport = self.transport, _ClosedTransport()
            await transport.aclose()

    def allowance(self, token: Token) -> Allowance:
        """Return the quota of this token. The 1,024 most recently used tokens are kept."""
        import hashlib  # imported lazily: takes 1.5 ms

        key = hashlib.sha256(token.reveal().encode()).digest()
        found = self._allowances.get(key)
        if found is None:
            found = Allowance(self.clock, reserve=self.reserve, waits=self._waits, in_flight=self.limit)
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
