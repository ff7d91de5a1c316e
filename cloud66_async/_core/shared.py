"""The state that all views of one client share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakValueDictionary

from ..config import check_drift
from ..errors import ConfigError
from ..observe import check_observer
from ..quota import Allowance, check_shared_quota
from .limiter import Limiter
from .loop import running_loop

if TYPE_CHECKING:
    from datetime import datetime

    from ..clock import Clock
    from ..config import Config
    from ..drift import Drift
    from ..observe import Observer
    from ..quota import SharedAllowance, SharedQuota
    from ..reads import SharedReads
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
    """One transport, one limiter, one allowance per user, and the work that continues between calls."""

    def __init__(
        self,
        connect: Callable[[], Transport],
        clock: Clock,
        *,
        config: Config,
        connect_stream: Callable[[Origin], StreamTransport],
        drift: Drift | None,
        observer: Observer | None,
        reads: SharedReads | None,
        quota: SharedQuota | None,
    ) -> None:
        self.clock: Clock = clock
        self.prefix: str = config.address.api_path
        self.url: str = config.address.api
        self.limit: int = config.limit
        self.limiter: Limiter = Limiter(config.limit)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.transport: Transport
        self.drift: Drift | None = check_drift(drift)
        self.observer: Observer | None = check_observer(observer)
        self.reads: SharedReads | None = None if reads is None else _checked(reads)
        self._quota = check_shared_quota(quota)
        # Also those that were dropped from `_allowances` and are still in use.
        self._shared_allowances: WeakValueDictionary[int, SharedAllowance] = WeakValueDictionary()
        self._origin = config.address.origin.url
        self._connect = connect
        self._connect_stream = connect_stream
        self._waits = config.when_exhausted == "wait"
        self.reserve: int | None = 0 if config.reserve is None and not self._waits else config.reserve
        self._closed = False
        self._allowances: OrderedDict[bytes, Allowance] = OrderedDict()
        self._background: dict[Hashable, Background] = {}

    def open(self) -> None:
        """Create the transport and bind the client to this event loop.

        Raises ConfigError if the client is closed or belongs to another event loop.
        """
        if self._closed:
            raise ConfigError(CLOSED)
        loop = running_loop()
        if self.loop is not None:
            raise ConfigError("this client belongs to another event loop; create one client per event loop")
        self.transport = self._connect()
        self.loop = loop

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
        reads, self.reads = self.reads, None
        try:
            if self.loop is not None:
                transport, self.transport = self.transport, _ClosedTransport()
                await transport.aclose()
        finally:
            if reads is not None:
                await reads.aclose()
            await self._close_quota()

    async def _close_quota(self) -> None:
        """Give the permits that are not used back to the other processes."""
        quota, self._quota = self._quota, None
        if quota is None or self.loop is None:
            return
        try:
            for allowance in tuple(self._shared_allowances.values()):
                await allowance.aclose()
        finally:
            await quota.aclose()

    def allowance(self, token: Token, user: str | None = None) -> Allowance:
        """Return the quota of this user, or of this token if it is None. The 1,024 most recently used are kept."""
        import hashlib  # imported lazily: takes 1.5 ms

        # The origin, because the same name may belong to users of several servers that share a Redis.
        owner = f"token\0{token.reveal()}" if user is None else f"user\0{user}"
        digest = hashlib.sha256(f"cloud66-async quota\0{self._origin}\0{owner}".encode())
        del owner  # it may hold the token, and a traceback may show local variables
        key = digest.digest()
        found = self._allowances.get(key)
        if found is None:
            found = Allowance(self.clock, reserve=self.reserve, waits=self._waits, in_flight=self.limit)
            self._allowances[key] = found
            if self._quota is not None:
                shared = self._quota.allowance(digest.hexdigest(), found, in_flight=self.limit)
                self._shared_allowances[id(shared)] = shared
                found.share(shared)
            if len(self._allowances) > _MAX_TOKENS:
                self._allowances.popitem(last=False)
        else:
            self._allowances.move_to_end(key)
        return found


def _checked(reads: SharedReads) -> SharedReads:
    from ..reads import check_reads  # imported lazily: most programs do not share reads

    return check_reads(reads)


class _ClosedTransport:
    """The transport of a closed client."""

    async def send(self, request: Request) -> RawResponse:  # noqa: ARG002  the protocol's name
        raise ConfigError(CLOSED)

    async def aclose(self) -> None:
        pass
