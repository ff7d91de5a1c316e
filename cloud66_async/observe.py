"""Observation: what a client logs and reports about each attempt of a call."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ._core.text import clean
from .errors import APIError, Cloud66Error
from .operation import Call, Operation

if TYPE_CHECKING:
    from ._core.response import RawResponse

__all__ = ["Attempt", "Observer", "check_observer", "ended", "logger"]

logger: Final = logging.getLogger("cloud66_async.requests")
"""The logger of requests: successful attempts at DEBUG, failed ones at WARNING."""

# Without a configuration of its own, Python writes warnings to stderr. A failed request is reported by its exception.
logger.addHandler(logging.NullHandler())

_RESOURCES = f"{__package__}.resources."
_NO_HEADERS: Mapping[str, str] = {}
_MAX_REPORTS = 64

_reported: set[tuple[str, str]] = set()  # observers and the errors that they raised

# Headers that are shown, and the form of their values. A server might repeat a token anywhere else.
# Patterns as text: they are needed only for output, and to compile them takes a millisecond.
_COUNT = r"[0-9]{1,9}"
_SHOWN_HEADERS: Final[Mapping[str, str]] = {
    "content-type": r"(?:application|text)/[a-z.+]{1,24}(?:; ?charset=[A-Za-z0-9-]{1,16})?",
    "retry-after": r"[0-9]{1,9}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT",
    "x-ratelimit-limit": _COUNT,
    "x-ratelimit-remaining": _COUNT,
    "x-request-id": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


class Attempt(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One attempt of a call: a request that was sent or could not be sent, and how it ended.

    Args:
        operation: Name of the operation, for example `stacks.get`. It is `request` for `Cloud66.request`, and HTTP
            method and path template for operations of your own.
        method: HTTP method in upper case.
        path: Path template below the API's root, for example `/stacks/{stack}.json`. Empty for `Cloud66.request`.
        stack: Uid of the stack in the path, or None.
        number: 1 for the first attempt of the call, 2 for the first retry.
        status: HTTP status code, or None if no response was received.
        error: Error of the attempt, or None.
        seconds: Elapsed time, without the wait for the limiter. 0 if the request was not sent.
        request_id: `Request-Id` that was sent.
        pause: Seconds until the next attempt, or None if there is none.
        headers: Response headers by lower-case name: `Retry-After`, the rate limit, `Content-Type` and `X-Request-Id`.
    """

    operation: str
    method: str
    path: str
    stack: str | None
    number: int
    status: int | None
    error: Cloud66Error | None
    seconds: float
    request_id: str
    pause: float | None
    headers: Mapping[str, str] = _NO_HEADERS

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was cancelled: there is neither a response nor an error."""
        return self.status is None and self.error is None


Observer = Callable[[Attempt], None]
"""A function that is called at the end of each attempt."""


def check_observer(observer: Observer | None) -> Observer | None:
    """Return the argument, or raise TypeError if it is neither None nor a function that can be called."""
    given: Any = observer
    asynchronous = iscoroutinefunction(given) or iscoroutinefunction(getattr(given, "__call__", None))  # noqa: B004
    if given is not None and (asynchronous or not callable(given)):
        raise TypeError(f"invalid observer: expected a function that is not async, not {type(given).__name__}")
    return observer


def ended(
    observer: Observer | None,
    call: Call[Any],
    *,
    number: int,
    status: int | None,
    error: Cloud66Error | None,
    seconds: float,
    request_id: str,
    pause: float | None,
    response: RawResponse | None = None,
) -> None:
    """Log an attempt that has ended and report it to the observer, whose errors are logged, not raised.

    Args:
        observer: Function to call, or None.
        call: The call.
        number: Number of the attempt, from 1.
        status: HTTP status code, or None if no response was received.
        error: Error of the attempt, or None.
        seconds: Elapsed time.
        request_id: `Request-Id` that was sent.
        pause: Seconds until the next attempt, or None if there is none.
        response: The response, for its headers. The default is that of the error.
    """
    level = logging.DEBUG if error is None else logging.WARNING
    if observer is None and not logger.isEnabledFor(level):
        return
    operation = call.operation
    raw = operation.returns is Any and not operation.names  # of Cloud66.request: the path holds values
    attempt = Attempt(
        operation="request" if raw else _name(operation),
        method=operation.method,
        path="" if raw else operation.path,
        stack=_stack(call),
        number=number,
        status=status,
        error=error,
        seconds=seconds,
        request_id=request_id,
        pause=pause,
        headers=_headers(response, error),
    )
    if logger.isEnabledFor(level):
        _log(level, attempt)
    if observer is not None:
        try:
            observer(attempt)
        except Exception as problem:  # noqa: BLE001  an observer must not break a call
            _report(observer, problem)


@lru_cache(maxsize=1024)
def _name(operation: Operation[Any]) -> str:
    """Return `stacks.get` for the operation GET in the module of stacks, which is imported if this is called."""
    for module_name, module in list(sys.modules.items()):
        resource = module_name.removeprefix(_RESOURCES)
        if resource != module_name and not resource.startswith("_"):
            for name, value in list(vars(module).items()):
                if value is operation:
                    return f"{resource}.{name.lower()}"
    return str(operation)


def _stack(call: Call[Any]) -> str | None:
    """Return the path parameter `stack`, or None."""
    for name, value in zip(call.operation.path.split("/"), call.path.split("/"), strict=False):
        if name in {"{stack}", "{stack}.json"}:
            found = value.removesuffix(".json") if name != "{stack}" else value
            if "%" not in found:
                return found
            from urllib.parse import unquote  # imported lazily: takes 3 ms, and few uids need it

            return unquote(found)
    return None


def _headers(response: RawResponse | None, error: Cloud66Error | None) -> Mapping[str, str]:
    """Return the headers that may be shown."""
    if response is None and isinstance(error, APIError):
        response = error.response
    if response is None:
        return _NO_HEADERS
    found: dict[str, str] = {}
    for name, form in _SHOWN_HEADERS.items():
        value = response.headers.get(name)
        if value is not None and re.fullmatch(form, value):
            found[name] = value
    return found


def _log(level: int, attempt: Attempt) -> None:
    """Write one line for this attempt."""
    error, stack = attempt.error, attempt.stack
    fields: dict[str, object] = {
        "operation": attempt.operation,
        "stack": None if stack is None else clean(stack),
        "status": attempt.status,
        "attempt": attempt.number,
        "ms": round(attempt.seconds * 1000, 1),
        "request_id": attempt.request_id,
    }
    if attempt.cancelled:
        fields["error"] = "cancelled"
    elif error is not None:
        pause = attempt.pause
        fields["error"] = type(error).__name__
        fields["retry_in"] = None if pause is None else round(pause, 1)
    extra = {f"cloud66_{name}": value for name, value in fields.items()}
    extra["cloud66_headers"] = attempt.headers
    fields.update(attempt.headers)
    if error is not None:
        fields["message"] = extra["cloud66_message"] = clean(str(error))
    line = " ".join([f"{name}={_text(value)}" for name, value in fields.items()])
    logger.log(level, "%s", line, extra=extra)


def _text(value: object) -> str:
    """Return `value` for a log line: `-` for None, and JSON for text with spaces or quotation marks."""
    if value is None:
        return "-"
    text = str(value)
    if text and " " not in text and '"' not in text and "\\" not in text:
        return text
    return msgspec.json.encode(text).decode()


def _report(observer: Observer, problem: Exception) -> None:
    """Log that an observer failed, once for each kind of error."""
    name = getattr(observer, "__qualname__", type(observer).__qualname__)
    kind = (name, type(problem).__qualname__)
    if kind not in _reported and len(_reported) < _MAX_REPORTS:
        _reported.add(kind)
        logger.error("observer %s failed; further errors of this kind are not logged", name, exc_info=problem)
