"""The web login, without a real browser."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async import StateMismatch
from cloud66_async.sandbox import FakeCloud66, ProviderSettings

from .site import CALLBACK, ORIGIN, Browser, make_app, open_site, web_login

HOURS = 3600


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_login_leads_back_to_the_requested_page() -> None:
    async with open_site() as site:
        site.fake.add_stack("web")
        browser = site.browser()
        redirected = await browser.get("/stacks?environment=%C3%A9t%C3%A9&x=1")
        assert redirected.status_code == 303
        assert redirected.headers["location"] == "/login?next=%2Fstacks%3Fenvironment%3D%25C3%25A9t%25C3%25A9%26x%3D1"
        done = await browser.log_in(redirected.headers["location"])
        assert (done.status_code, done.headers["location"]) == (303, "/stacks?environment=%C3%A9t%C3%A9&x=1")
        page = await browser.get(done.headers["location"])
        assert [stack["name"] for stack in page.json()] == ["web"]
        assert browser.pending == []


async def test_parameters_of_the_authorization_url() -> None:
    async with open_site() as site:
        parameters = query(await site.browser().start_login())
    assert parameters["scope"] == "public redeploy"
    assert parameters["redirect_uri"] == parameters["redirect_url"] == CALLBACK
    assert parameters["code_challenge_method"] == "S256"


async def test_api_responds_with_401_without_a_login() -> None:
    async with open_site() as site:
        response = await site.browser().get("/api/stacks")
        assert response.status_code == 401
        assert response.json() == {"detail": "Not logged in"}
        assert "www-authenticate" in response.headers
        assert site.fake.calls() == 0


async def test_concurrent_users_see_their_own_stacks() -> None:
    fake = FakeCloud66()
    fake.add_user("alan@example.com", accounts=[2])
    fake.add_stack("adas")
    fake.add_stack("alans", account=2)
    async with open_site(fake) as site:
        ada, alan = site.browser(), site.browser()
        await ada.log_in(user="ada@example.com")
        await alan.log_in(user="alan@example.com")
        pages = await asyncio.gather(*[browser.get("/api/stacks") for browser in (ada, alan) * 5])
        assert [page.json()[0]["name"] for page in pages] == ["adas", "alans"] * 5


async def test_logins_in_several_tabs_are_independent() -> None:
    async with open_site() as site:
        browser = site.browser()
        # As when a browser restores its tabs: it sends every request before it receives the first response.
        started = await asyncio.gather(*[browser.start_login(f"/login?next=/stacks?tab={tab}") for tab in range(3)])
        assert len(browser.pending) == 3
        for tab in (1, 2, 0):
            done = await browser.get(await site.fake.consent(started[tab]))
            assert done.headers["location"] == f"/stacks?tab={tab}"
        assert browser.pending == []
        assert (await browser.get("/stacks")).status_code == 200


async def test_number_of_pending_logins_is_limited() -> None:
    async with open_site() as site:
        browser = site.browser()
        for _ in range(20):
            await browser.start_login()
        newest = await browser.start_login()
        assert len(browser.pending) == 4
        assert (await browser.get(await site.fake.consent(newest))).status_code == 303


async def test_any_process_finishes_a_login_that_another_started() -> None:
    fake = FakeCloud66()
    one, other, stranger = web_login(fake), web_login(fake), web_login(fake, client_secret="another")
    async with one.lifespan(), other.lifespan(), stranger.lifespan():
        browser = Browser(make_app(one), fake)
        second, third = Browser(make_app(other), fake), Browser(make_app(stranger), fake)
        async with browser.http, second.http, third.http:
            callback = await fake.consent(await browser.start_login())
            third.http.cookies = second.http.cookies = browser.http.cookies
            assert (await third.get(callback)).status_code == 400
            assert (await second.get(callback)).status_code == 303


# --- invalid callbacks -------------------------------------------------------------------------------


INVALID: dict[str, Callable[[str], str]] = {
    "another state": lambda good: good.replace("state=", "state=x"),
    "no state": lambda good: good.replace("state=", "other="),
    "two states": lambda good: good + "&state=second",
    "two codes": lambda good: good + "&code=second",
    "nothing": lambda good: good.partition("?")[0],
    "no code": lambda good: good.replace("code=", "c="),
}


@pytest.mark.parametrize("change", INVALID)
async def test_invalid_callback_is_rejected_before_anything_is_sent(change: str) -> None:
    async with open_site() as site:
        browser = site.browser()
        good = await site.fake.consent(await browser.start_login())
        response = await browser.get(INVALID[change](good))
        assert response.status_code == 400
        assert "cannot be finished" in response.text
        assert site.fake.calls("oauth.token") == 0
        assert browser.session is None


async def test_callback_of_another_browser_is_rejected() -> None:
    async with open_site() as site:
        attacker, victim = site.browser(), site.browser()
        callback = await site.fake.consent(await attacker.start_login())
        await victim.start_login()
        response = await victim.get(callback)
        assert response.status_code == 400
        assert victim.session is None
        assert (await attacker.get(callback)).status_code == 303


async def test_login_remains_usable_after_a_wrong_state() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        assert (await browser.get("/callback?code=planted&state=planted")).status_code == 400
        assert (await browser.get(callback)).status_code == 303


async def test_callback_can_be_used_once() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        assert (await browser.get(callback)).status_code == 303
        assert (await browser.get(callback)).status_code == 400
        assert site.fake.calls("oauth.token") == 1


async def test_head_request_does_not_consume_the_code() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        assert (await browser.http.head(callback)).status_code == 405
        assert (await browser.get(callback)).status_code == 303


async def test_login_expires_after_ten_minutes() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        site.fake.clock.advance(601)
        assert (await browser.get(callback)).status_code == 400
        assert site.fake.calls("oauth.token") == 0


async def test_denial_shows_a_page_without_a_token_request() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login(), decision="deny")
        response = await browser.get(callback)
        assert response.status_code == 403
        assert "Access was not granted" in response.text
        assert site.fake.calls("oauth.token") == 0
        assert browser.pending == []


@pytest.mark.parametrize("fault", ["refused", "broken", "dropped"])
async def test_failed_token_request(fault: str) -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        faults = site.fake.faults
        match fault:
            case "refused":
                faults.fail(400, operation="oauth.token", body=b'{"error": "invalid_grant"}')
            case "broken":
                faults.html(operation="oauth.token")
            case _:
                faults.drop(operation="oauth.token")
        response = await browser.get(callback)
        assert response.status_code == 502
        assert "Cloud 66 did not finish the login" in response.text
        assert browser.session is None
        assert site.fake.calls("oauth.token") == 1


async def test_error_page_repeats_nothing_and_has_a_strict_policy() -> None:
    async with open_site() as site:
        browser = site.browser()
        state = query(await browser.start_login())["state"]
        parameters = {"error": "<b>bad", "error_description": "<script>alert(1)</script>", "state": state}
        response = await browser.get("/callback", params=parameters)
        assert response.status_code == 400
        assert "<b>" not in response.text
        assert "script" not in response.text
        assert state not in response.text
        assert 'href="/login"' in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-content-type-options"] == "nosniff"


# --- cookies -----------------------------------------------------------------------------------------


async def test_cookies_are_host_only_and_hidden_from_scripts() -> None:
    async with open_site() as site:
        browser = site.browser()
        started = await browser.get("/login")
        done = await browser.get(await site.fake.consent(started.headers["location"]))
        for line in [*started.headers.get_list("set-cookie"), *done.headers.get_list("set-cookie")]:
            assert line.startswith("__Host-cloud66_")
            attributes = {part.strip().lower() for part in line.split(";")[1:]}
            assert {"httponly", "secure", "samesite=lax", "path=/"} <= attributes
            assert not [item for item in attributes if item.startswith("domain")]


async def test_cookie_names_on_plain_http() -> None:
    fake = FakeCloud66()
    login = web_login(fake, redirect_url="http://127.0.0.1:8000/callback")
    async with login.lifespan():
        browser = Browser(make_app(login), fake, "http://127.0.0.1:8000")
        async with browser.http:
            await browser.log_in()
            assert (await browser.get("/stacks")).status_code == 200
            assert [item.name for item in browser.http.cookies.jar] == ["cloud66_session"]


async def test_cookies_reveal_no_token_state_or_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    generated: list[str] = []
    monkeypatch.setattr("secrets.token_urlsafe", recording(generated))
    async with open_site() as site:
        browser = site.browser()
        started = await browser.get("/login?next=/stacks")
        state = query(started.headers["location"])["state"]
        assert state in generated
        done = await browser.get(await site.fake.consent(started.headers["location"]))
        secrets = [*generated, site.newest_token.reveal(), "verifier"]
        # The session ID is the one secret that the browser receives, followed by the time.
        secrets.remove((browser.session or "").partition(".")[0])
        for line in [*started.headers.get_list("set-cookie"), *done.headers.get_list("set-cookie")]:
            value = line.partition("=")[2].partition(";")[0].partition(".")[0]
            shown = value.encode() + base64.urlsafe_b64decode(value.encode() + b"=" * (-len(value) % 4))
            assert not [secret for secret in secrets if secret.encode() in shown]


def recording(generated: list[str]) -> object:
    import secrets

    original = secrets.token_urlsafe

    def token_urlsafe(size: int | None = None) -> str:
        generated.append(original(size))
        return generated[-1]

    return token_urlsafe


async def test_modified_cookie_is_rejected() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        cookie = next(item for item in browser.http.cookies.jar if item.name in browser.pending)
        assert cookie.value is not None
        cookie.value = cookie.value[:-6] + ("AAAA==" if not cookie.value.endswith("AAAA==") else "BBBB==")
        assert (await browser.get(callback)).status_code == 400


# --- sessions ----------------------------------------------------------------------------------------


async def test_login_starts_a_new_session_and_ends_the_old_one() -> None:
    async with open_site() as site:
        browser, thief = site.browser(), site.browser()
        planted = "planted-by-an-attacker"
        browser.http.cookies.set("__Host-cloud66_session", planted, domain="dash.example", path="/")
        await browser.log_in()
        first = browser.session
        assert first not in (None, planted)
        await browser.log_in()
        assert browser.session != first
        for old in (planted, first):
            thief.http.cookies.set("__Host-cloud66_session", old or "", domain="dash.example", path="/")
            assert (await thief.get("/api/stacks")).status_code == 401
            thief.http.cookies.clear()
        assert (await browser.get("/api/stacks")).status_code == 200


async def test_session_ends_after_its_lifetime() -> None:
    async with open_site(lifetime=timedelta(hours=2)) as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.clock.advance(2 * HOURS - 1)
        assert (await browser.get("/api/stacks")).status_code == 200
        site.fake.clock.advance(1)
        assert (await browser.get("/api/stacks")).status_code == 401
        assert (await browser.get("/stacks")).status_code == 303


async def test_session_ends_with_its_token() -> None:
    async with open_site(FakeCloud66(provider=ProviderSettings(expires_in=600))) as site:
        browser = site.browser()
        done = await browser.log_in()
        assert "Max-Age=600;" in "".join(line for line in done.headers.get_list("set-cookie") if "session" in line)
        site.fake.clock.advance(600)
        before = site.fake.calls()
        assert (await browser.get("/api/stacks")).status_code == 401
        assert site.fake.calls() == before


async def test_logout_ends_the_session() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        old = browser.session
        response = await browser.post("/logout")
        assert (response.status_code, response.headers["location"]) == (303, "/")
        assert browser.session is None
        browser.http.cookies.set("__Host-cloud66_session", old or "", domain="dash.example", path="/")
        assert (await browser.get("/api/stacks")).status_code == 401
        assert site.fake.calls("oauth.revoke") == 0


async def test_logging_out_twice() -> None:
    async with open_site() as site:
        browser = site.browser()
        assert (await browser.post("/logout")).status_code == 303
        assert (await browser.post("/logout")).status_code == 303


async def test_logout_can_revoke_the_token() -> None:
    async with open_site(revoke_on_logout=True) as site:
        browser = site.browser()
        await browser.log_in()
        await browser.post("/logout")
        assert site.fake.tokens[-1].revoked


async def test_logout_ends_the_session_if_the_revocation_fails() -> None:
    async with open_site(revoke_on_logout=True) as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.faults.fail(500, operation="oauth.revoke", times=10)
        assert (await browser.post("/logout")).status_code == 303
        assert (await browser.get("/api/stacks")).status_code == 401


# --- other sites -------------------------------------------------------------------------------------


async def test_link_does_not_log_out() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.get("/logout")).status_code == 405
        assert (await browser.get("/api/stacks")).status_code == 200


@pytest.mark.parametrize("path", ["/logout", "/stacks", "/api/stacks"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": ORIGIN},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://dash.example"},
    ],
    ids=str,
)
async def test_form_of_another_site_is_rejected(path: str, headers: dict[str, str]) -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        before = site.fake.calls()
        assert (await browser.post(path, headers=headers)).status_code == 403
        assert site.fake.calls() == before
        assert (await browser.get("/api/stacks")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": ORIGIN}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
    ids=str,
)
async def test_form_of_this_site_is_accepted(headers: dict[str, str]) -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.post("/stacks", headers=headers)).status_code == 200
        assert (await browser.post("/api/stacks", headers=headers)).status_code == 200


async def test_link_from_another_site_is_accepted() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.get("/stacks", headers={"sec-fetch-site": "cross-site"})).status_code == 200


async def test_forged_host_header_is_ignored() -> None:
    async with open_site() as site:
        browser = site.browser()
        headers = {"host": "evil.example"}
        assert (await browser.get("/stacks", headers=headers)).headers["location"] == "/login?next=%2Fstacks"
        started = await browser.get("/login", headers=headers)
        assert query(started.headers["location"])["redirect_uri"] == CALLBACK
        assert "evil" not in started.headers["location"]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%2f%2fevil.example",
        "/login",
        "/login/",
        "/lo%67in?next=/stacks",
        "/x/../callback",
        "/logout",
        "",
    ],
)
async def test_unsafe_or_circular_target_leads_to_the_home_page(target: str) -> None:
    async with open_site() as site:
        browser = site.browser()
        started = await browser.get("/login", params={"next": target})
        done = await browser.get(await site.fake.consent(started.headers["location"]))
        assert done.headers["location"] == "/"


async def test_login_after_a_form_leads_to_the_home_page() -> None:
    async with open_site() as site:
        assert (await site.browser().post("/stacks")).headers["location"] == "/login"


# --- logs --------------------------------------------------------------------------------------------


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_site() as site:
        browser = site.browser()
        started = await browser.start_login()
        callback = await site.fake.consent(started)
        await browser.get(callback)
        await browser.get("/stacks")
        site.fake.revoke(site.newest_token)
        await browser.get("/stacks")
        denied = await site.fake.consent(await browser.start_login(), decision="deny")
        await browser.get(denied)
        ours = "\n".join(
            record.getMessage() for record in caplog.records if record.name.startswith(("cloud66_async", "uvicorn"))
        )
        assert "AccessDenied" in ours
        for secret in (
            query(started)["state"],
            query(callback)["code"],
            query(denied)["state"],
            browser.session or "-",
        ):
            assert secret not in ours
        assert site.newest_token.reveal() not in ours


def access_record(path: str) -> logging.LogRecord:
    template = '%s - "%s %s HTTP/%s" %d'
    arguments = ("127.0.0.1:5000", "GET", path, "1.1", 303)
    return logging.LogRecord("uvicorn.access", logging.INFO, __file__, 1, template, arguments, None)


async def test_access_log_shows_no_code(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("uvicorn.access")
    filters = list(logger.filters)
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with open_site():
        logger.handle(access_record("/callback?code=c0de&state=st4te"))
        logger.handle(access_record("/stacks?environment=qa"))
    assert caplog.messages == [
        '127.0.0.1:5000 - "GET /callback?(hidden) HTTP/1.1" 303',
        '127.0.0.1:5000 - "GET /stacks?environment=qa HTTP/1.1" 303',
    ]
    assert logger.filters == filters


def test_record_with_other_arguments_is_unchanged() -> None:
    from cloud66_async.integrations.starlette.logs import CallbackFilter

    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%(path)s", ({"path": "/callback?code=c"},), None)
    assert CallbackFilter("/callback").filter(record)
    assert record.args == {"path": "/callback?code=c"}


def test_invalid_cookie_is_a_state_mismatch() -> None:
    from starlette.requests import Request

    from cloud66_async.integrations.starlette.cookies import Cookies

    cookies = Cookies("secret", secure=False)
    for value in (b"", b"x", "é".encode(), b"gAAAAA=="):
        name = cookies._slots[0].encode()
        scope = {"type": "http", "query_string": b"state=s", "headers": [(b"cookie", name + b"=" + value)]}
        with pytest.raises(StateMismatch):
            cookies.pending_login(Request(scope))
