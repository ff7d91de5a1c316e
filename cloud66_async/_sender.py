"""Sender: one loop from a call to what it brings."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from . import _wire
from ._lane import Head, Lane, Request, Timeouts
from ._places import Places
from .errors import APIError, ConfigError, TransportError
from .operation import Call, Response

if TYPE_CHECKING:
    from ._clock import Clock
    from ._lane import Answer
    from .quota import Allowance
    from .retry import Retry

__all__ = ["CLOSED", "Line", "Sender"]

T = TypeVar("T")

CLOSED = "this client is closed"

logger = logging.getLogger("cloud66_async")

# Ids as the official client sends them, a UUID each: made of one random part per process and a
# counter, since a fresh UUID would cost more than the rest of the head.
_PROCESS = "{}-{}-4{}-a{}-".format(*(os.urandom(n).hex()[:m] for n, m in ((4, 8), (2, 4), (2, 3), (2, 3))))
_number = count(int.from_bytes(os.urandom(4)))


class Line:
    """What all views of one client share of the way to the wire: the lane, and how many may use it at once."""

    __slots__ = ("gate", "lane", "loop", "prefix")

    def __init__(self, lane: Lane, *, prefix: str, limit: int) -> None:
        self.lane = lane
        self.loop = asyncio.get_running_loop()
        self.prefix = prefix
        self.gate = Places(limit)

    async def aclose(self) -> None:
        """Close the lane. Who still waits at the gate, and who comes later, gets ConfigError."""
        lane, self.lane = self.lane, _Closed()
        await lane.aclose()


class _Closed:
    """The lane of a client that was closed."""

    async def exchange(self, request: Request) -> Answer:  # noqa: ARG002  the protocol's name
        raise ConfigError(CLOSED)

    async def aclose(self) -> None:
        pass


class Sender:
    """Sends calls for one token and with one set of options."""

    def __init__(
        self,
        opening: Callable[[], Awaitable[tuple[Line, Head, Allowance]]],
        *,
        retry: Retry,
        timeouts: Timeouts,
        clock: Clock,
    ) -> None:
        self._opening = opening
        self._ready: tuple[Line, Head, Allowance] | None = None
        self.retry = retry
        self.timeouts = timeouts
        self.clock = clock

    async def send(self, call: Call[T]) -> Response[T]:
        """The answer to `call`, after as many tries as `retry` allows.

        Raises APIError, TransportError, AnswerError or QuotaError; ConfigError where there is no token,
        or the client is closed or belongs to another event loop.
        """
        line, head, allowance = self._ready or await self._open()
        if line.loop is not asyncio.get_running_loop():
            raise ConfigError("this client belongs to another event loop: open one client per event loop")
        operation, gate = call.operation, line.gate
        target, body = _wire.target(line.prefix, call), _wire.payload(call)
        attempt = 1
        while True:
            request_id = f"{_PROCESS}{next(_number):012x}"
            request = Request(operation.method, target, head, request_id, body, operation.repeatable, self.timeouts)
            allowance.check()
            try:
                if gate.free:
                    gate.free -= 1
                else:
                    await gate.wait()
                try:
                    answer = await line.lane.exchange(request)
                finally:
                    gate.give_back()
                quota = allowance.learn(answer)
                if 200 <= answer.status < 300:
                    return Response(_wire.value(call, answer, request_id), answer, request_id, quota)
                problem: APIError | TransportError = _wire.error(call, answer, request_id, self.clock.now())
            except TransportError as error:
                problem = error
            if not await self._pause(call, problem, attempt):
                try:
                    raise problem
                finally:
                    del problem  # no cycle: error -> traceback -> this frame -> error
            attempt += 1

    async def _open(self) -> tuple[Line, Head, Allowance]:
        self._ready = ready = await self._opening()
        return ready

    async def _pause(self, call: Call[Any], problem: APIError | TransportError, attempt: int) -> bool:
        """True when it is time for the next try, False where there is none."""
        pause = self.retry.pause(call, problem, attempt, self.clock.now())
        if pause is None or pause >= _time_left():
            return False
        logger.info("%s: %s; next try in %.1f s", call.operation, problem, pause)
        await self.clock.sleep(pause)
        return True


def _time_left() -> float:
    """Seconds until the deadline in scope; endless in a cancelled scope, where the next await ends it."""
    import anyio  # 20 ms to import, and needed only before a pause

    deadline = anyio.current_effective_deadline()
    return float("inf") if deadline == float("-inf") else deadline - anyio.current_time()
