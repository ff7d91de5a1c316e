"""Sender: the loop that takes a call to its response."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import APIError, ConfigError, TransportError
from ..operation import Call, Response
from ..secret import Secret
from ..transport import Request, SharedHeaders, StreamRequest, Timeouts
from . import notices, wire
from .deadline import time_left
from .loop import NO_LOOP
from .response import BufferedResponse

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..clock import Clock
    from ..quota import Allowance
    from ..retry import Retry
    from ..transport import ResponseStream
    from .limiter import Limiter
    from .origin import Origin
    from .shared import SharedState

__all__ = ["Sender"]

T = TypeVar("T")

logger = logging.getLogger("cloud66_async")

_MAX_ERROR = 65_536  # bytes of an error's body that are read

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
        identify: Callable[[], tuple[SharedHeaders, Allowance]],
        *,
        retry: Retry,
        timeouts: Timeouts,
    ) -> None:
        self._shared = shared
        self._identify = identify
        self._identity: tuple[SharedHeaders, Allowance] | None = None
        self.retry = retry
        self.timeouts = timeouts

    @property
    def clock(self) -> Clock:
        """The client's clock."""
        return self._shared.clock

    def for_account(self, account: int) -> Sender:
        """Return a sender with the same token and options that acts for this account."""

        def identify() -> tuple[SharedHeaders, Allowance]:
            headers, allowance = self._identity or self._find_identity()
            pairs = [(name, value) for name, value in headers.pairs if name != "X-Account"]
            return SharedHeaders([*pairs, ("X-Account", str(account))]), allowance

        return Sender(self._shared, identify, retry=self.retry, timeouts=self.timeouts)

    async def send(self, call: Call[T]) -> Response[T]:
        """Send `call`, retrying as `retry` allows, and return its response.

        Raises APIError, TransportError, ResponseError or QuotaError, and ConfigError if there is no token, the
        client is closed, or it belongs to another event loop.
        """
        headers, allowance = self._identity or self._find_identity()
        shared = self._shared
        try:
            if shared.loop is not asyncio.get_running_loop():
                shared.open()
        except RuntimeError:
            raise ConfigError(NO_LOOP) from None
        operation, limiter, attempt = call.operation, shared.limiter, 1
        target, body = wire.target(shared.prefix, call), wire.payload(call)
        while True:
            request_id = f"{_process}{next(_number):012x}"
            request = Request(operation.method, target, headers, request_id, body, operation.repeatable, self.timeouts)
            allowance.check()
            try:
                if limiter.free:
                    limiter.free -= 1
                else:
                    request = await self._acquire(limiter, request)
                try:
                    response = await shared.transport.send(request)
                finally:
                    limiter.release()
                quota = allowance.update(response)
                notice = response.header(b"x-cloud66-warning")
                if notice is not None:
                    notices.warn(notice)
                if 200 <= response.status < 300:
                    if shared.drift is not None:
                        shared.drift.observe(call, response)
                    return Response(wire.value(call, response, request_id), response, request_id, quota)
                raw = wire.redact(response, headers.token, call)
                problem: APIError | TransportError = wire.error(call, raw, request_id, self.clock.now())
            except TransportError as error:
                problem = error
            if not await self._pause(call, problem, attempt):
                try:
                    raise problem
                finally:
                    del problem  # break the reference cycle: error -> traceback -> frame -> error
            attempt += 1

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[ResponseStream]:
        """Return a context manager that sends `request` once, without retries, and streams its response.

        It takes no slot of the limiter, and no connection that calls use: a download takes minutes, and calls must not
        wait for it. Raises TransportError, and ConfigError as `send` does.
        """
        shared = self._shared
        try:
            if shared.loop is not asyncio.get_running_loop():
                shared.open()
        except RuntimeError:
            raise ConfigError(NO_LOOP) from None
        return shared.stream_transport(request.origin).stream(request)

    @asynccontextmanager
    async def stream_call(self, call: Call[Any], origin: Origin) -> AsyncGenerator[ResponseStream]:
        """Send `call` to the API once and return its response when the headers have arrived.

        Raises APIError for other statuses than 2xx, and TransportError. The request takes no slot of the limiter: a
        long download would keep others waiting.
        """
        headers, allowance = self._identity or self._find_identity()
        allowance.check()
        request_id = f"{_process}{next(_number):012x}"
        pairs = [(name, value) for name, value in headers.pairs if name != "Accept-Encoding"]
        request = StreamRequest(
            origin=origin,
            target=Secret(wire.target(self._shared.prefix, call)),
            headers=SharedHeaders([*pairs, ("Accept-Encoding", "identity"), ("Request-Id", request_id)]),
            timeouts=self.timeouts._replace(total=None),
            method=call.operation.method,
            body=wire.payload(call),
            repeatable=call.operation.repeatable,
        )
        async with self.stream(request) as response:
            allowance.update(BufferedResponse(response.status, b"", response.headers))
            if not 200 <= response.status < 300:
                body = b""
                async for part in response:
                    body = (body + part)[:_MAX_ERROR]
                raw = wire.redact(BufferedResponse(response.status, body, response.headers), headers.token, call)
                raise wire.error(call, raw, request_id, self.clock.now())
            yield response

    def _find_identity(self) -> tuple[SharedHeaders, Allowance]:
        self._identity = identity = self._identify()
        return identity

    @staticmethod
    async def _acquire(limiter: Limiter, request: Request) -> Request:
        """Wait for a slot. Return the request with the time that remains of its total timeout."""
        timeouts = request.timeouts
        if timeouts.total is None:
            await limiter.acquire(timeouts.pool)
            return request
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeouts.total
        await limiter.acquire(timeouts.pool, deadline)
        remaining = timeouts._replace(total=max(deadline - loop.time(), 0.0))
        return msgspec.structs.replace(request, timeouts=remaining)

    async def _pause(self, call: Call[Any], problem: APIError | TransportError, attempt: int) -> bool:
        """Wait before the next attempt. Return False if there is none."""
        pause = self.retry.pause(call, problem, attempt, self.clock.now())
        if pause is None or pause >= time_left():
            return False
        logger.info("retrying %s in %.1f s (attempt %d failed): %s", call, pause, attempt, problem)
        await self.clock.sleep(pause)
        return True
