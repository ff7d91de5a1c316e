"""A login between redirect and callback: where the user goes, what the session keeps, one use, ten minutes."""

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
from cloud66_async.oauth.login import OUT_OF_BAND, Login, authorization_url, begin, split_scopes

from .clocks import HandClock

REDIRECT = "https://app.example/callback"
ENDPOINT = "https://app.cloud66.com/oauth/authorize"


def start(**options: Any) -> Login:
    defaults: dict[str, Any] = {"client_id": "ID", "redirect_url": REDIRECT, "scope": ("public", "redeploy")}
    return begin(ENDPOINT, **defaults | options)


def sent(url: str) -> dict[str, str]:
    """The query, each parameter once."""
    fields = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in fields.values())
    return {name: values[0] for name, values in fields.items()}


def test_the_url_has_all_that_a_server_may_want() -> None:
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


def test_the_challenge_is_that_of_the_standard() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
    url = authorization_url(ENDPOINT, client_id="ID", redirect_url=REDIRECT, state="s", verifier=verifier)
    assert sent(url)["code_challenge"] == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_pkce_can_be_switched_off() -> None:
    login = start(pkce=False)
    assert login.verifier is None
    assert not {"code_challenge", "code_challenge_method"} & sent(login.url).keys()


def test_state_and_verifier_are_fresh_and_cannot_be_guessed() -> None:
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
def test_scopes_are_understood_in_every_spelling(scope: Any) -> None:
    login = start(scope=scope)
    assert login.scopes == ("public", "redeploy")
    assert sent(login.url)["scope"] == "public redeploy"


def test_scopes_can_be_sent_with_the_documented_comma() -> None:
    assert sent(start(scope_separator=",").url)["scope"] == "public,redeploy"


def test_without_scopes_none_are_sent() -> None:
    assert "scope" not in sent(start(scope=()).url)


@pytest.mark.parametrize("scope", ['pub"lic', "publiç", "a\\b", "a\x00b"])
def test_a_scope_that_is_none_is_refused(scope: str) -> None:
    with pytest.raises(ConfigError, match="scope"):
        split_scopes(scope)


def test_further_parameters_go_along_and_none_is_replaced() -> None:
    assert sent(start(parameters={"prompt": "login"}).url)["prompt"] == "login"
    with pytest.raises(ConfigError, match="redirect_uri, state"):
        start(parameters={"state": "", "redirect_uri": "https://evil.example"})


def test_an_endpoint_with_a_query_keeps_it() -> None:
    url = authorization_url(f"{ENDPOINT}?tenant=1", client_id="ID", redirect_url=REDIRECT, state="s")
    assert sent(url)["tenant"] == "1"


@pytest.mark.parametrize(
    "redirect", ["", "/callback", "app.example/callback", REDIRECT + "#x", "https://me@app.example/"]
)
def test_a_redirect_url_must_be_absolute_and_plain(redirect: str) -> None:
    with pytest.raises(ConfigError, match="redirect URL"):
        start(redirect_url=redirect)


@pytest.mark.parametrize("redirect", [OUT_OF_BAND, "http://127.0.0.1:1234/callback", "cloud66://oauth", "app:/done"])
def test_redirect_urls_of_every_kind_of_application(redirect: str) -> None:
    assert sent(start(redirect_url=redirect).url)["redirect_uri"] == redirect


def test_nothing_secret_is_shown() -> None:
    login = start()
    for shown in (repr(login), str(login), f"{login}", repr([login]), repr({"login": login})):
        assert login.state not in shown
        assert login.verifier is not None
        assert login.verifier not in shown
        assert "https://app.cloud66.com" not in shown
    assert REDIRECT in repr(login)


def test_a_session_keeps_it_as_plain_json() -> None:
    login = start()
    kept = json.loads(json.dumps(login.to_dict()))
    back = Login.from_dict(kept)
    assert back == login
    assert len(json.dumps(kept)) < 2000  # a cookie holds 4096
    assert back.code(f"code=CODE&state={login.state}", now=login.created_at) == "CODE"
    assert pickle.loads(pickle.dumps(login)) == login


def broken() -> dict[str, Any]:
    good = start().to_dict()
    return {
        "nothing": None,
        "empty": {},
        "text": "x",
        **{
            f"without {name}": {key: value for key, value in good.items() if key != name}
            for name in good
            if name != "verifier"
        },
        "no state": good | {"state": ""},
        "state no text": good | {"state": 5},
        "verifier no text": good | {"verifier": 5},
        "scopes no list": good | {"scopes": "public"},
        "time no time": good | {"expires_at": "soon"},
        "time no text": good | {"created_at": 5},
        "time without zone": good | {"expires_at": "2026-11-24T12:00:00"},
    }


@pytest.mark.parametrize("name", broken())
def test_a_session_without_a_whole_login_is_told(name: str) -> None:
    with pytest.raises(LoginError, match="no login is under way") as caught:
        Login.from_dict(broken()[name])
    assert caught.value.__context__ is None


def test_it_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        start().state = "another"  # type: ignore[misc]


def test_it_can_be_used_once() -> None:
    login = start()
    answer = f"{REDIRECT}?code=CODE&state={login.state}"
    again = copy.copy(login)
    assert login.code(answer) == "CODE"
    for used in (login, again, pickle.loads(pickle.dumps(login))):
        with pytest.raises(LoginError, match="used already"):
            used.code(answer)


def test_a_denial_uses_it_up() -> None:
    login = start()
    with pytest.raises(AccessDenied):
        login.code({"error": "access_denied", "state": login.state})
    with pytest.raises(LoginError, match="used already"):
        login.code({"code": "CODE", "state": login.state})


def test_a_stranger_does_not_use_it_up() -> None:
    login, another = start(), start()
    strangers = ["", f"code=CODE&state={another.state}", f"https://evil.example/?code=CODE&state={login.state}"]
    for answer in [*strangers, f"code=1&code=2&state={login.state}"]:
        with pytest.raises(LoginError):
            login.code(answer)
    assert login.code(f"code=CODE&state={login.state}") == "CODE"


def test_a_login_of_another_session_does_not_fit() -> None:
    mine, theirs = start(), start()
    with pytest.raises(StateMismatch):
        mine.code(f"code=CODE&state={theirs.state}")


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (599, True), (600, False), (10**6, False)])
def test_it_expires_after_ten_minutes(seconds: int, good: bool) -> None:
    clock = HandClock()
    login = Login.from_dict(start(clock=clock).to_dict())
    clock.move(seconds)
    answer = f"code=CODE&state={login.state}"
    if good:
        assert login.code(answer, now=clock.now()) == "CODE"
    else:
        with pytest.raises(LoginError, match="expired"):
            login.code(answer, now=clock.now())


def test_its_lifetime_can_be_chosen() -> None:
    clock = HandClock()
    login = start(clock=clock, lifetime=timedelta(seconds=1))
    assert login.expires_at - login.created_at == timedelta(seconds=1)
    assert login.created_at == clock.now()


def test_without_a_clock_the_time_is_now() -> None:
    login = start(lifetime=timedelta(seconds=-1))
    with pytest.raises(LoginError, match="expired"):
        login.code(f"code=CODE&state={login.state}")
