"""Faults: the methods with which tests add rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from http import HTTPStatus

from ..message import Reply, error_reply
from . import effects
from .book import RuleBook
from .fault import ActionFault, Fault, Place, throttled
from .rules import When, check_seconds

__all__ = ["Faults"]

_JSON = "application/json; charset=utf-8"
_NEVER = 100 * 365 * 86_400.0
"""Seconds that an action takes which never ends. Later actions still get a valid time."""
_UNLIMITED = 2**63


class Faults(RuleBook):
    """Rules for what goes wrong next.

    Rules apply in the order in which they were added, one per request. Every method has these options:

    - `times`: how many requests the rule applies to.
    - `operation`: the operation that it applies to, or several: `stacks.get`, `oauth.token`, `storage.get`. The default
      is any operation. A name that no operation has is a ValueError.
    - `probability`: how likely it applies to each such request, until it has applied `times` times. The decisions are
      the same in every run with the same `seed`.
    - `allow_unused`: whether the rule may never apply. Otherwise `assert_used` fails if it did not.

    Args:
        clock: Clock of the sandbox. The default is the system's.
        seed: Seed of the decisions.
    """

    # --- responses of the API --------------------------------------------------------------------

    def throttle(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
        retry_after: int | None = None,
    ) -> None:
        """Respond with 503 `throttled`, as if the quota of this hour were exhausted.

        `retry_after` adds that header, in seconds. Cloud 66 is not known to send it.
        """
        reply = _exhausted()
        if retry_after is not None:
            reply = reply.with_headers(("retry-after", str(retry_after)))
        self._add("throttle", Fault(reply), When(times, operation, probability, allow_unused))

    def throttle_until_next_hour(
        self, *, operation: str | Iterable[str] | None = None, probability: float = 1.0, allow_unused: bool = False
    ) -> None:
        """Respond with 503 `throttled` to every request until the next full hour of the sandbox's clock."""
        until = self._clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        when = When(_UNLIMITED, operation, probability, allow_unused)
        self._add("throttle_until_next_hour", Fault(_exhausted()), when, until=until)

    def fail(
        self,
        status: int,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
        body: bytes | None = None,
        content_type: str = _JSON,
    ) -> None:
        """Respond with this status, and with an error in the API's format unless `body` is given.

        Args:
            status: HTTP status.
            times: How many requests the rule applies to.
            operation: Operation or operations that it applies to.
            probability: How likely it applies to each such request.
            allow_unused: Whether the rule may never apply.
            body: Body of the response.
            content_type: Content type of `body`.
        """
        reply = Reply(status, (("content-type", content_type),), body or b"")
        if body is None:
            reply = error_reply(status, "sandbox_fault", "Requested by a fault rule of the sandbox")
        self._add("fail", Fault(reply), When(times, operation, probability, allow_unused))

    def busy(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with 409, as if another operation were running on the stack."""
        reply = error_reply(409, "conflict", "The stack is busy with another operation")
        self._add("busy", Fault(reply), When(times, operation, probability, allow_unused))

    def revoke_token(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Revoke the token of the request before the request is processed. It stays revoked."""
        self._add("revoke_token", Fault(prepare=effects.revoke), When(times, operation, probability, allow_unused))

    def missing_scope(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Process the request as if the token had no scopes: 403, unless the operation requires no scope."""
        fault = Fault(prepare=effects.withhold_scope)
        self._add("missing_scope", fault, When(times, operation, probability, allow_unused))

    # --- malformed and unexpected responses ------------------------------------------------------

    def html(
        self,
        *,
        status: int = 502,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with the HTML error page of a proxy."""
        body = effects.html_page(f"{status} {HTTPStatus(status).phrase}")
        fault = Fault(Reply(status, (("content-type", "text/html"),), body))
        self._add("html", fault, When(times, operation, probability, allow_unused))

    def empty(
        self,
        *,
        status: int = 200,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with an empty body."""
        fault = Fault(Reply(status, (("content-type", _JSON),)))
        self._add("empty", fault, When(times, operation, probability, allow_unused))

    def truncate(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
        compressed: bool = False,
    ) -> None:
        """Respond with the first half of the body, with a Content-Length to match.

        With `compressed`, it is the first half of the body that is compressed with gzip.
        """
        fault = Fault(change=effects.compress_half if compressed else effects.halve)
        self._add("truncate", fault, When(times, operation, probability, allow_unused))

    def invalid_json(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with a body that is not valid JSON."""
        fault = Fault(Reply(200, (("content-type", _JSON),), b'{"response": [1, 2,, NaN}'))
        self._add("invalid_json", fault, When(times, operation, probability, allow_unused))

    def not_an_object(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with JSON that is a list of numbers."""
        fault = Fault(Reply(200, (("content-type", _JSON),), b"[1, 2, 3]"))
        self._add("not_an_object", fault, When(times, operation, probability, allow_unused))

    def wrong_shape(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with text in the place of the object or list, within the usual envelope."""
        fault = Fault(change=effects.make_shape_wrong)
        self._add("wrong_shape", fault, When(times, operation, probability, allow_unused))

    def wrong_content_type(
        self,
        value: str = "text/html",
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond with the right body and with this content type."""
        fault = Fault(change=effects.with_content_type(value))
        self._add("wrong_content_type", fault, When(times, operation, probability, allow_unused))

    def unknown_fields(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Add a field that this release does not know to every object of the response."""
        fault = Fault(change=effects.unknown_fields)
        self._add("unknown_fields", fault, When(times, operation, probability, allow_unused))

    def unknown_codes(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Replace the values of enumerations, such as the status of a stack, with unknown ones."""
        fault = Fault(change=effects.unknown_codes)
        self._add("unknown_codes", fault, When(times, operation, probability, allow_unused))

    def clock_skew(
        self,
        seconds: float,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Respond as if the clock of the server were this many seconds ahead, or behind if `seconds` is negative.

        It moves the `Date` header and every timestamp of the response.
        """
        check_seconds("seconds", seconds, signed=True)
        fault = Fault(change=effects.shift_times(seconds))
        self._add("clock_skew", fault, When(times, operation, probability, allow_unused))

    def page_moves(
        self,
        insert: Callable[[], object] | None = None,
        *,
        times: int = 1,
        operation: str | Iterable[str] = "stacks.list",
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Change a list while it is read: call `insert` before a page after the first one is returned.

        By default, a stack is inserted before all others, so that the last stack of the previous page is returned
        again. For other lists, pass a function that inserts an item.
        """
        when = When(times, operation, probability, allow_unused)
        if insert is None and operation != "stacks.list":
            raise ValueError("missing insert: only stacks are inserted by default; pass a function that adds an item")
        fault = Fault(prepare=effects.prepend_stack if insert is None else effects.calling(insert))
        self._add("page_moves", fault, when, accepts=effects.is_later_page)

    # --- connections -----------------------------------------------------------------------------

    def slow(
        self,
        seconds: float,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
        body: bool = False,
    ) -> None:
        """Process the request, but respond only after this many seconds on the sandbox's clock.

        Args:
            seconds: Seconds before the response.
            times: How many requests the rule applies to.
            operation: Operation or operations that it applies to.
            probability: How likely it applies to each such request.
            allow_unused: Whether the rule may never apply.
            body: Whether the headers and the first half of the body are sent without delay.
        """
        check_seconds("seconds", seconds)
        fault = Fault(pause=seconds) if body else Fault(delay=seconds)
        self._add("slow", fault, When(times, operation, probability, allow_unused))

    def drop(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Process the request, then close the connection without a response."""
        self._add("drop", Fault(cut="before"), When(times, operation, probability, allow_unused))

    def reset(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Process the request, then reset the connection (TCP RST) without a response."""
        self._add("reset", Fault(cut="reset"), When(times, operation, probability, allow_unused))

    def cut(
        self,
        where: Place = "after",
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Process the request, then close the connection `before`, `inside` or `after` the headers of the response.

        After the headers, the first half of the body is sent.
        """
        if where not in ("before", "inside", "after"):
            raise ValueError(f"invalid where ({where!r}): expected 'before', 'inside' or 'after'")
        self._add("cut", Fault(cut=where), When(times, operation, probability, allow_unused))

    def duplicate(
        self,
        *,
        times: int = 1,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Process the request twice, as if a proxy had sent it again, and send the second response."""
        self._add("duplicate", Fault(deliveries=2), When(times, operation, probability, allow_unused))

    # --- actions ---------------------------------------------------------------------------------

    def action_fails(
        self,
        *,
        times: int = 1,
        action: str | None = None,
        message: str = "Failed in the sandbox",
        after: float | None = None,
        probability: float = 1.0,
        allow_unused: bool = False,
    ) -> None:
        """Let the next actions finish without success.

        Args:
            times: How many actions fail.
            action: Name of the actions. The default is any.
            message: Message with which they finish.
            after: How many seconds they take. The default is as long as if they succeeded.
            probability: How likely each such action fails.
            allow_unused: Whether the rule may never apply.
        """
        if after is not None:
            check_seconds("after", after)
        self._add_action(
            "action_fails", ActionFault(message, after), action, When(times, None, probability, allow_unused)
        )

    def action_never_ends(
        self, *, times: int = 1, action: str | None = None, probability: float = 1.0, allow_unused: bool = False
    ) -> None:
        """Let the next actions run without end, or only those with the name `action`."""
        when = When(times, None, probability, allow_unused)
        self._add_action("action_never_ends", ActionFault(None, _NEVER), action, when)


def _exhausted() -> Reply:
    return throttled().with_headers(("x-ratelimit-remaining", "0"))
