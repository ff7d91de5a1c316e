"""Faults: what goes wrong in the sandbox, when and how often; without chance."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import attrs

from .message import Reply, problem

__all__ = ["Dropped", "Fault", "Faults", "throttled"]

_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


class Dropped(Exception):
    """The connection ends without an answer."""


class Fault(NamedTuple):
    """One thing that goes wrong: an answer instead of the real one, a pause before it, or no answer at all."""

    reply: Reply | None = None
    seconds: float = 0.0
    drop: bool = False
    cut: bool = False


@attrs.define
class _Rule:
    fault: Fault
    left: int
    operation: str | None


class Faults:
    """What goes wrong next.

    Each rule strikes `times` times, on the operation that it names (`stacks.get`; `oauth.token`) or on
    whatever comes. Rules strike in the order in which they were made, one a request.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._failures: list[tuple[str | None, str]] = []

    def __repr__(self) -> str:
        return f"<Faults: {len(self._rules)} rules, {len(self._failures)} failing actions>"

    def throttle(self, *, times: int = 1, operation: str | None = None, retry_after: int | None = None) -> None:
        """RawResponse 503 `throttled`, as when the hour's requests are used up.

        `retry_after` adds that header, in seconds, which Cloud 66 is not known to send.
        """
        reply = throttled().plus(("x-ratelimit-remaining", "0"))
        if retry_after is not None:
            reply = reply.plus(("retry-after", str(retry_after)))
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
        """RawResponse with this status; the body is an error in the API's form where none is given."""
        reply = (
            problem(status, "sandbox_fault", "Asked for by a rule of the sandbox")
            if body is None
            else Reply(status, (("content-type", content_type),), body)
        )
        self._add(Fault(reply), times, operation)

    def html(self, *, status: int = 502, times: int = 1, operation: str | None = None) -> None:
        """RawResponse with the page of a proxy."""
        self.fail(status, times=times, operation=operation, body=_HTML, content_type="text/html")

    def empty(self, *, status: int = 200, times: int = 1, operation: str | None = None) -> None:
        """RawResponse with no body."""
        self.fail(status, times=times, operation=operation, body=b"")

    def truncate(self, *, times: int = 1, operation: str | None = None) -> None:
        """RawResponse with the first half of the real body, as if that were all of it."""
        self._add(Fault(cut=True), times, operation)

    def not_an_object(self, *, times: int = 1, operation: str | None = None) -> None:
        """RawResponse with JSON that is a list of numbers."""
        self.fail(200, times=times, operation=operation, body=b"[1, 2, 3]")

    def slow(self, seconds: float, *, times: int = 1, operation: str | None = None) -> None:
        """RawResponse properly, but so many seconds late by the sandbox's clock."""
        self._add(Fault(seconds=seconds), times, operation)

    def drop(self, *, times: int = 1, operation: str | None = None) -> None:
        """Do as asked, and end the connection without an answer."""
        self._add(Fault(drop=True), times, operation)

    def action_fails(
        self, *, times: int = 1, action: str | None = None, message: str = "Failed in the sandbox"
    ) -> None:
        """Let the next actions end without success; `action` narrows it to those of this name."""
        self._failures.extend([(action, message)] * times)

    def clear(self) -> None:
        """Forget every rule that is left."""
        self._rules.clear()
        self._failures.clear()

    def take(self, operations: Collection[str]) -> Fault | None:
        """The fault that strikes a request of these operations, which uses it up; None where none does."""
        for rule in self._rules:
            if rule.operation is None or rule.operation in operations:
                rule.left -= 1
                if not rule.left:
                    self._rules.remove(rule)
                return rule.fault
        return None

    def failure(self, action: str) -> str | None:
        """The message with which this new action will fail, None where it will succeed."""
        for index, (name, message) in enumerate(self._failures):
            if name in (None, action):
                del self._failures[index]
                return message
        return None

    def _add(self, fault: Fault, times: int, operation: str | None) -> None:
        if times < 1:
            raise ValueError("a rule strikes at least once")
        self._rules.append(_Rule(fault, times, operation))


def throttled() -> Reply:
    """The answer when the hour's requests are used up."""
    return problem(503, "throttled", "Rate limit reached. Try again in the next hourly interval")
