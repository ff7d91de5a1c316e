"""The authorization endpoint with both of the included settings: requests and the consent form."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from cloud66_async.errors import LoginError
from cloud66_async.oauth.callback import OUT_OF_BAND
from cloud66_async.sandbox import STRICT, ProviderSettings, Reply

from .provider import BOTH, CALLBACK, authorization_url, exchange, get, post, sandbox


@BOTH
@pytest.mark.parametrize(
    ("changes", "tolerant", "strict"),
    [
        ({}, 200, 200),
        ({"redirect_uri": None, "redirect_url": CALLBACK}, 200, 400),
        ({"redirect_url": CALLBACK}, 200, 200),
        ({"redirect_url": "https://other.example/"}, 400, 200),
        ({"redirect_uri": None}, 400, 400),
        ({"redirect_uri": "https://app.example/other"}, 400, 400),
        ({"redirect_uri": CALLBACK + "#x"}, 400, 400),
        ({"redirect_uri": CALLBACK + "?kept=1"}, 200, 200),
        ({"redirect_uri": "https://app.example@evil.example/callback"}, 400, 400),
        ({"redirect_uri": "https://user@app.example/callback"}, 400, 400),
        ({"redirect_uri": "http://127.0.0.1:5/callback"}, 200, 200),
        ({"redirect_uri": "http://127.0.0.1:65000/callback"}, 200, 200),
        ({"redirect_uri": "http://[::1]:65000/callback"}, 200, 200),
        ({"redirect_uri": "http://127.0.0.2:65000/callback"}, 400, 400),
        ({"redirect_uri": "http://127.0.0.1:65000/other"}, 400, 400),
        ({"redirect_uri": "https://127.0.0.1:65000/callback"}, 400, 400),
        ({"redirect_uri": "http://127.0.0.1:x/callback"}, 400, 400),
        ({"redirect_uri": "http://localhost:8000/cb"}, 200, 200),
        ({"redirect_uri": "http://localhost:8001/cb"}, 400, 400),
        ({"redirect_uri": "https://app.example:444/callback"}, 400, 400),
        ({"redirect_uri": OUT_OF_BAND}, 200, 200),
        ({"response_type": None}, 400, 400),
        ({"response_type": "token"}, 400, 400),
        ({"client_id": "unknown"}, 400, 400),
        ({"scope": "public redeploy"}, 200, 200),
        ({"scope": "public,redeploy"}, 200, 400),
        ({"scope": "public, redeploy"}, 200, 400),
        ({"scope": "nonsense"}, 400, 400),
        ({"scope": ""}, 200, 200),
        ({"scope": None}, 200, 200),
        ({"state": None}, 200, 200),
        ({"code_challenge": "c" * 43, "code_challenge_method": "S256"}, 200, 200),
        ({"code_challenge": "c" * 43, "code_challenge_method": "plain"}, 400, 400),
        ({"code_challenge": "c" * 43}, 400, 400),
    ],
    ids=str,
)
def test_authorization_request(
    settings: ProviderSettings, changes: dict[str, str | None], tolerant: int, strict: int
) -> None:
    reply = get(sandbox(settings), authorization_url(**changes))
    assert reply.status == (strict if settings is STRICT else tolerant)
    # Errors are shown on a page, and never sent to a URL that was not verified.
    assert reply.header("location") is None


@BOTH
@pytest.mark.parametrize("name", ["state", "redirect_uri", "client_id", "scope"])
def test_repeated_parameter_is_rejected(settings: ProviderSettings, name: str) -> None:
    url = authorization_url()
    value = parse_qs(urlsplit(url).query)[name][0]
    assert get(sandbox(settings), f"{url}&{urlencode({name: value})}").status == 400


@BOTH
@pytest.mark.parametrize("state", ["s", "a&b=c", '<">', "é", "+ %2B", "\r\n", "x" * 500])
async def test_state_is_returned_unchanged(settings: ProviderSettings, state: str) -> None:
    redirect = await sandbox(settings).consent(authorization_url(state=state))
    assert redirect.startswith(CALLBACK + "?code=")
    assert parse_qs(urlsplit(redirect).query)["state"] == [state]
    assert redirect.isprintable()


@BOTH
@pytest.mark.parametrize("state", ["", None])
async def test_no_state_is_returned_without_one(settings: ProviderSettings, state: str | None) -> None:
    assert "state" not in await sandbox(settings).consent(authorization_url(state=state))


@BOTH
async def test_denied_consent(settings: ProviderSettings) -> None:
    fake = sandbox(settings)
    redirect = await fake.consent(authorization_url(state="a b"), decision="deny")
    query = parse_qs(urlsplit(redirect).query)
    assert redirect.startswith(CALLBACK)
    assert query["error"] == ["access_denied"]
    assert query["state"] == ["a b"]
    assert "code" not in query
    assert not fake.tokens


async def test_query_of_the_redirect_url_is_kept() -> None:
    redirect = await sandbox().consent(authorization_url(redirect_uri=CALLBACK + "?kept=1"))
    assert redirect.startswith(CALLBACK + "?kept=1&code=")


async def test_out_of_band_code_is_shown_on_a_page() -> None:
    fake = sandbox()
    url = await fake.consent(authorization_url(redirect_uri=OUT_OF_BAND))
    assert url.startswith("https://sandbox.example/oauth/authorize/native?code=")
    page = get(fake, url)
    code_shown = parse_qs(urlsplit(url).query)["code"][0]
    assert code_shown in page.body.decode()
    assert exchange(fake, code_shown, redirect_uri=OUT_OF_BAND).status == 200


async def test_out_of_band_denial_is_an_error_without_a_redirect() -> None:
    with pytest.raises(LoginError, match="400"):
        await sandbox().consent(authorization_url(redirect_uri=OUT_OF_BAND), decision="deny")


def test_missing_challenge_is_reported_to_the_application() -> None:
    reply = get(sandbox(ProviderSettings(pkce="required")), authorization_url())
    query = parse_qs(urlsplit(reply.header("location") or "").query)
    assert (reply.status, query["error"], query["state"]) == (302, ["invalid_request"], ["s"])


def form(page: Reply) -> dict[str, str]:
    from cloud66_async.sandbox.oauth.browser import _Form

    return _Form(page.body.decode()).fields


def cookie(page: Reply) -> dict[str, str]:
    return {"cookie": (page.header("set-cookie") or "").partition(";")[0]}


def test_consent_form_works_with_its_cookie() -> None:
    fake = sandbox()
    page = get(fake, authorization_url())
    reply = post(fake, "/oauth/authorize", cookie(page), **form(page), decision="authorize")
    assert reply.status == 302


@pytest.mark.parametrize("user", ["", "unknown@example.com"])
def test_unknown_user_is_rejected(user: str) -> None:
    fake = sandbox()
    page = get(fake, authorization_url())
    reply = post(fake, "/oauth/authorize", cookie(page), **{**form(page), "user": user}, decision="authorize")
    assert reply.status == 400


@pytest.mark.parametrize("decision", ["", None, "maybe"])
def test_missing_decision_is_rejected(decision: str | None) -> None:
    fake = sandbox()
    page = get(fake, authorization_url())
    assert post(fake, "/oauth/authorize", cookie(page), **form(page), decision=decision).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"authenticity_token": ""},
        {"authenticity_token": None},
        {"authenticity_token": "é"},
        {"scope": "admin"},
        {"redirect_uri": "http://127.0.0.1:1/callback"},
        {"state": "other"},
        {"client_id": "other"},
    ],
    ids=str,
)
def test_form_of_another_page_is_rejected(change: dict[str, str | None]) -> None:
    fake = sandbox()
    page = get(fake, authorization_url())
    sent: dict[str, str | None] = {**form(page), "decision": "authorize", **change}
    assert post(fake, "/oauth/authorize", cookie(page), **sent).status == 403


@pytest.mark.parametrize("headers", [{}, {"cookie": "cloud66_sandbox=other"}, {"cookie": "=;;a/b=c;\x00"}], ids=str)
def test_form_of_another_browser_is_rejected(headers: dict[str, str]) -> None:
    fake = sandbox()
    page = get(fake, authorization_url())
    assert post(fake, "/oauth/authorize", headers, **form(page), decision="authorize").status == 403


def test_cookie_is_kept_between_pages() -> None:
    fake = sandbox()
    first = get(fake, authorization_url())
    second = get(fake, authorization_url(), cookie(first))
    assert cookie(second) == cookie(first)
    assert "HttpOnly" in (first.header("set-cookie") or "")
