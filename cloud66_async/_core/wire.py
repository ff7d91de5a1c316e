"""Request building and response decoding, without I/O."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from .. import errors
from ..quota import next_hour
from ..secret import MASK, Hidden, Secret
from . import codec
from .response import BufferedResponse
from .text import clean

if TYPE_CHECKING:
    from ..operation import Call
    from .response import RawResponse

__all__ = ["error", "payload", "redact", "target", "value"]

T = TypeVar("T")

# Patterns as text: only errors need them, and to compile them takes a millisecond.
_AUTHENTICATE = r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s",]+))'

_SHORTEST = 4

# What the text of a 503 says if it is not an outage, and what of a web page is not its text.
_NOT_IMPLEMENTED = r"(?i)(?<![a-z])not[ _-]?implemented(?![a-z])"
_THROTTLED = r"(?i)(?<![a-z])throttled(?![a-z])"
_MARKUP = r"(?is)<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^<>]*>"
_MAX_TEXT = 8192  # bytes of a body that are searched

_MAX_RETRY_AFTER = timedelta(days=366)  # a time further away is taken for a mistake

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    401: errors.Unauthenticated,
    402: errors.TrialExpired,
    403: errors.Forbidden,
    404: errors.NotFound,
    408: errors.RequestTimeout,
    409: errors.Conflict,
    422: errors.BadRequest,
    429: errors.Throttled,
    501: errors.Unsupported,
}

_ADVICE: dict[type[errors.APIError], str] = {
    errors.Unauthenticated: "log in again, or create a new token under Account > Apps",
    errors.TrialExpired: "the account's trial has expired",
    errors.Unsupported: "this version of the API does not support the operation",
}


class _Target(str):
    """A path and query that may hold a secret, redacted in tracebacks that show local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Target({MASK})"


def target(prefix: str, call: Call[Any]) -> str:
    """Return the path and query of `call` for the request line. Its `repr()` shows no query and no secret."""
    if call.query:
        return _Target(f"{prefix}{call.path}?{_encode_query(call.query)}")
    path = prefix + call.path
    return _Target(path) if call.operation.secrets else path


def _encode_query(query: Mapping[str, object]) -> str:
    page = query.get("page")
    if type(page) is int and len(query) == 1:
        return f"page={page}"  # of nearly every list
    from urllib.parse import urlencode  # imported lazily: takes 3 ms, and few calls need it

    return urlencode(query)


def payload(call: Call[Any]) -> bytes | None:
    """Return the body of `call` as JSON, or None if it has none."""
    if call.body is None:
        return None
    wrapper = call.operation.wrapper
    try:
        return Hidden(msgspec.json.encode(call.body if wrapper is None else {wrapper: call.body}, enc_hook=_encode))
    except (ValueError, RecursionError) as error:  # too many digits, a surrogate, nested too deeply
        reason = type(error).__name__  # not its text and not the error itself, which may hold a secret
    raise ValueError(f"invalid body of {call}: it cannot be encoded as JSON ({reason})")


def _encode(value: object) -> object:
    if hasattr(value, "reveal"):
        return cast("Any", value).reveal()
    raise TypeError(f"cannot encode a value of type {type(value).__name__!r} as JSON")


def value(call: Call[T], response: RawResponse, request_id: str) -> T:
    """Return the models in `response`. Raises ResponseError."""
    try:
        return cast("T", codec.decode(response.body, call.operation.returns))
    except errors.ResponseError as problem:
        problem.args = (f"invalid response to {call}: {problem} [request {request_id}]",)
        problem.response = BufferedResponse.copy(response)
        problem.request_id = request_id
        # The frames that decoded the body hold it, including secrets, and a traceback may show local variables.
        raise problem.with_traceback(None)  # noqa: B904  the same error


def redact(response: RawResponse, token: str, call: Call[Any] | None = None) -> BufferedResponse:
    """Return `response` with the token and the secrets of `call` masked: a server may repeat them in an error."""
    body, headers = response.body, dict(response.headers)
    secrets = [token] if call is None else [token, *_secrets(call.body), *_path_secrets(call)]
    # JSON may escape slashes. What is very short cannot be told from other text.
    forms = {form for text in secrets if len(text) >= _SHORTEST for form in (text, text.replace("/", "\\/"))}
    for form in sorted(forms, key=len, reverse=True):
        body = body.replace(form.encode(), MASK.encode())
        headers = {name: value.replace(form, MASK) for name, value in headers.items()}
    return BufferedResponse(response.status, body, headers)


def _secrets(value: object) -> Iterator[str]:
    """Yield the text of every secret in the body of a call."""
    match value:
        case Secret():
            yield value.reveal()
        case Mapping():
            for item in cast("Mapping[str, object]", value).values():
                yield from _secrets(item)
        case list():
            for item in cast("list[object]", value):
                yield from _secrets(item)
        case _:
            pass


def _path_secrets(call: Call[Any]) -> Iterator[str]:
    """Yield the secrets in the path of a call, as they are sent and without percent-encoding."""
    if not call.operation.secrets:
        return
    from urllib.parse import unquote  # imported lazily, as in `_encode_query`

    for name in call.operation.secrets:
        for template, segment in zip(call.operation.path.split("/"), call.path.split("/"), strict=True):
            before, found, after = template.partition(f"{{{name}}}")
            if found:
                text = segment[len(before) : len(segment) - len(after)]
                yield text
                yield unquote(text)


def error(call: Call[Any], response: BufferedResponse, request_id: str, now: datetime) -> errors.APIError:
    """Return the error that `response`, which has passed `redact`, represents."""
    fields = _error_fields(response.body)
    challenge = _challenge(response)
    code = fields.get("error") or challenge.get("error")
    message = fields.get("error_description") or challenge.get("error_description")
    details = fields.get("details")
    kind = _kind(response, code, message, details)
    problem = kind(
        _message(kind, call, response.status, details or message or code, request_id),
        status=response.status,
        code=code,
        message=message,
        details=details,
        operation=str(call.operation),
        request_id=request_id,
        response=response,
    )
    if isinstance(problem, errors.Forbidden):
        problem.scope = challenge.get("scope") or call.operation.scope
    problem.retry_at = _retry_at(response, now)
    if problem.retry_at is None and isinstance(problem, errors.Throttled):
        problem.retry_at = next_hour(now)
    return problem


def _kind(response: RawResponse, code: str | None, message: str | None, details: str | None) -> type[errors.APIError]:
    found = _BY_STATUS.get(response.status)
    if found is not None:
        return found
    if response.status == 503:
        # One status with three meanings: the code in the body decides, then the text, then the quota.
        for text in (code, f"{message} {details}", None if code or message or details else _visible(response.body)):
            if text and re.search(_NOT_IMPLEMENTED, text):
                return errors.Unsupported
            if text and re.search(_THROTTLED, text):
                return errors.Throttled
        if response.header(b"x-ratelimit-remaining") == b"0":
            return errors.Throttled
    return errors.ServerError if response.status >= 500 else errors.APIError


def _visible(body: bytes) -> str:
    """Return the text at the beginning of a body that has none of the fields of an error: a web page, for example."""
    return re.sub(_MARKUP, " ", body[:_MAX_TEXT].decode("utf-8", "replace"))


def _message(kind: type[errors.APIError], call: Call[Any], status: int, reason: str | None, request_id: str) -> str:
    parts = [f"{status} for {call}"]
    if reason:
        parts.append(f": {reason}")
    advice = _ADVICE.get(kind)
    if kind is errors.Forbidden and call.operation.scope is not None:
        advice = f"the token may lack the scope {call.operation.scope!r}"
    if advice is not None:
        parts.append(f"; {advice}")
    return f"{''.join(parts)} [request {request_id}]"


def _error_fields(body: bytes) -> dict[str, str]:
    """Return the strings of an error body, or nothing if it is not a JSON object."""
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    names = ("error", "error_description", "details")
    texts = cast("dict[str, Any]", data)
    return {name: clean(str(texts[name])) for name in names if isinstance(texts.get(name), str | int)}


def _challenge(response: RawResponse) -> dict[str, str]:
    """Return the parameters of `WWW-Authenticate`, often the only details of a 401 or 403."""
    # All of them: a server may send one header for each authentication scheme.
    header = response.headers.get("www-authenticate", "")
    return {name.lower(): clean(quoted or bare) for name, quoted, bare in re.findall(_AUTHENTICATE, header)}


def _retry_at(response: RawResponse, now: datetime) -> datetime | None:
    """Return the time in `Retry-After`, or None if it is missing, malformed or absurd."""
    header = response.header(b"retry-after")
    if header is None:
        return None
    text = header.decode("latin-1").strip()
    with contextlib.suppress(ValueError, OverflowError):
        found = now + timedelta(seconds=int(text)) if text.isdigit() else _date(text)
        if abs(found - now) <= _MAX_RETRY_AFTER:
            return found
    return None


def _date(text: str) -> datetime:
    """Return a date of HTTP. Raises ValueError or OverflowError."""
    from email.utils import parsedate_to_datetime  # imported lazily: takes 10 ms, and rarely needed

    found = parsedate_to_datetime(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
