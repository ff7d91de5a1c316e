"""What an error tells the user: what failed, in one line, and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from .._core.text import clean
from ..config import MISSING_LOGIN
from ..errors import (
    APIError,
    Cloud66Error,
    Forbidden,
    MissingToken,
    NotFound,
    QuotaError,
    ResponseError,
    ServerError,
    Throttled,
    TransportError,
    Unauthenticated,
)
from .exits import FAILED, NOT_LOGGED_IN, THROTTLED, UNFINISHED, Failure
from .session import SESSION

__all__ = ["failure_of", "plain_reason", "reason_of", "waiting_time"]

# Messages end with advice, which must not be cut off.
_MAX_MESSAGE = 4000
_LOG_IN = "Log in: cloud66-async login"
_TRY = "Try it without an account: cloud66-async demo"
_CANNOT_CONNECT = re.compile(r"cannot connect to (.+?):(\d+)(?:: (.*)| in time .*)", re.DOTALL)
_ERRNO = re.compile(r"\[Errno (-?\d+)\] ([^,()]*)")
_OPENSSL = re.compile(r"\[[A-Z0-9_]+(?:: [A-Z0-9_]+)?\] | \(_ssl\.c:\d+\)")
_HTTPS = "443"


def failure_of(error: Exception) -> Failure:
    """Return what to print for an error of a command, of this package or of the output."""
    text = clean(str(error) or type(error).__name__, max_length=_MAX_MESSAGE)
    for kind, explain in _EXPLANATIONS:
        if isinstance(error, kind):
            return explain(error, text)
    return Failure(text, (), UNFINISHED if _is_unfinished(error) else FAILED)


def waiting_time(until: datetime) -> str:
    """Return when the quota resets, for example `more at 13:00, in 21m`."""
    minutes = max(1, round((until - datetime.now(UTC)).total_seconds() / 60))
    return f"more at {until.astimezone():%H:%M}, in {minutes}m"


def reason_of(error: TransportError) -> tuple[str, str] | None:
    """Return the server that could not be reached and the reason, or None for other errors of the network."""
    found = _CANNOT_CONNECT.fullmatch(str(error))
    if found is None:
        return None
    host, port, reason = found.groups()
    shown = host if port == _HTTPS else f"{host}:{port}"
    return shown, "no answer in time" if reason is None else plain_reason(reason)


def plain_reason(reason: str) -> str:
    """Return the reason why a connection failed, without numbers and Python's punctuation."""
    numbered = _ERRNO.search(reason)
    if numbered is not None:
        number = int(numbered[1])
        text = os.strerror(number) if number > 0 else numbered[2].strip()  # negative: of a look-up
    else:
        text = _OPENSSL.sub("", reason)
    return clean(text[:1].lower() + text[1:], max_length=_MAX_MESSAGE).rstrip(".")


def _missing(error: MissingToken, text: str) -> Failure:
    if str(error) != MISSING_LOGIN:
        name = SESSION.profile
        advice = _LOG_IN if name is None else f"{_LOG_IN} --profile {clean(name)}    or see: cloud66-async profiles"
        return Failure(text, (advice,), NOT_LOGGED_IN)
    known = "you are not logged in (no stored login, CLOUD66_ACCESS_TOKEN not set)"
    return Failure(known, (_LOG_IN, "In CI, set CLOUD66_ACCESS_TOKEN", _TRY), NOT_LOGGED_IN)


def _unauthenticated(error: Unauthenticated, text: str) -> Failure:  # noqa: ARG001
    login = _login()
    if login is None:
        return Failure("Cloud 66 does not accept this access token", (_LOG_IN,), NOT_LOGGED_IN)
    advice = _LOG_IN if login.profile is not None else f"Correct or unset {login.origin}, then: cloud66-async login"
    return Failure(f"Cloud 66 does not accept this token (from {_named(login.origin)})", (advice,), NOT_LOGGED_IN)


def _throttled(error: Throttled | QuotaError, text: str) -> Failure:  # noqa: ARG001
    known = "the hourly quota is used up"
    return Failure(known if error.retry_at is None else f"{known}; {waiting_time(error.retry_at)}", (), THROTTLED)


def _forbidden(error: Forbidden, text: str) -> Failure:
    login = _login()
    scopes = None if login is None else login.token.scopes
    if error.scope is None or (scopes is not None and error.scope in scopes):
        return _refused(error, text)
    scope = clean(error.scope)
    known = f"; it has {clean(' '.join(scopes))}" if scopes else ""
    wanted = ",".join(dict.fromkeys((*(scopes or ("public",)), scope)))
    advice = f"Log in: cloud66-async login --scope {clean(wanted)}"
    if login is not None and login.profile is None:
        advice = f"Set {login.origin} to a token with this scope, or unset it and log in with --scope {clean(wanted)}"
    return Failure(f'this token lacks the scope "{scope}"{known}{_request(error)}', (advice,), FAILED)


def _refused(error: APIError, text: str) -> Failure:  # noqa: ARG001
    """Return what Cloud 66 answered, without the path: users do not know it."""
    said = clean(error.details or error.message or error.code or "", max_length=_MAX_MESSAGE)
    return Failure(f"Cloud 66 answered {error.status}: {said or 'no reason given'}{_request(error)}", (), FAILED)


def _not_found(error: NotFound, text: str) -> Failure:  # noqa: ARG001
    said = clean(error.details or error.message or "", max_length=_MAX_MESSAGE)
    known = said or "Cloud 66 has nothing with this name or ID, or this token may not see it"
    return Failure(f"not found: {known}{_request(error)}", (), FAILED)


def _unreachable(error: TransportError, text: str) -> Failure:
    found = reason_of(error)
    if found is None:
        return Failure(text, ("Find out why: cloud66-async doctor",), FAILED)
    host, reason = found
    return Failure(f"cannot reach {host} ({reason})", ("Find out why: cloud66-async doctor",), FAILED)


def _request(error: APIError | ResponseError) -> str:
    """Return the number of the request, for a report to Cloud 66."""
    is_wanted = SESSION.debug or isinstance(error, ServerError)
    return f" (request {clean(error.request_id)})" if is_wanted and error.request_id else ""


def _login() -> Any:
    """Return the login of the client that this command opened, or None if it opened none."""
    if not SESSION.is_open:
        return None
    from .logins import find_login  # imported lazily: few errors need it

    try:
        return find_login(SESSION.profile)
    except Cloud66Error:
        return None


def _named(origin: str) -> str:
    return clean(origin, max_length=_MAX_MESSAGE)


def _is_unfinished(error: Exception) -> bool:
    if not isinstance(error, Cloud66Error):
        return False
    from ..resources.actions import ActionUnfinished  # imported lazily: most commands never wait

    return isinstance(error, ActionUnfinished)


# In this order: special errors before the general ones.
_EXPLANATIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any, str], Failure]], ...] = (
    (MissingToken, _missing),
    (Unauthenticated, _unauthenticated),
    ((Throttled, QuotaError), _throttled),
    (Forbidden, _forbidden),
    (NotFound, _not_found),
    (APIError, _refused),
    (TransportError, _unreachable),
)
