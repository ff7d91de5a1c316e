"""Token responses: tokens, errors, and no secret in either."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from cloud66_async.errors import TokenRequestFailed
from cloud66_async.oauth.form import Form
from cloud66_async.oauth.token_response import MAX_LENGTH, parse_token_fields, parse_token_response
from cloud66_async.token import Token

from .evidence import package_locals

TOKEN = "Abc-123_~.+/def=="
NO_DEADLINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"access_token":"{TOKEN}","token_type":"Bearer","scope":"public redeploy","created_at":1}}',
        f' \r\n{{"access_token":"{TOKEN}","scope":"public redeploy"}}\n',
        f'\ufeff{{"access_token":"{TOKEN}","token_type":null,"scope":"public,redeploy","error":null}}',
        f'{{"access_token":"{TOKEN}","token_type":"BEARER","scope":"public redeploy","nested":{{"a":[1]}}}}',
        urlencode({"access_token": TOKEN, "scope": "public redeploy", "token_type": "bearer"}),
        urlencode({"scope": "public,redeploy", "access_token": TOKEN}) + "\n",
        "\ufeff" + urlencode({"access_token": TOKEN, "scope": "public redeploy", "token_type": "Bearer", "error": ""}),
        urlencode({"access_token": TOKEN, "scope": "public redeploy", "token_type": "bearer"}).replace("&", "&amp;"),
        urlencode({"access_token": TOKEN, "scope": "public redeploy", "note": "&amp; <é>"}),
        f'{{"access_token":"{TOKEN}","scope":["public","redeploy"]}}',
        f"&&x=1&x=2&scope=public+redeploy&{urlencode({'access_token': TOKEN})}&",
        "debug&" + urlencode({"access_token": TOKEN, "scope": "public redeploy"}) + "&debug",
    ],
)
def test_every_json_and_form_variant_is_parsed(body: str) -> None:
    for status in (200, 201):
        token = parse_token_response(status, body.encode())
        assert token.reveal() == TOKEN
    assert token.scopes == ("public", "redeploy")
    assert token.expires_at is None


def test_sample_of_the_documentation_is_parsed() -> None:
    body = b"access_token=e72e16c7e42f292c6912e7710c838347ae178b4a&amp;token_type=bearer"
    assert parse_token_response(200, body) == Token("e72e16c7e42f292c6912e7710c838347ae178b4a")
    assert parse_token_response(200, body).scopes is None


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        *((7200, 7200), ("7200", 7200), (7200.5, 7200), (0, None), (-5, None), (None, None), ("never", None)),
        *((True, None), ("", None), ([7200], None), (1e300, None), ("1e999", None), ("nan", None), (10**14, None)),
    ],
)
def test_expires_in_must_be_a_positive_number(expires_in: object, seconds: int | None) -> None:
    body = json.dumps({"access_token": TOKEN, "expires_in": expires_in}).encode()
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert parse_token_response(200, body, now=NOW).expires_at == expected


def test_expires_in_of_a_form_is_parsed() -> None:
    assert parse_token_response(200, b"access_token=abc&expires_in=60", now=NOW).expires_at == NOW + timedelta(
        minutes=1
    )


INVALID_RESPONSES = {
    "html": (200, b"<!DOCTYPE html><html><body>access_token=SECRETTOKEN</body></html>"),
    "html error page": (404, b"<html>SECRETTOKEN</html>"),
    "empty": (200, b""),
    "whitespace": (200, b" \n"),
    "array": (200, b'[{"access_token":"SECRETTOKEN"}]'),
    "string": (200, b'"SECRETTOKEN"'),
    "truncated": (200, b'{"access_token":"SECRETTOKEN"'),
    "trailing data": (200, b'{"access_token":"SECRETTOKEN"} {}'),
    "twice in json": (200, b'{"access_token":"SECRETTOKEN","access_token":"other"}'),
    "twice in a nested object": (200, b'{"access_token":"SECRETTOKEN","more":{"a":1,"a":2}}'),
    "twice in form": (200, b"access_token=SECRETTOKEN&access_token=other"),
    "incomplete form": (200, b"access_token=SECRETTOKEN&token_type"),
    "bad percent": (200, b"access_token=SECRETTOKEN&x=%ff"),
    "not utf-8": (200, b'{"access_token":"SECRETTOKEN","x":"\xff"}'),
    "too long": (200, b'{"access_token":"SECRETTOKEN","x":"' + b"x" * 3_000_000 + b'"}'),
    "long form": (200, b"access_token=SECRETTOKEN&x=" + b"x" * MAX_LENGTH),
    "too many fields": (200, b"access_token=SECRETTOKEN" + b"".join(b"&f%d=1" % n for n in range(60))),
    "too deep": (200, b'{"access_token":"SECRETTOKEN","x":' + b"[" * 30_000),
    "large number": (200, b'{"access_token":"SECRETTOKEN","x":' + b"9" * 30_000 + b"}"),
    "no token": (200, b'{"token":"SECRETTOKEN"}'),
    "token null": (200, b'{"access_token":null}'),
    "token a number": (200, b'{"access_token":12345678901}'),
    "token empty": (200, b'{"access_token":""}'),
    "token with a newline": (200, b'{"access_token":"SECRETTOKEN\\n"}'),
    "token with a header": (200, b'{"access_token":"SECRETTOKEN\\r\\nX-Evil: 1"}'),
    "token with a space": (200, b"access_token=SECRET+TOKEN"),
    "token with a newline in a form": (200, b"access_token=SECRETTOKEN%0A"),
    "token not ascii": (200, '{"access_token":"SECRETTOKENé"}'.encode()),
    "other type": (200, b'{"access_token":"SECRETTOKEN","token_type":"mac"}'),
    "type not a string": (200, b'{"access_token":"SECRETTOKEN","token_type":1}'),
    "accepted": (202, b'{"access_token":"SECRETTOKEN"}'),
    "invalid expires_at": (200, b'{"access_token":"SECRETTOKEN","expires_at":"soon"}'),
    "expires_at out of range": (200, b'{"access_token":"SECRETTOKEN","expires_at":1e18}'),
    "type twice in form": (200, b"access_token=SECRETTOKEN&token_type=bearer&token_type=mac"),
    "redirect": (302, b'{"access_token":"SECRETTOKEN"}'),
    "unauthorized with a token": (401, b'{"access_token":"SECRETTOKEN"}'),
    "bad request without error": (400, b'{"message":"SECRETTOKEN"}'),
    "token and error": (200, b'{"access_token":"SECRETTOKEN","error":"invalid_grant"}'),
    "token and error in a form": (200, b"access_token=SECRETTOKEN&error=invalid_grant"),
    "error not a string": (400, b'{"error":{"SECRETTOKEN":1}}'),
    "server error with a token": (500, b'{"access_token":"SECRETTOKEN"}'),
}


@pytest.mark.parametrize("name", INVALID_RESPONSES)
def test_invalid_response_raises_without_secrets(name: str) -> None:
    status, body = INVALID_RESPONSES[name]
    with pytest.raises(TokenRequestFailed) as caught:
        parse_token_response(status, body)
    error = caught.value
    assert error.status == status
    assert str(status) in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    for shown in (str(error), repr(error), package_locals(error), repr(pickle.loads(pickle.dumps(error)).__dict__)):
        assert "SECRET" not in shown


@pytest.mark.parametrize("as_form", [True, False])
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_oauth_error_has_code_and_description(status: int, as_form: bool) -> None:
    fields = {"error": "invalid_grant", "error_description": "The code was used before"}
    body = urlencode(fields) if as_form else json.dumps(fields)
    with pytest.raises(TokenRequestFailed, match="log in again") as caught:
        parse_token_response(status, body.encode())
    assert (caught.value.code, caught.value.description) == ("invalid_grant", "The code was used before")
    assert caught.value.status == status


def test_wrong_client_secret_is_explained() -> None:
    with pytest.raises(TokenRequestFailed, match="check client_id and client_secret"):
        parse_token_response(401, b'{"error":"invalid_client","error_description":"Client authentication failed"}')


def test_rails_error_is_not_an_oauth_error() -> None:
    with pytest.raises(TokenRequestFailed, match="the server failed") as caught:
        parse_token_response(500, b'{"status":500,"error":"Internal Server Error"}')
    assert caught.value.code is None


def test_server_error_may_have_an_oauth_code() -> None:
    with pytest.raises(TokenRequestFailed) as caught:
        parse_token_response(503, b"error=temporarily_unavailable")
    assert caught.value.code == "temporarily_unavailable"


def test_secrets_repeated_by_the_server_are_redacted() -> None:
    body = {"error": "invalid_grant", "error_description": "no code CODE-1 for SECRET-2", "access_token": "TOKEN-3"}
    with pytest.raises(TokenRequestFailed) as caught:
        parse_token_response(
            400, json.dumps(body).encode(), redact=Form(code="CODE-1", client_secret="SECRET-2", token="").redact
        )
    assert caught.value.description == "no code ******** for ********"
    assert "invalid_grant" in str(caught.value)


def test_token_in_the_description_is_redacted() -> None:
    body = {"error": "invalid_grant", "error_description": "not TOKEN-3", "access_token": "TOKEN-3"}
    with pytest.raises(TokenRequestFailed) as caught:
        parse_token_response(400, json.dumps(body).encode())
    assert "TOKEN-3" not in str(caught.value)


def test_server_text_cannot_forge_log_lines() -> None:
    text = "no\r\n2026-11-24 INFO all is well\u2028\u202e\x1b[31m\x85" + "x" * 10_000
    body = json.dumps({"error": "in\nvalid", "error_description": text}).encode()
    with pytest.raises(TokenRequestFailed) as caught:
        parse_token_response(400, body)
    assert caught.value.code is None
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_fields_keep_the_servers_names() -> None:
    body = b'{"access_token":"abc","scope":"public","created_at":7,"expires_in":"60","refresh_token":"def"}'
    expected = {"access_token": "abc", "scope": "public", "created_at": 7, "expires_in": 60, "refresh_token": "def"}
    assert parse_token_fields(200, body) == expected


@NO_DEADLINE
@given(st.integers(100, 599), st.binary(max_size=300))
def test_any_response_is_a_token_or_an_error(status: int, body: bytes) -> None:
    try:
        token = parse_token_response(status, body)
    except TokenRequestFailed as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert status in (200, 201)
        assert token.reveal().isascii()


NAMES = st.sampled_from(["access_token", "token_type", "scope", "error", "expires_in", "status", "x"])
TEXTS = st.text(max_size=20) | st.just("SECRETTOKEN") | st.just("bearer")
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(TEXTS, max_size=2)


@NO_DEADLINE
@given(st.sampled_from([200, 201, 302, 400, 401, 500]), st.dictionaries(NAMES, VALUES), st.booleans())
def test_any_combination_of_fields_is_a_token_or_an_error(
    status: int, fields: dict[str, object], as_form: bool
) -> None:
    body = urlencode(fields) if as_form else json.dumps(fields)
    try:
        token = parse_token_response(status, body.encode())
    except TokenRequestFailed as error:
        assert "SECRETTOKEN" in str(fields.get("error")) or "SECRETTOKEN" not in str(error)  # noqa: PT017
    else:
        assert status in (200, 201)
        assert str(fields["access_token"]) == token.reveal()


BEARERS = st.from_regex(r"[A-Za-z0-9\-._~+/]{1,80}={0,2}", fullmatch=True)


@NO_DEADLINE
@given(BEARERS, st.booleans())
def test_token_is_returned_unchanged(text: str, as_form: bool) -> None:
    fields = {"access_token": text, "token_type": "bearer"}
    body = urlencode(fields) if as_form else json.dumps(fields)
    assert parse_token_response(200, body.encode()).reveal() == text
