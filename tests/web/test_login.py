"""The web login, without a real browser."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async.sandbox import FakeCloud66

from .site import CALLBACK, ORIGIN, Browser, make_app, open_site, query, web_login


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
