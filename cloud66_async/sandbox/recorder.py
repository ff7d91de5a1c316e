"""The requests that a sandbox received."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from ..secret import Secret
from .description import read_logged, shown_target
from .message import Request
from .names import OAUTH, is_write
from .routes import Match

__all__ = ["RecordedRequest", "Recorder"]

_MAX_RECORDED = 10_000
_MAX_SHOWN = 60
_RETRIED = (408, 429)


class RecordedRequest(NamedTuple):
    """A request that the sandbox received.

    Args:
        method: HTTP method.
        target: Path and query. Secrets in them are masked.
        operations: Name of the operation, for example `stacks.get`. Empty if there is none.
        status: Status of the response, or None if the client received no response.
        request_id: Value of the `Request-Id` header.
        account: Value of the `X-Account` header.
        time: Time on the sandbox's clock.
        parameters: Values in the path, the query and the body by name. Secrets are of the type `Secret`.
        scope: Scope that the operation requires.
        attempt: 2 if this request repeats one that failed, 3 if that one did too, and so on.
        complete: Whether the client received all of the response, or at least could have done so.
    """

    method: str
    target: str
    operations: tuple[str, ...]
    status: int | None
    request_id: str | None
    account: str | None
    time: datetime
    parameters: Mapping[str, Any] = MappingProxyType({})
    scope: str | None = None
    attempt: int = 1
    complete: bool = True

    @property
    def operation(self) -> str | None:
        """The name of the operation, or None if there is none."""
        return self.operations[0] if self.operations else None

    @property
    def outcome(self) -> str:
        """The status of the response as text, or `dropped` if the client received none."""
        if self.status is None:
            return "dropped"
        return str(self.status) if self.complete else f"{self.status} (incomplete)"

    @property
    def is_write(self) -> bool:
        """Whether it is a request to the API that may change something."""
        return is_write(self.method, self.operations)

    def __str__(self) -> str:
        """Return one line: the operation with its parameters, and the outcome."""
        # Nearly all parameters of a login are secrets, which would only be shown as such.
        shown = {
            name: value
            for name, value in self.parameters.items()
            if self.operation not in OAUTH or not isinstance(value, Secret)
        }
        values = ", ".join(f"{name}={_shown(value)}" for name, value in shown.items())
        name = f"{self.operation}({values})" if self.operation else f"{self.method} {self.target}"
        account = "" if self.account is None else f", account {self.account}"
        attempt = "" if self.attempt == 1 else f", attempt {self.attempt}"
        return f"{name} -> {self.outcome}{attempt}{account}"


class Recorder:
    """The latest requests, and the number of all requests by operation. It can be used in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: deque[RecordedRequest] = deque(maxlen=_MAX_RECORDED)
        self._calls: Counter[str] = Counter()
        self._count = 0
        self._failed: dict[int, int] = {}

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The latest requests, the oldest first."""
        with self._lock:
            return tuple(self._recorded)

    def calls(self, operation: str | None = None) -> int:
        """Return the number of requests: all, or those of one operation."""
        return self._count if operation is None else self._calls[operation]

    def record(
        self,
        request: Request,
        operations: tuple[str, ...] | None,
        status: int | None,
        *,
        match: Match | None,
        time: datetime,
        complete: bool,
    ) -> None:
        """Record a request of these operations with the status of its response.

        Args:
            request: The request.
            operations: Name of its operation, or None for other pages.
            status: Status of the response, or None if it is not sent.
            match: Route of the request and the values in its path.
            time: Time on the sandbox's clock.
            complete: Whether all of the response is sent.
        """
        headers = request.headers
        entry = RecordedRequest(
            request.method,
            shown_target(request, match),
            operations or (),
            status,
            headers.get("request-id"),
            headers.get("x-account"),
            time,
            MappingProxyType(read_logged(request, match)),
            None if match is None else match[0].operations[0].scope,
            self._attempt(request, failed=not complete or status is None or status in _RETRIED or status >= 500),
            complete,
        )
        with self._lock:
            self._recorded.append(entry)
            self._count += 1
            self._calls.update(operations or ())

    def _attempt(self, request: Request, *, failed: bool) -> int:
        """Return the number of the attempt, and remember it if it failed in a way that clients retry."""
        headers = request.headers
        account, token = headers.get("x-account"), headers.get("authorization")
        key = hash((request.method, request.target, request.body, account, token))
        with self._lock:
            attempt = self._failed.pop(key, 0) + 1
            if failed:
                self._failed[key] = attempt
            if len(self._failed) > _MAX_RECORDED:
                del self._failed[next(iter(self._failed))]
        return attempt


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
