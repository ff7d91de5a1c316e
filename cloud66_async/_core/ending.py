"""Ending: what the end of an attempt tells the limiter and the observer."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import APIError, RequestTimeout, ResponseError, ServerError, Throttled, TransportTimeout
from ..observe import ended
from .limiter import SlowStart

if TYPE_CHECKING:
    from ..errors import Cloud66Error
    from ..operation import Call
    from ..quota import Allowance, Permit
    from .limiter import Limiter
    from .response import RawResponse
    from .shared import SharedState

__all__ = ["Ending"]


class Ending(NamedTuple):
    """The end of one attempt of a call. `started` is 0 if the request was not sent.

    `permit` is what it was sent with, if the quota is shared with other processes.
    """

    call: Call[Any]
    number: int
    request_id: str
    started: float
    slots: Limiter
    allowance: Allowance
    permit: Permit | None = None

    def succeed(self, response: RawResponse, shared: SharedState) -> None:
        """Adapt the limits to a success and report it."""
        if self.slots.reduced:
            self._grow()
        self.report(shared, response=response)

    def adapt(self, problem: Cloud66Error, shared: SharedState) -> None:
        """Adapt the limits to what a failure says about the server, and that of the client only if it is overloaded."""
        if not self.started:
            return
        slow_start = self.allowance.slow_start
        if isinstance(problem, Throttled):
            until = problem.retry_at or shared.clock.now()
            if self.permit is not None:
                self.allowance.throttled(self.permit, problem.response, until)
            if slow_start is None and shared.limit > 1:
                self.allowance.slow_start = SlowStart(shared.limiter, until)
            elif slow_start is not None:
                slow_start.throttled(until, self.started, perf_counter())
        elif isinstance(problem, ServerError | RequestTimeout | TransportTimeout):
            shared.limiter.failed(self.started, perf_counter())
        elif isinstance(problem, APIError) and self.slots.reduced:
            self._grow()  # the server works

    def _grow(self) -> None:
        self.slots.succeeded(self.started)
        if self.allowance.slow_start is not None and not self.allowance.slow_start.reduced:
            self.allowance.slow_start = None

    def report(
        self,
        shared: SharedState,
        *,
        error: Cloud66Error | None = None,
        pause: float | None = None,
        response: RawResponse | None = None,
    ) -> None:
        """Log this end and report it to the observer. Without an error and a response, the request was cancelled."""
        if response is None and isinstance(error, APIError | ResponseError):
            response = error.response
        ended(
            shared.observer,
            self.call,
            number=self.number,
            status=None if response is None else response.status,
            error=error,
            seconds=perf_counter() - self.started if self.started else 0.0,
            request_id=self.request_id,
            pause=pause,
            response=response,
        )
