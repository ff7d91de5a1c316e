"""Sharing: sends one of several equal reads, and gives its response to the others."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import MissingToken, ResponseError
from ..observe import logger
from ..operation import Call, Response
from ..reads import Read, SharedResponse
from ..token import check_expiry
from . import notices, wire
from .loop import running_loop
from .response import BufferedResponse
from .sender import Sender
from .text import clean

if TYPE_CHECKING:
    from ..polling import Polling
    from ..reads import SharedReads
    from ..retry import Retry
    from ..transport import ResponseStream, StreamRequest, Timeouts
    from .shared import Identity, SharedState

__all__ = ["SharingSender"]

T = TypeVar("T")

_DEBUG: Final = logging.DEBUG
_READS = ("GET", "HEAD")

# Reads that ask for the state of the API itself, or for something that is valid for one use.
_NEVER = ("/ping.json", "/ping/auth.json", "/accounts/otp.json", "/sessions/fetch.json")

# Not those of the quota, which the reader's own requests report, and none that belongs to a connection.
_HEADERS = ("content-type", "date", "etag", "last-modified", "link", "x-cloud66-warning", "x-request-id")


class SharingSender(Sender):
    """Sender of a client with `shared_reads`, to which it reports each write.

    With `fresh`, its reads always go to the API. `user` is the application's name of the token's user, if it has one.
    """

    def __init__(
        self,
        shared: SharedState,
        identify: Callable[[], Identity],
        *,
        retry: Retry,
        timeouts: Timeouts,
        polling: Polling | None = None,
        fresh: bool = False,
        user: str | None = None,
    ) -> None:
        super().__init__(shared, identify, retry=retry, timeouts=timeouts, polling=polling)
        self._is_fresh = fresh
        self._name = user

    @property
    def fresh(self) -> Sender:
        """A sender with the same options whose reads always go to the API."""
        return self if self._is_fresh else self.changed(fresh=True)

    def changed(
        self,
        *,
        identify: Callable[[], Identity] | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        fresh: bool | None = None,
    ) -> SharingSender:
        """Return a sender with these options instead of its own."""
        return SharingSender(
            self._shared,
            self._identify if identify is None else identify,
            retry=self.retry if retry is None else retry,
            timeouts=self.timeouts if timeouts is None else timeouts,
            polling=self.polling,
            fresh=self._is_fresh if fresh is None else fresh,
            user=self._name,
        )

    async def send(self, call: Call[T]) -> Response[T]:
        """Send `call` as `Sender.send` does, unless it is a read whose response is there or on its way."""
        reads, operation = self._shared.reads, call.operation
        if reads is None:  # the client is closed
            return await super().send(call)
        if operation.method not in _READS or not operation.repeatable:
            user = self._user()
            try:
                return await super().send(call)
            finally:
                await reads.changed(user)
        if self._is_fresh or operation.method != "GET" or call.body is not None or call.path.endswith(_NEVER):
            return await super().send(call)
        return await self._share(call, reads)

    async def _share(self, call: Call[T], reads: SharedReads) -> Response[T]:
        identity = self._identity or self._find_identity()
        shared = self._shared
        if shared.loop is not running_loop():
            shared.open()
        check_expiry(identity.expires_at, self.clock.now())
        send = super().send
        own: Response[T] | None = None

        async def fetch() -> SharedResponse:
            nonlocal own
            own = await send(call)
            response = BufferedResponse(own.status, own.raw, _shown(own.headers))
            return SharedResponse(response=response, request_id=own.request_id)

        found = await reads.read(self._read_of(call), fetch)
        if own is not None:
            return own
        try:
            return self._receive(call, found, identity)
        except ResponseError:  # the other program expected another type
            return await send(call)

    def _read_of(self, call: Call[Any]) -> Read:
        shared, headers = self._shared, (self._identity or self._find_identity()).headers
        # All headers, so that neither another token nor another account or language gets the response.
        digest = hashlib.sha256(f"{shared.url}\0".encode())
        digest.update(headers.encoded)
        digest.update(wire.target(shared.prefix, call).encode())
        key = digest.hexdigest()
        return Read(key=key, user=self._user(), timeout=self.timeouts.total, clock=self.clock)

    def _user(self) -> str:
        """Return the digest of the user, of whose reads all are obsolete after a write with any token and account."""
        digest = hashlib.sha256(f"{self._shared.url}\0".encode())
        if self._name is None:
            digest.update(f"token\0{(self._identity or self._find_identity()).headers.token}".encode())
        else:
            digest.update(f"user\0{self._name}".encode())
        return digest.hexdigest()

    def _receive(self, call: Call[T], found: SharedResponse, identity: Identity) -> Response[T]:
        """Return what a response contains that another read has received. Raises ResponseError."""
        response = found.response
        notice = response.header(b"x-cloud66-warning")
        if notice is not None:
            notices.warn(notice)
        if self._shared.drift is not None:
            self._shared.drift.observe(call, response)
        data = wire.value(call, response, found.request_id)
        if logger.isEnabledFor(_DEBUG):
            shown = clean(str(call))
            logger.debug("shared response to %s, %.1f s old [request %s]", shown, found.age, found.request_id)
        return Response(data, response, found.request_id, identity.allowance.quota, found.age)

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[ResponseStream]:
        """Return a context manager that sends `request` as `Sender.stream` does. Streams are not shared."""
        block, reads = super().stream(request), self._shared.reads
        if reads is None or request.method in _READS:
            return block
        try:
            return self._report_change(block, reads, self._user())
        except MissingToken:  # redeploy hooks need no token, and without one nothing was read
            return block

    @asynccontextmanager
    async def _report_change(
        self, block: AbstractAsyncContextManager[ResponseStream], reads: SharedReads, user: str
    ) -> AsyncGenerator[ResponseStream]:
        try:
            async with block as response:
                yield response
        finally:
            await reads.changed(user)


def _shown(headers: Any) -> dict[str, str]:
    """Return the headers that describe the content."""
    return {name: headers[name] for name in _HEADERS if name in headers}
