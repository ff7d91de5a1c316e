from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from cloud66_async import Secret, errors
from cloud66_async._core import wire
from cloud66_async.operation import get, patch, post
from cloud66_async.resources.stacks import Stack, StackStatus
from cloud66_async.transport import BufferedResponse

from ..support import SECRET, START, make_response

READ = get(
    "/stacks/{stack}.json",
    Stack,
    scope="redeploy",
    query={"q": str | None, "flag": Any | None, "status": Any | None, "many": Any | None, "at": datetime | None},
)
CALL = READ.bind(stack="a")
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
BODIES: dict[str, bytes] = {
    "web page": HTML,
    "empty": b"",
    "whitespace": b" \n",
    "truncated": b'{"error": "not_fo',
    "list": b'[{"error": "x"}]',
    "number": b"42",
    "string": b'"oops"',
    "null": b"null",
    "deeply nested list": b"[" * 50_000 + b"]" * 50_000,
    "deeply nested object": b'{"error":' * 50_000 + b"1" + b"}" * 50_000,
    "invalid UTF-8": b'{"error": "\xff\xfe"}',
    "unexpected types": b'{"error": {"a": 1}, "error_description": ["x"], "details": null}',
    "long": b'{"error": "' + b"x" * 100_000 + b'"}',
    "out-of-range number": b'{"error": 1e999}',
    "surrogate": b'{"error": "\\ud800"}',
}
STATUSES: dict[int, type[errors.APIError]] = {
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
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
    504: errors.ServerError,
    599: errors.ServerError,
    302: errors.APIError,
    304: errors.APIError,
    405: errors.APIError,
    418: errors.APIError,
    999: errors.ServerError,
}


def api_error(response: BufferedResponse, now: datetime = START) -> errors.APIError:
    return wire.error(CALL, response, "r-1", now)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_status_selects_the_error_class_for_any_body(status: int, body: bytes) -> None:
    found = api_error(make_response(body, status))
    assert type(found) is STATUSES[status]
    assert found.status == status
    assert found.response is not None
    assert found.response.body == body
    assert str(found).startswith(f"{status} for GET /stacks/a.json")
    assert len(str(found)) < 500


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": "throttled"}, errors.Throttled),
        ({"error": "Throttled"}, errors.Throttled),
        ({"error_description": "You have been throttled"}, errors.Throttled),
        ({"details": "throttled until the next hour"}, errors.Throttled),
        ({"error": "not_implemented"}, errors.Unsupported),
        ({"details": "Not implemented in this version"}, errors.Unsupported),
        ({"error": "maintenance"}, errors.ServerError),
        ({}, errors.ServerError),
        (b"", errors.ServerError),
        (HTML, errors.ServerError),
    ],
)
def test_body_selects_the_error_class_of_a_503(body: Any, kind: type[errors.APIError]) -> None:
    assert type(api_error(make_response(body, 503))) is kind


def test_503_with_exhausted_quota_is_throttled_unless_the_body_differs() -> None:
    assert type(api_error(make_response(HTML, 503, x_ratelimit_remaining="0"))) is errors.Throttled
    assert type(api_error(make_response(HTML, 503, x_ratelimit_remaining="7"))) is errors.ServerError
    assert (
        type(api_error(make_response({"error": "not_implemented"}, 503, x_ratelimit_remaining="0")))
        is errors.Unsupported
    )


def test_error_keeps_the_body_fields_and_shows_the_most_specific_text() -> None:
    found = api_error(make_response({"error": "bad", "error_description": "Too bad", "details": "Name is taken"}, 400))
    assert (found.code, found.message, found.details) == ("bad", "Too bad", "Name is taken")
    assert "Name is taken" in str(found)
    assert "Too bad" in str(api_error(make_response({"error": "bad", "error_description": "Too bad"}, 400)))
    assert ": bad" in str(api_error(make_response({"error": "bad"}, 400)))
    assert "[request r-1]" in str(found)
    assert found.request_id == "r-1"
    assert found.operation == "GET /stacks/{stack}.json"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [b"", HTML])
def test_error_fields_are_read_from_the_challenge_header(status: int, body: bytes) -> None:
    challenge = (
        'Bearer realm="Cloud 66", error="invalid_token", error_description="The token was revoked", scope="admin"'
    )
    found = api_error(make_response(body, status, www_authenticate=challenge))
    assert (found.code, found.message) == ("invalid_token", "The token was revoked")
    assert "The token was revoked" in str(found)


def test_forbidden_names_the_required_scope() -> None:
    from_header = api_error(
        make_response(b"", 403, www_authenticate='Bearer error = insufficient_scope, scope="admin"')
    )
    from_operation = api_error(make_response({}, 403))
    assert isinstance(from_header, errors.Forbidden)
    assert isinstance(from_operation, errors.Forbidden)
    assert (from_header.scope, from_operation.scope) == ("admin", "redeploy")
    assert "'redeploy'" in str(from_operation)


def test_error_messages_say_what_to_do() -> None:
    assert "log in again" in str(api_error(make_response({}, 401)))
    assert "trial has expired" in str(api_error(make_response({}, 402)))
    assert "does not support the operation" in str(api_error(make_response({"error": "not_implemented"}, 503)))


# --- Retry-After ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("0", START),
        ("120", START + timedelta(seconds=120)),
        (" 7 ", START + timedelta(seconds=7)),
        ("Mon, 02 Mar 2026 10:00:00 GMT", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("Monday, 02-Mar-26 10:00:00 GMT", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("Mon, 02 Mar 2026 10:00:00 -0000", datetime(2026, 3, 2, 10, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 500])
def test_retry_after_accepts_seconds_and_dates(header: str, expected: datetime, status: int) -> None:
    assert api_error(make_response({}, status, retry_after=header)).retry_at == expected


@pytest.mark.parametrize(
    "header",
    [
        "", "soon", "-5", "1.5", "9" * 30, "9" * 5000, "99999999", "nan", "inf", "²", "Mon, 99 Foo 2026", ",", "\x00",
        "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
    ],
)  # fmt: skip
def test_invalid_retry_after_is_ignored(header: str) -> None:
    assert api_error(make_response({}, 500, retry_after=header)).retry_at is None
    assert api_error(make_response({}, 429, retry_after=header)).retry_at == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_throttled_without_retry_after_means_the_next_full_hour() -> None:
    late = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert api_error(make_response({}, 429), late).retry_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert api_error(make_response({}, 500), late).retry_at is None


# --- server text must not forge log lines --------------------------------------------------------


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_server_text_is_reduced_to_one_line(line_break: str, caplog: pytest.LogCaptureFixture) -> None:
    forged = f"oops{line_break}2026-03-02 ERROR root: all is lost"
    found = api_error(make_response({"error": forged, "error_description": forged, "details": forged}, 500))
    with caplog.at_level(logging.INFO):
        logging.getLogger("cloud66_async").warning("%s", found)
    assert len(str(found).splitlines()) == 1
    assert all(text is not None and len(text.splitlines()) == 1 for text in (found.code, found.message, found.details))
    assert len(caplog.messages[0].splitlines()) == 1


def test_terminal_escapes_are_removed() -> None:
    found = api_error(make_response({"error": "\x1b[2J\x1b]0;owned\x07\x9b31m"}, 500, www_authenticate='x="\x1b[2J"'))
    assert not {"\x1b", "\x07", "\x9b"} & set(str(found))


# --- decoded values ------------------------------------------------------------------------------


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_malformed_response_raises_response_error_with_its_body(body: bytes) -> None:
    with pytest.raises(errors.ResponseError) as caught:
        wire.value(CALL, make_response(body), "r-1")
    assert caught.value.response is not None
    assert caught.value.response.body == body
    assert caught.value.request_id == "r-1"
    assert str(caught.value).startswith("invalid response to GET /stacks/a.json: ")
    assert str(caught.value).endswith("[request r-1]")


def test_locals_of_a_response_error_traceback_hide_the_response() -> None:
    body = {"response": [{"uid": "a", "redeploy_hook": SECRET, "account_id": "x"}, {"redeploy_hook": SECRET}]}
    with pytest.raises(errors.ResponseError) as caught:
        wire.value(CALL, make_response(body), "r-1")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(line for line in shown.format() if "test_wire" not in line)
    assert "wire.py" in text
    assert SECRET not in text


# --- requests ------------------------------------------------------------------------------------


def test_target_consists_of_prefix_path_and_query() -> None:
    assert wire.target("/api/3", CALL) == "/api/3/stacks/a.json"
    assert wire.target("/base/api/3", CALL.page(2)) == "/base/api/3/stacks/a.json?page=2"


@pytest.mark.parametrize(
    ("values", "query"),
    [
        ({"q": "a b&c=d"}, "q=a+b%26c%3Dd"),
        ({"q": "ä/?#%"}, "q=%C3%A4%2F%3F%23%25"),
        ({"q": "x\r\nHost: evil"}, "q=x%0D%0AHost%3A+evil"),
        ({"flag": True}, "flag=true"),
        ({"flag": False}, "flag=false"),
        ({"flag": 0}, "flag=0"),
        ({"status": StackStatus.DEPLOYED}, "status=1"),
        ({"many": [StackStatus.DEPLOYED, True, "x"]}, "many=1%2Ctrue%2Cx"),
        ({"at": START}, "at=2026-03-02T09%3A12%3A30%2B00%3A00"),
        ({"q": ""}, "q="),
    ],
)
def test_query_values_are_encoded(values: dict[str, Any], query: str) -> None:
    assert wire.target("", READ.bind(stack="a", **values)) == f"/stacks/a.json?{query}"


def test_body_is_json_or_none_without_body_parameters() -> None:
    create = post(
        "/things.json", body={"name": str | None, "key": Secret | None, "at": datetime | None, "status": Any | None}
    )
    assert wire.payload(CALL) is None
    assert wire.payload(create.bind()) == b"{}"
    body = wire.payload(create.bind(name="ä", key=SECRET, at=START, status=StackStatus.ANALYSED))
    assert body is not None
    assert msgspec.json.decode(body) == {"name": "ä", "key": SECRET, "at": "2026-03-02T09:12:30Z", "status": 4}


def test_body_repr_hides_secrets() -> None:
    body = wire.payload(post("/things.json", body={"key": str | None}).bind(key=Secret(SECRET)))
    assert SECRET not in repr(body)


def test_wrapper_encloses_the_body() -> None:
    change = patch("/records/{record}.json", body={"value": str | None}, wrapper="record")
    assert wire.payload(change.bind(record=1, value="x")) == b'{"record":{"value":"x"}}'
    assert wire.payload(change.bind(record=1)) == b'{"record":{}}'


def test_value_that_cannot_be_encoded_raises_type_error() -> None:
    with pytest.raises(TypeError, match="cannot encode a value of type 'object' as JSON"):
        wire.payload(post("/things.json", body={"name": Any}).bind(name=object()))
