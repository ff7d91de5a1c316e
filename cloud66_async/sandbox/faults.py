"""Fault injection: what goes wrong in the sandbox, when and how often. Nothing is random."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import attrs

from .message import Reply, error_reply

__all__ = ["ConnectionDropped", "Fault", "Faults", "throttled"]

_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


class ConnectionDropped(Exception):
    """The connection is closed without a response, or in the middle of `reply`."""

    def __init__(self, reply: Reply | None = None) -> None:
        super().__init__()
        self.reply = reply


class Fault(NamedTuple):
    """A fault of one request.

    `reply` replaces the response, `delay` is a pause in seconds before it, `truncate` sends only its first half, `cut`
    closes the connection after its first half, and `drop` closes it without a response.
    """

    reply: Reply | None = None
    delay: float = 0.0
    truncate: bool = False
    cut: bool = False
    drop: bool = False


@attrs.define
class _Rule:
    fault: Fault
    remaining: int
    operation: str | None


class Faults:
    """Rules for what goes wrong next.

    Each rule applies to the next `times` requests, either of one operation (`stacks.get`, `oauth.token`, `storage.get`)
    or of any.
    Rules apply in the order in which they were added, one per request.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._failures: list[tuple[str | None, str]] = []

    def __repr__(self) -> str:
        return f"<Faults: {len(self._rules)} rules, {len(self._failures)} failing actions>"

    def throttle(self, *, times: int = 1, operation: str | None = None, retry_after: int | None = None) -> None:
        """Respond with 503 `throttled`, as if the quota of this hour were exhausted.

        `retry_after` adds that header, in seconds. Cloud 66 is not known to send it.
        """
        reply = throttled().with_headers(("x-ratelimit-remaining", "0"))
        if retry_after is not None:
            reply = reply.with_headers(("retry-after", str(retry_after)))
        self._add(Fault(reply), times, operation)

    def fail(
        self,
        status: int,
        *,
        times: int = 1,
        operation: str | None = None,
        body: bytes | None = None,
        content_type: str = "application/json; charset=utf-8",
    ) -> None:
        """Respond with this status, and with an error in the API's format unless `body` is given."""
        reply = (
            error_reply(status, "sandbox_fault", "Requested by a fault rule of the sandbox")
            if body is None
            else Reply(status, (("content-type", content_type),), body)
        )
        self._add(Fault(reply), times, operation)

    def html(self, *, status: int = 502, times: int = 1, operation: str | None = None) -> None:
        """Respond with the HTML error page of a proxy."""
        self.fail(status, times=times, operation=operation, body=_HTML, content_type="text/html")

    def empty(self, *, status: int = 200, times: int = 1, operation: str | None = None) -> None:
        """Respond with an empty body."""
        self.fail(status, times=times, operation=operation, body=b"")

    def truncate(self, *, times: int = 1, operation: str | None = None) -> None:
        """Respond with the first half of the body, with a Content-Length to match."""
        self._add(Fault(truncate=True), times, operation)

    def cut(self, *, times: int = 1, operation: str | None = None) -> None:
        """Announce the whole body, send its first half, and close the connection."""
        self._add(Fault(cut=True), times, operation)

    def not_an_object(self, *, times: int = 1, operation: str | None = None) -> None:
        """Respond with JSON that is a list of numbers."""
        self.fail(200, times=times, operation=operation, body=b"[1, 2, 3]")

    def slow(self, seconds: float, *, times: int = 1, operation: str | None = None) -> None:
        """Respond as usual, but after this many seconds on the sandbox's clock."""
        self._add(Fault(delay=seconds), times, operation)

    def drop(self, *, times: int = 1, operation: str | None = None) -> None:
        """Process the request, then close the connection without a response."""
        self._add(Fault(drop=True), times, operation)

    def action_fails(
        self, *, times: int = 1, action: str | None = None, message: str = "Failed in the sandbox"
    ) -> None:
        """Let the next actions finish without success, or only those with the name `action`."""
        self._failures.extend([(action, message)] * times)

    def clear(self) -> None:
        """Delete every rule."""
        self._rules.clear()
        self._failures.clear()

    def take(self, operations: Collection[str]) -> Fault | None:
        """Return the fault that applies to a request of these operations, or None, and count it as used."""
        for rule in self._rules:
            if rule.operation is None or rule.operation in operations:
                rule.remaining -= 1
                if not rule.remaining:
                    self._rules.remove(rule)
                return rule.fault
        return None

    def take_failure(self, action: str) -> str | None:
        """Return the message with which this new action will fail, or None, and count it as used."""
        for index, (name, message) in enumerate(self._failures):
            if name in (None, action):
                del self._failures[index]
                return message
        return None

    def _add(self, fault: Fault, times: int, operation: str | None) -> None:
        if times < 1:
            raise ValueError(f"invalid times {times}: must be at least 1")
        self._rules.append(_Rule(fault, times, operation))


def throttled() -> Reply:
    """Return the response to a request beyond the quota of this hour."""
    return error_reply(503, "throttled", "Rate limit reached. Try again in the next hourly interval")
