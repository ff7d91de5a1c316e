"""Everything that this package raises on purpose.

::

    Cloud66Error
    ├── ConfigError                no token, bad address, bad profile, wrong event loop
    ├── LoginError                 a login that did not come about
    │   ├── StateMismatch          the redirect does not belong to this login
    │   ├── AccessDenied           the user said no
    │   └── TokenRequestFailed     the code was not exchanged (.code .description .status)
    ├── TransportError             no answer came (.sent)
    │   └── RequestTimeout         it took too long (.phase)
    ├── AnswerError                an answer that cannot be read (.path .partial .response)
    ├── QuotaError                 refused here, before sending (.retry_at)
    ├── APIError                   the API said no (.status .code .message .details ...)
    │   ├── BadRequest             400, 422
    │   ├── Unauthenticated        401
    │   ├── TrialExpired           402
    │   ├── Forbidden              403 (.scope)
    │   ├── NotFound               404
    │   ├── ServerTimedOut         408
    │   ├── Conflict               409
    │   ├── Throttled              429, or 503 with that code (.retry_at)
    │   ├── Unsupported            503 "not implemented"
    │   └── ServerError            any other 5xx
    ├── AmbiguousName              several things have this name (.matches)
    ├── ActionError                a background action (.action)
    │   ├── ActionFailed           it ended without success
    │   └── ActionUnfinished       it may still be running
    └── BulkError                  some of many failed (.results); also an ExceptionGroup

Every error pickles. None holds a token, a code, a client secret or the value of a secret field in
its message or its `repr`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .bulk import Failed, Ok
    from .operation import Response
    from .resources._plan import BulkReport
    from .resources.actions import Action

__all__ = [
    "APIError",
    "AccessDenied",
    "ActionError",
    "ActionFailed",
    "ActionUnfinished",
    "AmbiguousName",
    "AnswerError",
    "BadRequest",
    "BulkError",
    "Cloud66Error",
    "ConfigError",
    "Conflict",
    "Forbidden",
    "LoginError",
    "NotFound",
    "QuotaError",
    "RequestTimeout",
    "ServerError",
    "ServerTimedOut",
    "StateMismatch",
    "Throttled",
    "TokenRequestFailed",
    "TransportError",
    "TrialExpired",
    "Unauthenticated",
    "Unsupported",
]

_E = TypeVar("_E", bound="Cloud66Error")


class Cloud66Error(Exception):
    """Anything that this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args` alone, which keyword-only arguments do not survive.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(kind: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(Cloud66Error):
    """The client cannot work as it was set up; the text says what to change."""


class LoginError(Cloud66Error):
    """A login that did not come about. No token was stored, an earlier one was left alone."""


class StateMismatch(LoginError):
    """The state that came back is missing, repeated or another one: the redirect is not this login's."""


class AccessDenied(LoginError):
    """The user, or Cloud 66 on their behalf, refused the request for access."""


class TokenRequestFailed(LoginError):
    """The code could not be exchanged for a token.

    `code` and `description` are the server's (RFC 6749, section 5.2), `code` is None where it gave none;
    `status` is the HTTP status, or None where no answer came.
    """

    def __init__(
        self, text: str, *, code: str | None = None, description: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.description = description
        self.status = status


class TransportError(Cloud66Error):
    """No answer came. `sent` says whether the request may have reached the server all the same."""

    def __init__(self, text: str, *, sent: bool = True) -> None:
        super().__init__(text)
        self.sent = sent


class RequestTimeout(TransportError):
    """No answer came in time. `phase` is `connect`, `pool`, `read`, `write` or `whole`."""

    def __init__(self, text: str, *, phase: str, sent: bool = True) -> None:
        super().__init__(text, sent=sent)
        self.phase = phase


class AnswerError(Cloud66Error):
    """An answer that is no JSON, or not of the expected shape.

    `path` says where (`$.response[3].uid`), `partial` holds what could be read (the good items of a
    list), `response` the answer with its raw body.
    """

    def __init__(
        self,
        text: str,
        *,
        path: str | None = None,
        partial: tuple[Any, ...] = (),
        response: Response[None] | None = None,
    ) -> None:
        super().__init__(text)
        self.path = path
        self.partial = partial
        self.response = response


class QuotaError(Cloud66Error):
    """Refused before sending: what is left of this hour is reserved. `retry_at` is when it ends."""

    def __init__(self, text: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(text)
        self.retry_at = retry_at


class APIError(Cloud66Error):
    """The API answered with an error.

    `status` is the HTTP status, `code`, `message` and `details` are the body's `error`,
    `error_description` and `details` (None where absent), `operation` the verb and path template,
    `request_id` the id that was sent along, `response` the answer with its raw body. `retry_at` is when
    the server asked to be left alone until, None where it did not.
    """

    retry_at: datetime | None = None

    def __init__(
        self,
        text: str,
        *,
        status: int,
        code: str | None = None,
        message: str | None = None,
        details: str | None = None,
        operation: str | None = None,
        request_id: str | None = None,
        response: Response[None] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.operation = operation
        self.request_id = request_id
        self.response = response


class BadRequest(APIError):
    """A parameter is missing or invalid (400, 422)."""


class Unauthenticated(APIError):
    """The token is missing, unknown or revoked (401)."""


class TrialExpired(APIError):
    """The account's trial is over (402)."""


class Forbidden(APIError):
    """The token lacks a scope, or the user a right (403). `scope` is the one that the operation needs."""

    scope: str | None = None


class NotFound(APIError):
    """There is no such thing, or the token may not see it (404)."""


class ServerTimedOut(APIError):
    """The server gave up waiting (408)."""


class Conflict(APIError):
    """The thing is in a state that does not allow this (409)."""


class Throttled(APIError):
    """The hour's requests are used up (429, or 503 with the code `throttled`).

    `retry_at` is when to try again: from `Retry-After` where it came, else the next full hour,
    which is an assumption (the documentation says "the next hourly interval").
    """


class Unsupported(APIError):
    """Not part of this version of the API (503 `not_implemented`); asking again does not help."""


class ServerError(APIError):
    """Any other failure of the server (5xx)."""


class AmbiguousName(Cloud66Error):
    """Several things have the name that was looked for. `matches` holds them."""

    def __init__(self, text: str, *, matches: tuple[Any, ...]) -> None:
        super().__init__(text)
        self.matches = matches


class ActionError(Cloud66Error):
    """A background action did not do what was asked. `action` is its last known state."""

    def __init__(self, text: str, *, action: Action) -> None:
        super().__init__(text)
        self.action = action


class ActionFailed(ActionError):
    """The action ended without success."""


class ActionUnfinished(ActionError):
    """The action did not end in the time given; it may still be running."""


class BulkError(Cloud66Error, ExceptionGroup[Cloud66Error]):
    """Some of many calls failed.

    `results` has an `Ok` or a `Failed` for every item, in the order of the items: what arrived is
    never lost. `exceptions` has the errors alone, so `except*` works. `report` is what `get_many` did.
    """

    results: Sequence[Ok[Any, Any] | Failed[Any]] = ()
    report: BulkReport | None = None

    def derive(self, excs: Sequence[Any]) -> BulkError:  # type: ignore[override]  # the base promises any exception
        """Part of this error, for `except*` and `split`; the results stay whole."""
        part = BulkError(self.message, excs)
        part.results = self.results
        return part
