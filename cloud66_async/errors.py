"""Every error that this package raises on purpose.

::

    Cloud66Error
    ├── ConfigError                invalid URL or option, wrong event loop
    │   └── MissingToken           no access token: none was passed, set or stored
    ├── LoginError                 the login failed
    │   ├── StateMismatch          the callback does not belong to this login
    │   ├── AccessDenied           the user refused access
    │   └── TokenRequestFailed     the code was not exchanged (.code .description .status)
    ├── TransportError             no response was received (.sent)
    │   └── TransportTimeout       a time limit was exceeded (.phase)
    ├── ResponseError              the response cannot be decoded (.path .partial .response)
    ├── QuotaError                 not sent, to keep the reserved requests (.retry_at)
    ├── StoreError                 Redis or a database failed
    ├── APIError                   the API returned an error (.status .code .message .details ...)
    │   ├── BadRequest             400, 422
    │   ├── Unauthenticated        401
    │   ├── TrialExpired           402
    │   ├── Forbidden              403 (.scope)
    │   ├── NotFound               404
    │   ├── RequestTimeout         408
    │   ├── Conflict               409
    │   ├── Throttled              429, or 503 with the code "throttled" (.retry_at)
    │   ├── Unsupported            501, or 503 with the code "not_implemented"
    │   └── ServerError            any other 5xx
    ├── AmbiguousName              more than one resource has this name (.matches)
    ├── ActionError                a background action (.action)
    │   ├── ActionFailed           it finished without success
    │   └── ActionUnfinished       it may still be running
    ├── PlanUnfinished             a plan was carried out only in part (.result .error)
    ├── BulkError                  some of many calls failed (.results); also an ExceptionGroup
    └── WebhookError               the body of a request is not a webhook

Every error pickles. None holds a token, a code, a client secret or the value of a secret field in
its message or its `repr`.

`ActionError` and its subclasses are defined in `cloud66_async.resources.actions`, `BulkError` in
`cloud66_async.bulk`, `PlanUnfinished` in `cloud66_async.resources.environment_variables`, `WebhookError` in
`cloud66_async.webhooks`, beside the types that they belong to. Import any of them from `cloud66_async`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from ._core.response import BufferedResponse

__all__ = [
    "APIError",
    "AccessDenied",
    "AmbiguousName",
    "BadRequest",
    "Cloud66Error",
    "Cloud66Warning",
    "ConfigError",
    "Conflict",
    "Forbidden",
    "LoginError",
    "MissingToken",
    "NotFound",
    "QuotaError",
    "RequestTimeout",
    "ResponseError",
    "ServerError",
    "StateMismatch",
    "StoreError",
    "Throttled",
    "TokenRequestFailed",
    "TransportError",
    "TransportTimeout",
    "TrialExpired",
    "Unauthenticated",
    "Unsupported",
]

_E = TypeVar("_E", bound="Cloud66Error")


class Cloud66Warning(UserWarning):
    """A warning of the API, from the header `X-Cloud66-Warning`. Each text is shown once in a process."""


class Cloud66Error(Exception):
    """Base class of every error that this package raises on purpose.

    If it has stopped a rollout, `rollout_results` has the `RolloutResult` of each stack, in the order of the stacks.
    """

    rollout_results: tuple[Any, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args` only, which fails for keyword-only parameters.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(kind: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(Cloud66Error):
    """A client cannot work with its settings. The message says what to change."""


class MissingToken(ConfigError):
    """No access token: none was passed, and the environment and the stored logins have none."""


class LoginError(Cloud66Error):
    """A failed login. No token was stored; an existing token is unchanged."""


class StateMismatch(LoginError):
    """The callback's state is missing, repeated, or does not match this login."""


class AccessDenied(LoginError):
    """The user, or Cloud 66 on their behalf, refused access."""


class TokenRequestFailed(LoginError):
    """The authorization code could not be exchanged for a token.

    `code` and `description` are the server's error fields (RFC 6749, section 5.2) or None. `status` is the
    HTTP status, or None if no response was received.
    """

    def __init__(
        self, text: str, *, code: str | None = None, description: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.description = description
        self.status = status


class TransportError(Cloud66Error):
    """No response was received. `sent` tells whether the request may still have reached the server."""

    def __init__(self, text: str, *, sent: bool = True) -> None:
        super().__init__(text)
        self.sent = sent


class TransportTimeout(TransportError):
    """A time limit was exceeded. `phase` is `connect`, `pool`, `read`, `write` or `total`."""

    def __init__(self, text: str, *, phase: str, sent: bool = True) -> None:
        super().__init__(text, sent=sent)
        self.phase = phase


class ResponseError(Cloud66Error):
    """A response that is not JSON or does not have the expected structure.

    `path` tells where (`$.response[3].uid`), `partial` holds what could be decoded (the valid items of a
    list), `response` is the response with its body, and `request_id` the `Request-Id` that was sent.
    """

    def __init__(
        self,
        text: str,
        *,
        path: str | None = None,
        partial: tuple[Any, ...] = (),
        response: BufferedResponse | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.path = path
        self.partial = partial
        self.response = response
        self.request_id = request_id


class QuotaError(Cloud66Error):
    """The request was not sent: only reserved requests remain this hour. `retry_at` is when the quota resets.

    See `reserve` and `when_exhausted` of `Cloud66`.
    """

    def __init__(self, text: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(text)
        self.retry_at = retry_at


class StoreError(Cloud66Error):
    """A store that several processes share failed: Redis or a database is unreachable, too slow, or refused a command.

    A change may have been made all the same. Try again later: the store reconnects by itself.
    """


class APIError(Cloud66Error):
    """The API returned an error.

    Args:
        status: HTTP status code.
        code: The body's `error`, or None.
        message: The body's `error_description`, or None.
        details: The body's `details`, or None.
        operation: HTTP method and path template, for example `GET /stacks/{stack}.json`.
        request_id: The `Request-Id` that was sent.
        response: The response with its body.

    `retry_at` is when the server allows the next attempt, or None if it did not say.
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
        response: BufferedResponse | None = None,
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
    """The account's trial has expired (402)."""


class Forbidden(APIError):
    """The token lacks a scope, or the user a permission (403). `scope` is the scope that the operation requires."""

    scope: str | None = None


class NotFound(APIError):
    """The resource does not exist, or the token has no access to it (404)."""


class RequestTimeout(APIError):
    """The server timed out while waiting for the request (408)."""


class Conflict(APIError):
    """The resource is in a state that does not allow the operation (409)."""


class Throttled(APIError):
    """The hourly quota is exhausted (429, or 503 with the code `throttled`).

    `retry_at` comes from the `Retry-After` header. Without that header it is the next full hour, which is an
    assumption: the documentation says "the next hourly interval".
    """


class Unsupported(APIError):
    """The operation is not part of this version of the API (501, or 503 `not_implemented`). A retry does not help."""


class ServerError(APIError):
    """Any other server failure (5xx)."""


class AmbiguousName(Cloud66Error):
    """More than one resource has this name. `matches` lists them."""

    def __init__(self, text: str, *, matches: tuple[Any, ...]) -> None:
        super().__init__(text)
        self.matches = matches
