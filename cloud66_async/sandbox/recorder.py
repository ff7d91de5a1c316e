"""The requests that a sandbox received."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import NamedTuple

from .message import Request

__all__ = ["RecordedRequest", "Recorder"]

_MAX_RECORDED = 10_000


class RecordedRequest(NamedTuple):
    """A request that the sandbox received. `status` is None if the connection was dropped."""

    method: str
    target: str
    operations: tuple[str, ...]
    status: int | None
    request_id: str | None
    account: str | None


class Recorder:
    """The latest requests, and the number of all requests by operation. It can be used in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: deque[RecordedRequest] = deque(maxlen=_MAX_RECORDED)
        self._calls: Counter[str] = Counter()
        self._count = 0

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The latest requests, the oldest first."""
        with self._lock:
            return tuple(self._recorded)

    def calls(self, operation: str | None = None) -> int:
        """Return the number of requests: all, or those of one operation."""
        return self._count if operation is None else self._calls[operation]

    def record(self, request: Request, operations: tuple[str, ...] | None, status: int | None) -> None:
        """Record a request of these operations with the status of its response."""
        headers = request.headers
        recorded = RecordedRequest(
            request.method,
            # Queries of the provider contain authorization codes, which must not be recorded.
            request.path if request.path.startswith("/oauth/") else request.target,
            operations or (),
            status,
            headers.get("request-id"),
            headers.get("x-account"),
        )
        with self._lock:
            self._recorded.append(recorded)
            self._count += 1
            self._calls.update(operations or ())
