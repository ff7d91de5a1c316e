"""Pending logins: authorization URL, session data, single use, expiry."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import pickle
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from cloud66_async.errors import AccessDenied, ConfigError, LoginError, StateMismatch
from cloud66_async.oauth.callback import OUT_OF_BAND
from cloud66_async.oauth.login import Login, authorization_url, split_scopes, start_login

from .clocks import ManualClock

REDIRECT = "https://app.example/callback"
ENDPOINT = "https://app.cloud66.com/oauth/authorize"


def start(**options: Any) -> Login:
    defaults: dict[str, Any] = {"client_id": "ID", "redirect_url": REDIRECT, "scope": ("public", "redeploy")}
    return start_login(ENDPOINT, **defaults | options)


def sent(url: str) -> dict[str, str]:
    """Return the query. Fails if a parameter occurs more than once."""
    fields = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in fields.values())
    return {name: values[0] for name, values in fields.items()}


def test_url_has_every_parameter() -> None:
    login = start()
    query = sent(login.url)
    assert login.url.startswith(f"{ENDPOINT}?")
    assert login.verifier is not None
    digest = hashlib.sha256(login.verifier.encode()).digest()
    assert query == {
        "response_type": "code",
        "client_id": "ID",
        "redirect_url": REDIRECT,
        "redirect_uri": REDIRECT,
        "scope": "public redeploy",
        "state": login.state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    assert 43 <= len(login.verifier) <= 128
    assert login.verifier not in login.url


def test_challenge_matches_rfc_7636() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
    url = authorization_url(ENDPOINT, client_id="ID", redirect_url=REDIRECT, state="s", verifier=verifier)
    assert sent(url)["code_challenge"] == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_pkce_can_be_disabled() -> None:
    login = start(pkce=False)
    assert login.verifier is None
    assert not {"code_challenge", "code_challenge_method"} & sent(login.url).keys()


def test_state_and_verifier_are_random() -> None:
    logins = [start() for _ in range(200)]
    for secrets in ({login.state for login in logins}, {login.verifier for login in logins}):
        assert len(secrets) == 200
        assert min(len(base64.urlsafe_b64decode(f"{secret}==")) for secret in secrets) >= 32  # bytes


@pytest.mark.parametrize(
    "scope",
    [
        *("public redeploy", "public,redeploy", " public ,  redeploy,public", ["public", "redeploy"]),
        *(("public,redeploy",), iter(["public", "redeploy"]), {"public": 1, "redeploy": 2}),
    ],
)
def test_every_scope_format_is_accepted(scope: Any) -> None:
    login = start(scope=scope)
    assert login.scopes == ("public", "redeploy")
    assert sent(login.url)["scope"] == "public redeploy"


def test_scopes_can_be_separated_by_commas() -> None:
    assert sent(start(scope_separator=",").url)["scope"] == "public,redeploy"


def test_no_scope_parameter_without_scopes() -> None:
    assert "scope" not in sent(start(scope=()).url)


@pytest.mark.parametrize("scope", ['pub"lic', "publiç", "a\\b", "a\x00b"])
def test_invalid_scope_is_rejected(scope: str) -> None:
    with pytest.raises(ConfigError, match="scope"):
        split_scopes(scope)


def test_extra_parameters_are_sent_and_reserved_ones_rejected() -> None:
    assert sent(start(parameters={"prompt": "login"}).url)["prompt"] == "login"
    with pytest.raises(ConfigError, match="redirect_uri, state"):
        start(parameters={"state": "", "redirect_uri": "https://evil.example"})


def test_query_of_the_endpoint_is_preserved() -> None:
    url = authorization_url(f"{ENDPOINT}?tenant=1", client_id="ID", redirect_url=REDIRECT, state="s")
    assert sent(url)["tenant"] == "1"


@pytest.mark.parametrize(
    "redirect", ["", "/callback", "app.example/callback", REDIRECT + "#x", "https://me@app.example/"]
)
def test_redirect_url_must_be_absolute_without_user_and_fragment(redirect: str) -> None:
    with pytest.raises(ConfigError, match="redirect URL"):
        start(redirect_url=redirect)


@pytest.mark.parametrize("redirect", [OUT_OF_BAND, "http://127.0.0.1:1234/callback", "cloud66://oauth", "app:/done"])
def test_redirect_urls_of_every_kind_are_accepted(redirect: str) -> None:
    assert sent(start(redirect_url=redirect).url)["redirect_uri"] == redirect


def test_secrets_are_redacted() -> None:
    login = start()
    for shown in (repr(login), str(login), f"{login}", repr([login]), repr({"login": login})):
        assert login.state not in shown
        assert login.verifier is not None
        assert login.verifier not in shown
        assert "https://app.cloud66.com" not in shown
    assert REDIRECT in repr(login)


def test_login_survives_a_json_session() -> None:
    login = start()
    stored = json.loads(json.dumps(login.to_dict()))
    restored = Login.from_dict(stored)
    assert restored == login
    assert len(json.dumps(stored)) < 2000  # a cookie can hold 4096 bytes
    assert restored.code(f"code=CODE&state={login.state}", now=login.created_at) == "CODE"
    assert pickle.loads(pickle.dumps(login)) == login


def invalid_sessions() -> dict[str, Any]:
    good = start().to_dict()
    return {
        "none": None,
        "empty": {},
        "text": "x",
        **{
            f"without {name}": {key: value for key, value in good.items() if key != name}
            for name in good
            if name not in ("verifier", "issuer")
        },
        "empty state": good | {"state": ""},
        "state not a string": good | {"state": 5},
        "verifier not a string": good | {"verifier": 5},
        "issuer not a string": good | {"issuer": 5},
        "scopes not a list": good | {"scopes": "public"},
        "invalid time": good | {"expires_at": "soon"},
        "time not a string": good | {"created_at": 5},
        "time without a zone": good | {"expires_at": "2026-11-24T12:00:00"},
    }


@pytest.mark.parametrize("name", invalid_sessions())
def test_session_without_a_complete_login_is_rejected(name: str) -> None:
    with pytest.raises(LoginError, match="no pending login") as caught:
        Login.from_dict(invalid_sessions()[name])
    assert caught.value.__context__ is None


def test_login_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        start().state = "another"  # type: ignore[misc]


def test_login_can_be_used_once() -> None:
    login = start()
    callback = f"{REDIRECT}?code=CODE&state={login.state}"
    again = copy.copy(login)
    assert login.code(callback) == "CODE"
    for used in (login, again, pickle.loads(pickle.dumps(login))):
        with pytest.raises(LoginError, match="already used"):
            used.code(callback)


def test_denial_uses_the_login() -> None:
    login = start()
    with pytest.raises(AccessDenied):
        login.code({"error": "access_denied", "state": login.state})
    with pytest.raises(LoginError, match="already used"):
        login.code({"code": "CODE", "state": login.state})


def test_unrelated_callback_does_not_use_the_login() -> None:
    login, another = start(), start()
    unrelated = ["", f"code=CODE&state={another.state}", f"https://evil.example/?code=CODE&state={login.state}"]
    for callback in [*unrelated, f"code=1&code=2&state={login.state}"]:
        with pytest.raises(LoginError):
            login.code(callback)
    assert login.code(f"code=CODE&state={login.state}") == "CODE"


def test_callback_of_another_login_is_rejected() -> None:
    login, other = start(), start()
    with pytest.raises(StateMismatch):
        login.code(f"code=CODE&state={other.state}")


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (599, True), (600, False), (10**6, False)])
def test_login_expires_after_ten_minutes(seconds: int, good: bool) -> None:
    clock = ManualClock()
    login = Login.from_dict(start(clock=clock).to_dict())
    clock.advance(seconds)
    callback = f"code=CODE&state={login.state}"
    if good:
        assert login.code(callback, now=clock.now()) == "CODE"
    else:
        with pytest.raises(LoginError, match="expired"):
            login.code(callback, now=clock.now())


def test_lifetime_can_be_set() -> None:
    clock = ManualClock()
    login = start(clock=clock, lifetime=timedelta(seconds=1))
    assert login.expires_at - login.created_at == timedelta(seconds=1)
    assert login.created_at == clock.now()


def test_system_clock_is_the_default() -> None:
    login = start(lifetime=timedelta(seconds=-1))
    with pytest.raises(LoginError, match="expired"):
        login.code(f"code=CODE&state={login.state}")
