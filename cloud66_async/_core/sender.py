"""Sender: the loop that takes a call to its response."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ..errors import APIError, Cloud66Error, QuotaError, ResponseError, TransportError
from ..observe import logger as requests
from ..operation import Call, Response
from ..secret import Secret
from ..token import check_expiry
from ..transport import Request, SharedHeaders, StreamRequest, Timeouts
from . import notices, wire
from .deadline import time_left
from .ending import Ending
from .loop import explained
from .response import BufferedResponse

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from ..clock import Clock
    from ..polling import Polling
    from ..quota import Allowance, Permit, Quota
    from ..retry import Retry
    from ..transport import RawResponse, ResponseStream
    from .limiter import Limiter
    from .origin import Origin
    from .shared import Background, Identity, SharedState

__all__ = ["Sender"]

T = TypeVar("T")
_Failure = APIError | TransportError | ResponseError

logger = logging.getLogger("cloud66_async")

_DEBUG: Final = logging.DEBUG
_MAX_ERROR = 65_536  # bytes of an error's body that are read
_running_loop: Callable[[], asyncio.AbstractEventLoop | None] = asyncio._get_running_loop  # noqa: SLF001  does not raise

# Request IDs have the form of a UUID, as the official client's have. They consist of one random part per process and
# a counter, because a new UUID would cost more than the rest of the headers.
_process = ""
_number = count()


def _renew_ids() -> None:
    """Choose a new random part. Also called in forked processes, which would otherwise repeat the parent's IDs."""
    global _process, _number  # noqa: PLW0603
    _process = "{}-{}-4{}-a{}-".format(*(os.urandom(n).hex()[:m] for n, m in ((4, 8), (2, 4), (2, 3), (2, 3))))
    _number = count(int.from_bytes(os.urandom(4)))


_renew_ids()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_ids)


class Sender:
    """Sends calls with one token and one set of options."""

    def __init__(
        self,
        shared: SharedState,
        identify: Callable[[], Identity],
        *,
        retry: Retry,
        timeouts: Timeouts,
        polling: Polling | None = None,
    ) -> None:
        self._shared = shared
        self._identify = identify
        self._identity: Identity | None = None
        self.retry = retry
        self.timeouts = timeouts
        self.polling = polling

    @property
    def clock(self) -> Clock:
        """The client's clock."""
        return self._shared.clock

    @property
    def limit(self) -> int:
        """The maximum number of requests in flight."""
        return self._shared.limit

    @property
    def identity(self) -> tuple[SharedState, SharedHeaders]:
        """The state of the client, and the token and the account that requests are sent with."""
        return self._shared, (self._identity or self._find_identity()).headers

    @property
    def allowance(self) -> Allowance:
        """The quota that requests count against."""
        return (self._identity or self._find_identity()).allowance

    @property
    def background(self) -> Sequence[Background]:
        """The work of the client that continues between calls, with any token."""
        return self._shared.running()

    def for_account(self, account: int) -> Sender:
        """Return a sender with the same token and options that acts for this account."""

        def identify() -> Identity:
            identity = self._identity or self._find_identity()
            return identity._replace(headers=identity.headers.replacing(("X-Account", str(account))))

        return self.changed(identify=identify)

    def changed(
        self,
        *,
        identify: Callable[[], Identity] | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
    ) -> Sender:
        """Return a sender with these options instead of its own."""
        return Sender(
            self._shared,
            self._identify if identify is None else identify,
            retry=self.retry if retry is None else retry,
            timeouts=self.timeouts if timeouts is None else timeouts,
            polling=self.polling,
        )

    @property
    def fresh(self) -> Sender:
        """A sender with the same options whose reads always go to the API. This one never shares a read."""
        return self

    async def send(self, call: Call[T]) -> Response[T]:
        """Send `call`, retrying as `retry` allows, and return its response.

        Raises APIError, TransportError, ResponseError or QuotaError, LoginError if the token has expired, and
        ConfigError if there is no token, the client is closed, or it belongs to another event loop.
        """
        headers, allowance, expires_at = self._identity or self._find_identity()
        shared = self._shared
        if (loop := _running_loop()) is None or loop is not shared.loop:
            shared.open()
        method, safe, limiter, number = call.operation.method, call.operation.repeatable, shared.limiter, 1
        target, body = wire.target(shared.prefix, call), wire.payload(call)
        outcome: Response[T] | _Failure | None = None
        try:
            while True:
                request_id = f"{_process}{next(_number):012x}"
                request = Request(method, target, headers, request_id, body, safe, self.timeouts)
                permit = await self._wait_for_quota(allowance, expires_at) if allowance.guarded or expires_at else None
                slots, started = limiter, 0.0
                try:
                    if limiter.free and allowance.slow_start is None:
                        limiter.free -= 1
                    else:
                        slots, request = await self._acquire(allowance, request)
                    started = perf_counter()
                    try:
                        response = await shared.transport.send(request)
                    finally:
                        slots.release()
                    outcome = self._read(call, response, request_id, headers, allowance.update(response, permit))
                    if isinstance(outcome, Response):
                        if slots.reduced or shared.observer is not None or requests.isEnabledFor(_DEBUG):
                            Ending(call, number, request_id, started, slots, allowance).succeed(response, shared)
                        return outcome
                except (TransportError, ResponseError) as error:
                    outcome = error
                except asyncio.CancelledError as cancelled:
                    self._cancel(Ending(call, number, request_id, started, slots, allowance), cancelled, outcome)
                    raise
                finally:
                    if permit is not None:
                        allowance.end(permit)
                ending = Ending(call, number, request_id, started, slots, allowance, permit)
                number = await self._recover(ending, outcome)
        finally:
            del outcome  # break the reference cycle: error -> traceback -> frame -> error

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[ResponseStream]:
        """Return a context manager that sends `request` once, without retries, and streams its response.

        It takes no slot of the limiter, and no connection that calls use: a download takes minutes, and calls must not
        wait for it. Raises TransportError, and ConfigError as `send` does.
        """
        shared = self._shared
        try:
            if shared.loop is not asyncio.get_running_loop():
                shared.open()
        except RuntimeError as error:
            raise explained(error) from None
        return shared.stream_transport(request.origin).stream(request)

    @asynccontextmanager
    async def stream_call(self, call: Call[Any], origin: Origin) -> AsyncGenerator[ResponseStream]:
        """Send `call` to the API once and return its response when the headers have arrived.

        Raises APIError for other statuses than 2xx, and TransportError. The request takes no slot of the limiter: a
        long download would keep others waiting. It is reported when the headers have arrived.
        """
        headers, allowance, expires_at = self._identity or self._find_identity()
        permit = await self._wait_for_quota(allowance, expires_at)
        request_id = f"{_process}{next(_number):012x}"
        request = StreamRequest(
            origin=origin,
            target=Secret(wire.target(self._shared.prefix, call)),
            headers=headers.replacing(("Accept-Encoding", "identity"), ("Request-Id", request_id)),
            timeouts=self.timeouts._replace(total=None),
            method=call.operation.method,
            body=wire.payload(call),
            repeatable=call.operation.repeatable,
        )
        ending, is_open = Ending(call, 1, request_id, perf_counter(), self._shared.limiter, allowance, permit), False
        try:
            async with self.stream(request) as response:
                received = BufferedResponse(response.status, b"", response.headers)
                allowance.update(received, permit)
                if permit is not None:  # counted by the server: the body may take minutes
                    allowance.end(permit)
                    permit = None
                if not 200 <= response.status < 300:
                    raw = wire.redact(await _with_body(response, received), headers.token, call)
                    raise wire.error(call, raw, request_id, self.clock.now())
                is_open = True
                ending.report(self._shared, response=received)
                yield response
        except (APIError, TransportError, asyncio.CancelledError) as error:
            if not is_open:
                ending.report(self._shared, error=error if isinstance(error, Cloud66Error) else None)
            raise
        finally:
            if permit is not None:
                allowance.end(permit)

    def _find_identity(self) -> Identity:
        self._identity = identity = self._identify()
        return identity

    async def _wait_for_quota(self, allowance: Allowance, expires_at: datetime | None) -> Permit | None:
        """Wait until the quota allows a request. Raises QuotaError if that takes too long.

        It precedes every attempt, and raises LoginError if the token has expired. Returns the permit for the attempt if
        the quota is shared with other processes.
        """
        while True:
            now = self.clock.now()
            check_expiry(expires_at, now)
            try:
                if allowance.shared is not None:
                    return allowance.shared.try_take(now) or await allowance.shared.take()
                allowance.check()
                return None
            except QuotaError as error:
                problem = error
            try:
                reset = problem.retry_at if allowance.waits else None
                pause = None if reset is None else self.retry.pause_until(reset, now)
                if pause is None or pause >= time_left():
                    raise problem
                if allowance.announced != reset:  # once for all requests that wait
                    allowance.announced = reset
                    logger.info("waiting %.1f s for the hourly quota: %s", pause, problem)
                await self._sleep(pause, problem)
            finally:
                del problem  # as in `send`

    async def _acquire(self, allowance: Allowance, request: Request) -> tuple[Limiter, Request]:
        """Wait for a slot. Return it and the request with the time that remains of its total timeout."""
        slots: Limiter = self._shared.limiter
        if allowance.slow_start is not None and allowance.slow_start.until <= self.clock.now():
            slots = allowance.slow_start
        timeouts = request.timeouts
        if timeouts.total is None:
            await slots.take(timeouts.pool)
            return slots, request
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeouts.total
        await slots.take(timeouts.pool, deadline)
        remaining = timeouts._replace(total=max(deadline - loop.time(), 0.0))
        return slots, msgspec.structs.replace(request, timeouts=remaining)

    def _read(
        self, call: Call[T], response: RawResponse, request_id: str, headers: SharedHeaders, quota: Quota
    ) -> Response[T] | APIError:
        """Return what the response contains, or the error that it represents. Raises ResponseError."""
        notice = response.header(b"x-cloud66-warning")
        if notice is not None:
            notices.warn(notice)
        if 200 <= response.status < 300:
            if self._shared.drift is not None:
                self._shared.drift.observe(call, response)
            return Response(wire.value(call, response, request_id), response, request_id, quota)
        return wire.error(call, wire.redact(response, headers.token, call), request_id, self.clock.now())

    def _cancel(self, ending: Ending, cancelled: asyncio.CancelledError, previous: object) -> None:
        """Report a request that was cancelled. The error because of which it was a retry becomes the cause."""
        if isinstance(previous, Exception):
            cancelled.__cause__ = previous
        if ending.started:
            ending.report(self._shared)

    async def _recover(self, ending: Ending, problem: _Failure) -> int:
        """Adapt the limits to a failure, report it, and wait for the next attempt. Raise `problem` if there is none.

        Returns the number of that attempt.
        """
        pause = None
        ending.adapt(problem, self._shared)
        try:
            try:
                pause = self._next_pause(ending.call, problem, ending.number)
            except Exception as failure:  # of `before_retry`
                failure.__context__ = failure.__context__ or problem
                raise
            finally:
                ending.report(self._shared, error=problem, pause=pause)
            if pause is None:
                raise problem
            await self._sleep(pause, problem)
            return ending.number + 1
        finally:
            del problem  # as in `send`

    def _next_pause(self, call: Call[Any], problem: _Failure, number: int) -> float | None:
        """Return the seconds until the next attempt, or None if there is none."""
        pause = self.retry.pause(call, problem, number, self.clock.now())
        if pause is None or pause >= time_left() or not self.retry.allows(call, problem, number, pause):
            return None
        return pause

    async def _sleep(self, seconds: float, problem: Exception) -> None:
        """Pause because of `problem`, which an error of the caller's deadline then names as its cause."""
        try:
            await self.clock.sleep(seconds)
        except asyncio.CancelledError as cancelled:
            cancelled.__cause__ = problem
            raise
        finally:
            del problem


async def _with_body(response: ResponseStream, received: BufferedResponse) -> BufferedResponse:
    """Return the response with the beginning of its body."""
    body = b""
    async for part in response:
        body = (body + part)[:_MAX_ERROR]
        if len(body) >= _MAX_ERROR:
            break
    return msgspec.structs.replace(received, body=body)
