"""The web login, from the first page to the last, without a browser."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async import StateMismatch
from cloud66_async.sandbox import FakeCloud66, Profile

from .site import CALLBACK, ORIGIN, Browser, a_site, make_app, web_login

HOURS = 3600


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_a_user_logs_in_and_comes_to_the_page_that_was_asked_for() -> None:
    async with a_site() as site:
        site.fake.add_stack("web")
        browser = site.browser()
        asked = await browser.get("/stacks?environment=%C3%A9t%C3%A9&x=1")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/login?next=%2Fstacks%3Fenvironment%3D%25C3%25A9t%25C3%25A9%26x%3D1"
        done = await browser.log_in(asked.headers["location"])
        assert (done.status_code, done.headers["location"]) == (303, "/stacks?environment=%C3%A9t%C3%A9&x=1")
        page = await browser.get(done.headers["location"])
        assert [stack["name"] for stack in page.json()] == ["web"]
        assert browser.pending == []


async def test_what_cloud66_is_asked_for() -> None:
    async with a_site() as site:
        asked = query(await site.browser().begin())
    assert asked["scope"] == "public redeploy"
    assert asked["redirect_uri"] == asked["redirect_url"] == CALLBACK
    assert asked["code_challenge_method"] == "S256"


async def test_without_a_login_the_api_says_401() -> None:
    async with a_site() as site:
        answer = await site.browser().get("/api/stacks")
        assert answer.status_code == 401
        assert answer.json() == {"detail": "not logged in"}
        assert "www-authenticate" in answer.headers
        assert site.fake.calls() == 0


async def test_two_users_at_once_see_their_own_stacks() -> None:
    fake = FakeCloud66()
    fake.add_user("alan@example.com", accounts=[2])
    fake.add_stack("adas")
    fake.add_stack("alans", account=2)
    async with a_site(fake) as site:
        ada, alan = site.browser(), site.browser()
        await ada.log_in(user="ada@example.com")
        await alan.log_in(user="alan@example.com")
        pages = await asyncio.gather(*[browser.get("/api/stacks") for browser in (ada, alan) * 5])
        assert [page.json()[0]["name"] for page in pages] == ["adas", "alans"] * 5


async def test_logins_in_parallel_tabs_do_not_disturb_each_other() -> None:
    async with a_site() as site:
        browser = site.browser()
        # As when a browser opens its tabs again: no answer has come yet when the last is asked for.
        begun = await asyncio.gather(*[browser.begin(f"/login?next=/stacks?tab={tab}") for tab in range(3)])
        assert len(browser.pending) == 3
        for tab in (1, 2, 0):
            done = await browser.get(await site.fake.consent(begun[tab]))
            assert done.headers["location"] == f"/stacks?tab={tab}"
        assert browser.pending == []
        assert (await browser.get("/stacks")).status_code == 200


async def test_a_browser_keeps_only_so_many_logins_under_way() -> None:
    async with a_site() as site:
        browser = site.browser()
        for _ in range(20):
            await browser.begin()
        newest = await browser.begin()
        assert len(browser.pending) == 4
        assert (await browser.get(await site.fake.consent(newest))).status_code == 303


async def test_any_process_ends_the_login_that_another_began() -> None:
    fake = FakeCloud66()
    one, other, stranger = web_login(fake), web_login(fake), web_login(fake, client_secret="another")
    async with one.lifespan(), other.lifespan(), stranger.lifespan():
        browser = Browser(make_app(one), fake)
        second, third = Browser(make_app(other), fake), Browser(make_app(stranger), fake)
        async with browser.http, second.http, third.http:
            callback = await fake.consent(await browser.begin())
            third.http.cookies = second.http.cookies = browser.http.cookies
            assert (await third.get(callback)).status_code == 400
            assert (await second.get(callback)).status_code == 303


# --- callbacks that are not right --------------------------------------------------------------------


WRONG: dict[str, Callable[[str], str]] = {
    "another state": lambda good: good.replace("state=", "state=x"),
    "no state": lambda good: good.replace("state=", "other="),
    "two states": lambda good: good + "&state=second",
    "two codes": lambda good: good + "&code=second",
    "nothing": lambda good: good.partition("?")[0],
    "no code": lambda good: good.replace("code=", "c="),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_callback_that_is_not_right_is_refused_before_anything_is_sent(wrong: str) -> None:
    async with a_site() as site:
        browser = site.browser()
        good = await site.fake.consent(await browser.begin())
        answer = await browser.get(WRONG[wrong](good))
        assert answer.status_code == 400
        assert "cannot be finished" in answer.text
        assert site.fake.calls("oauth.token") == 0
        assert browser.session is None


async def test_the_callback_of_another_browser_is_refused() -> None:
    async with a_site() as site:
        attacker, victim = site.browser(), site.browser()
        callback = await site.fake.consent(await attacker.begin())
        await victim.begin()
        answer = await victim.get(callback)
        assert answer.status_code == 400
        assert victim.session is None
        assert (await attacker.get(callback)).status_code == 303


async def test_a_wrong_state_leaves_the_login_usable() -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin())
        assert (await browser.get("/callback?code=planted&state=planted")).status_code == 400
        assert (await browser.get(callback)).status_code == 303


async def test_a_callback_is_good_once() -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin())
        assert (await browser.get(callback)).status_code == 303
        assert (await browser.get(callback)).status_code == 400
        assert site.fake.calls("oauth.token") == 1


async def test_a_head_request_does_not_use_the_code_up() -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin())
        assert (await browser.http.head(callback)).status_code == 405
        assert (await browser.get(callback)).status_code == 303


async def test_a_login_takes_ten_minutes_at_most() -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin())
        site.fake.clock.advance(601)
        assert (await browser.get(callback)).status_code == 400
        assert site.fake.calls("oauth.token") == 0


async def test_a_denial_is_told_and_no_token_is_asked_for() -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin(), decision="deny")
        answer = await browser.get(callback)
        assert answer.status_code == 403
        assert "Access was not granted" in answer.text
        assert site.fake.calls("oauth.token") == 0
        assert browser.pending == []


@pytest.mark.parametrize("trouble", ["refused", "broken", "dropped"])
async def test_a_token_that_does_not_come(trouble: str) -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin())
        faults = site.fake.faults
        match trouble:
            case "refused":
                faults.fail(400, operation="oauth.token", body=b'{"error": "invalid_grant"}')
            case "broken":
                faults.html(operation="oauth.token")
            case _:
                faults.drop(operation="oauth.token")
        answer = await browser.get(callback)
        assert answer.status_code == 502
        assert "Cloud 66 did not finish the login" in answer.text
        assert browser.session is None
        assert site.fake.calls("oauth.token") == 1


async def test_the_error_page_reflects_nothing_and_forbids_everything() -> None:
    async with a_site() as site:
        browser = site.browser()
        state = query(await browser.begin())["state"]
        parameters = {"error": "<b>bad", "error_description": "<script>alert(1)</script>", "state": state}
        answer = await browser.get("/callback", params=parameters)
        assert answer.status_code == 400
        assert "<b>" not in answer.text
        assert "script" not in answer.text
        assert state not in answer.text
        assert 'href="/login"' in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


# --- what the browser holds --------------------------------------------------------------------------


async def test_cookies_belong_to_this_host_alone_and_no_script_sees_them() -> None:
    async with a_site() as site:
        browser = site.browser()
        begun = await browser.get("/login")
        done = await browser.get(await site.fake.consent(begun.headers["location"]))
        for line in [*begun.headers.get_list("set-cookie"), *done.headers.get_list("set-cookie")]:
            assert line.startswith("__Host-cloud66_")
            attributes = {part.strip().lower() for part in line.split(";")[1:]}
            assert {"httponly", "secure", "samesite=lax", "path=/"} <= attributes
            assert not [item for item in attributes if item.startswith("domain")]


async def test_on_plain_http_the_cookies_have_plain_names() -> None:
    fake = FakeCloud66()
    login = web_login(fake, redirect_url="http://127.0.0.1:8000/callback")
    async with login.lifespan():
        browser = Browser(make_app(login), fake, "http://127.0.0.1:8000")
        async with browser.http:
            await browser.log_in()
            assert (await browser.get("/stacks")).status_code == 200
            assert [item.name for item in browser.http.cookies.jar] == ["cloud66_session"]


async def test_no_cookie_shows_a_token_a_state_or_a_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("secrets.token_urlsafe", remembering(seen))
    async with a_site() as site:
        browser = site.browser()
        begun = await browser.get("/login?next=/stacks")
        state = query(begun.headers["location"])["state"]
        assert state in seen
        done = await browser.get(await site.fake.consent(begun.headers["location"]))
        secrets = [*seen, site.newest_token.reveal(), "verifier"]
        secrets.remove(browser.session or "")  # it is one, and the one that the browser is to have
        for line in [*begun.headers.get_list("set-cookie"), *done.headers.get_list("set-cookie")]:
            value = line.partition("=")[2].partition(";")[0]
            shown = value.encode() + base64.urlsafe_b64decode(value.encode() + b"=" * (-len(value) % 4))
            assert not [secret for secret in secrets if secret.encode() in shown]


def remembering(seen: list[str]) -> object:
    import secrets

    original = secrets.token_urlsafe

    def token_urlsafe(size: int | None = None) -> str:
        seen.append(original(size))
        return seen[-1]

    return token_urlsafe


async def test_a_sealed_cookie_that_was_changed_is_refused() -> None:
    async with a_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.begin())
        cookie = next(item for item in browser.http.cookies.jar if item.name in browser.pending)
        assert cookie.value is not None
        cookie.value = cookie.value[:-6] + ("AAAA==" if not cookie.value.endswith("AAAA==") else "BBBB==")
        assert (await browser.get(callback)).status_code == 400


# --- sessions ----------------------------------------------------------------------------------------


async def test_each_login_gets_a_new_session_and_ends_the_old_one() -> None:
    async with a_site() as site:
        browser, thief = site.browser(), site.browser()
        planted = "planted-by-somebody"
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


async def test_a_session_ends_after_its_lifetime() -> None:
    async with a_site(lifetime=timedelta(hours=2)) as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.clock.advance(2 * HOURS - 1)
        assert (await browser.get("/api/stacks")).status_code == 200
        site.fake.clock.advance(1)
        assert (await browser.get("/api/stacks")).status_code == 401
        assert (await browser.get("/stacks")).status_code == 303


async def test_a_session_ends_no_later_than_its_token() -> None:
    async with a_site(FakeCloud66(profile=Profile(expires_in=600))) as site:
        browser = site.browser()
        done = await browser.log_in()
        assert "Max-Age=600;" in "".join(line for line in done.headers.get_list("set-cookie") if "session" in line)
        site.fake.clock.advance(600)
        before = site.fake.calls()
        assert (await browser.get("/api/stacks")).status_code == 401
        assert site.fake.calls() == before


async def test_logout_ends_the_session_for_good() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        kept = browser.session
        answer = await browser.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert browser.session is None
        browser.http.cookies.set("__Host-cloud66_session", kept or "", domain="dash.example", path="/")
        assert (await browser.get("/api/stacks")).status_code == 401
        assert site.fake.calls("oauth.revoke") == 0


async def test_logging_out_twice_is_no_error() -> None:
    async with a_site() as site:
        browser = site.browser()
        assert (await browser.post("/logout")).status_code == 303
        assert (await browser.post("/logout")).status_code == 303


async def test_logout_revokes_where_that_is_wanted() -> None:
    async with a_site(revoke_on_logout=True) as site:
        browser = site.browser()
        await browser.log_in()
        await browser.post("/logout")
        assert site.fake.tokens[-1].revoked


async def test_a_revocation_that_fails_does_not_keep_anybody_logged_in() -> None:
    async with a_site(revoke_on_logout=True) as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.faults.fail(500, operation="oauth.revoke", times=10)
        assert (await browser.post("/logout")).status_code == 303
        assert (await browser.get("/api/stacks")).status_code == 401


# --- other sites -------------------------------------------------------------------------------------


async def test_a_link_does_not_log_out() -> None:
    async with a_site() as site:
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
async def test_a_form_of_another_site_does_nothing(path: str, headers: dict[str, str]) -> None:
    async with a_site() as site:
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
async def test_a_form_of_this_site_works(headers: dict[str, str]) -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.post("/stacks", headers=headers)).status_code == 200
        assert (await browser.post("/api/stacks", headers=headers)).status_code == 200


async def test_a_page_of_another_site_may_link_here() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.get("/stacks", headers={"sec-fetch-site": "cross-site"})).status_code == 200


async def test_a_false_host_leads_nobody_astray() -> None:
    async with a_site() as site:
        browser = site.browser()
        headers = {"host": "evil.example"}
        assert (await browser.get("/stacks", headers=headers)).headers["location"] == "/login?next=%2Fstacks"
        begun = await browser.get("/login", headers=headers)
        assert query(begun.headers["location"])["redirect_uri"] == CALLBACK
        assert "evil" not in begun.headers["location"]


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
async def test_who_is_to_be_sent_elsewhere_or_in_circles_comes_home(target: str) -> None:
    async with a_site() as site:
        browser = site.browser()
        begun = await browser.get("/login", params={"next": target})
        done = await browser.get(await site.fake.consent(begun.headers["location"]))
        assert done.headers["location"] == "/"


async def test_after_a_form_whose_session_is_over_the_user_comes_home() -> None:
    async with a_site() as site:
        assert (await site.browser().post("/stacks")).headers["location"] == "/login"


# --- logs --------------------------------------------------------------------------------------------


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_site() as site:
        browser = site.browser()
        begun = await browser.begin()
        callback = await site.fake.consent(begun)
        await browser.get(callback)
        await browser.get("/stacks")
        site.fake.revoke(site.newest_token)
        await browser.get("/stacks")
        denied = await site.fake.consent(await browser.begin(), decision="deny")
        await browser.get(denied)
        ours = "\n".join(
            record.getMessage() for record in caplog.records if record.name.startswith(("cloud66_async", "uvicorn"))
        )
        assert "AccessDenied" in ours
        for secret in (query(begun)["state"], query(callback)["code"], query(denied)["state"], browser.session or "-"):
            assert secret not in ours
        assert site.newest_token.reveal() not in ours


def access_line(path: str) -> logging.LogRecord:
    form = '%s - "%s %s HTTP/%s" %d'
    arguments = ("127.0.0.1:5000", "GET", path, "1.1", 303)
    return logging.LogRecord("uvicorn.access", logging.INFO, __file__, 1, form, arguments, None)


async def test_the_access_log_shows_no_code(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("uvicorn.access")
    filters = list(logger.filters)
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with a_site():
        logger.handle(access_line("/callback?code=c0de&state=st4te"))
        logger.handle(access_line("/stacks?environment=qa"))
    assert caplog.messages == [
        '127.0.0.1:5000 - "GET /callback?(hidden) HTTP/1.1" 303',
        '127.0.0.1:5000 - "GET /stacks?environment=qa HTTP/1.1" 303',
    ]
    assert logger.filters == filters


def test_a_line_of_another_shape_is_left_alone() -> None:
    from cloud66_async.integrations.starlette.logs import CallbackFilter

    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%(path)s", ({"path": "/callback?code=c"},), None)
    assert CallbackFilter("/callback").filter(record)
    assert record.args == {"path": "/callback?code=c"}


def test_a_cookie_that_is_nonsense_is_a_state_mismatch() -> None:
    from starlette.requests import Request

    from cloud66_async.integrations.starlette.cookies import Cookies

    cookies = Cookies("secret", secure=False)
    for value in (b"", b"x", "é".encode(), b"gAAAAA=="):
        name = cookies._name("s").encode()
        scope = {"type": "http", "query_string": b"state=s", "headers": [(b"cookie", name + b"=" + value)]}
        with pytest.raises(StateMismatch):
            cookies.pending(Request(scope))
