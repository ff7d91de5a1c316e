"""Pure: what to send for a call, and the value or the error that an answer is."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from . import _codec, errors
from .model import Hidden
from .operation import Response
from .quota import Quota, next_hour

if TYPE_CHECKING:
    from ._lane import Answer
    from .operation import Call

__all__ = ["clean", "error", "payload", "target", "value"]

T = TypeVar("T")

_MOST_TEXT = 300
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_AUTHENTICATE = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    401: errors.Unauthenticated,
    402: errors.TrialExpired,
    403: errors.Forbidden,
    404: errors.NotFound,
    408: errors.ServerTimedOut,
    409: errors.Conflict,
    422: errors.BadRequest,
    429: errors.Throttled,
}

_ADVICE: dict[type[errors.APIError], str] = {
    errors.Unauthenticated: "log in again, or make a new token under Account > Apps",
    errors.TrialExpired: "the account's trial is over",
    errors.Unsupported: "this version of the API does not have it",
}


def target(prefix: str, call: Call[Any]) -> str:
    """Path and query of `call`, as they stand in the request line."""
    if call.query:
        from urllib.parse import urlencode  # 3 ms to import, and only lists have queries

        return f"{prefix}{call.path}?{urlencode(call.query)}"
    return prefix + call.path


def payload(call: Call[Any]) -> bytes | None:
    """The body of `call` as JSON, None where it has none."""
    if call.body is None:
        return None
    wrapper = call.operation.wrapper
    return Hidden(msgspec.json.encode(call.body if wrapper is None else {wrapper: call.body}, enc_hook=_encode))


def _encode(value: object) -> object:
    if hasattr(value, "reveal"):
        return cast("Any", value).reveal()
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def value(call: Call[T], answer: Answer, request_id: str) -> T:
    """The models that `answer` holds. Raises AnswerError."""
    try:
        return cast("T", _codec.read(answer.body, call.operation.shape))
    except errors.AnswerError as problem:
        problem.args = (f"{call.operation}: {problem} [request {request_id}]",)
        problem.response = _kept(answer, request_id)
        # The frames that read the body hold it, secrets and all: not for a traceback that shows locals.
        raise problem.with_traceback(None)  # noqa: B904  the same error


def error(call: Call[Any], answer: Answer, request_id: str, now: datetime) -> errors.APIError:
    """The error that `answer` is."""
    fields = _fields(answer.body)
    challenge = _challenge(answer)
    code = fields.get("error") or challenge.get("error")
    message = fields.get("error_description") or challenge.get("error_description")
    details = fields.get("details")
    kind = _kind(answer, code, f"{message} {details}")
    problem = kind(
        _sentence(kind, call, answer.status, details or message or code, request_id),
        status=answer.status,
        code=code,
        message=message,
        details=details,
        operation=str(call.operation),
        request_id=request_id,
        response=_kept(answer, request_id),
    )
    if isinstance(problem, errors.Forbidden):
        problem.scope = challenge.get("scope") or call.operation.scope
    problem.retry_at = _retry_at(answer, now)
    if problem.retry_at is None and isinstance(problem, errors.Throttled):
        problem.retry_at = next_hour(now)
    return problem


def _kind(answer: Answer, code: str | None, text: str) -> type[errors.APIError]:
    found = _BY_STATUS.get(answer.status)
    if found is not None:
        return found
    if answer.status == 503:
        # One status, three meanings: the code in the body decides, then the text, then the quota.
        said = f"{code} {text}".lower()
        if "not_implemented" in said or "not implemented" in said:
            return errors.Unsupported
        if "throttled" in said or answer.header(b"x-ratelimit-remaining") == b"0":
            return errors.Throttled
    return errors.ServerError if answer.status >= 500 else errors.APIError


def _sentence(kind: type[errors.APIError], call: Call[Any], status: int, said: str | None, request_id: str) -> str:
    parts = [f"{status} on {call.operation}"]
    if said:
        parts.append(f": {said}")
    advice = _ADVICE.get(kind)
    if kind is errors.Forbidden and call.operation.scope is not None:
        advice = f"the token may lack the scope {call.operation.scope!r}"
    if advice is not None:
        parts.append(f"; {advice}")
    return f"{''.join(parts)} [request {request_id}]"


def _fields(body: bytes) -> dict[str, str]:
    """The texts of an error body; nothing where it is no JSON object."""
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    names = ("error", "error_description", "details")
    texts = cast("dict[str, Any]", data)
    return {name: clean(str(texts[name])) for name in names if isinstance(texts.get(name), str | int)}


def _challenge(answer: Answer) -> dict[str, str]:
    """The parameters of `WWW-Authenticate`: with 401 and 403 often all there is."""
    # All of them: a server may send one header for each scheme that it knows.
    header = answer.headers.get("www-authenticate", "")
    return {name.lower(): clean(quoted or bare) for name, quoted, bare in _AUTHENTICATE.findall(header)}


def clean(text: str) -> str:
    """Text of the server on one line and not endless: it must not forge lines in a log."""
    return _UNPRINTABLE.sub(" ", text)[:_MOST_TEXT].strip()


def _retry_at(answer: Answer, now: datetime) -> datetime | None:
    header = answer.header(b"retry-after")
    if header is None:
        return None
    text = header.decode("latin-1").strip()
    with contextlib.suppress(ValueError, OverflowError):
        if text.isdigit():
            return now + timedelta(seconds=int(text))
        from email.utils import parsedate_to_datetime  # 10 ms to import, and rarely needed

        found = parsedate_to_datetime(text)
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None


def _kept(answer: Answer, request_id: str) -> Response[None]:
    return Response(None, answer, request_id, Quota())
