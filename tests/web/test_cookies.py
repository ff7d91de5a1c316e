"""Cookies as browsers send them: planted names, many tabs, and the size of the Cookie header."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from cloud66_async.integrations.starlette.cookies import read_cookies
from cloud66_async.sandbox import FakeCloud66

from .site import Browser, Site, make_app, open_site, web_login

# Servers accept about 8 KB of headers, and the application has cookies of its own.
HEADER_LIMIT = 7_000


def header(browser: Browser) -> str:
    """Return the Cookie header that a browser sends."""
    return "; ".join(f"{item.name}={item.value}" for item in browser.http.cookies.jar)


async def session_cookie(site: Site, user: str) -> str:
    browser = site.browser()
    done = await browser.log_in(user=user)
    found = re.search(r"__Host-cloud66_session=[^;]+", str(done.headers.get_list("set-cookie")))
    assert found is not None
    return found[0]


async def names(site: Site, cookie: bytes) -> list[str]:
    """Return the names of the stacks that a browser with this Cookie header sees, or the status."""
    response = await site.browser().get("/api/stacks", headers=[(b"cookie", cookie)])
    return [stack["name"] for stack in response.json()] if response.status_code == 200 else [str(response.status_code)]


@pytest.mark.parametrize("prefix", [b"\xa0", b"\x85", b"\x1c", b"\x1f", b"\x0b", b"\x0c", b'"', b"=", b"\xe2\x80\x8b"])
async def test_planted_session_is_ignored(prefix: bytes) -> None:
    fake = FakeCloud66()
    fake.add_user("alan@example.com", accounts=[2])
    fake.add_stack("adas")
    fake.add_stack("alans", account=2)
    async with open_site(fake) as site:
        own, planted = [(await session_cookie(site, user)).encode() for user in ("ada@example.com", "alan@example.com")]
        assert await names(site, own) == ["adas"]
        assert await names(site, own + b"; " + prefix + planted) == ["adas"]
        assert await names(site, prefix + planted + b"; " + own) == ["adas"]
        assert await names(site, prefix + planted) == ["401"]
        assert await names(site, planted.replace(b"__Host-", b"__host-")) == ["401"]
        # A cookie without a name looks like this one, so neither can be trusted.
        assert await names(site, planted + b"; " + own) == ["401"]


@pytest.mark.parametrize("prefix", [b"\xa0", b"\x85"])
async def test_planted_pending_login_is_ignored(prefix: bytes) -> None:
    async with open_site() as site:
        attacker, victim = site.browser(), site.browser()
        callback = await site.fake.consent(await attacker.start_login())
        planted = prefix + header(attacker).encode()
        response = await victim.get(callback, headers=[(b"cookie", planted)])
        assert response.status_code == 400
        assert site.fake.calls("oauth.token") == 0


async def test_several_different_session_cookies_do_not_cause_a_redirect_loop() -> None:
    async with open_site() as site:
        own = await session_cookie(site, "ada@example.com")
        headers = [(b"cookie", f"{own}; __Host-cloud66_session=planted".encode())]
        response = await site.browser().get("/stacks", headers=headers)
        assert response.status_code == 500
        assert "Your login was lost" in response.text


@pytest.mark.parametrize("target", ["/stacks", "/stacks?filter=" + "x" * 150, "/stacks?filter=" + "x" * 980])
@pytest.mark.parametrize("tabs", [20, 60])
async def test_many_tabs_that_start_together_do_not_lock_the_user_out(tabs: int, target: str) -> None:
    async with open_site() as site:
        browser = site.browser()
        # As when a browser restores its tabs: it sends every request before it receives the first response.
        requests = [
            browser.http.build_request("GET", "/login", params={"next": f"{target}{tab}"}) for tab in range(tabs)
        ]
        started = await asyncio.gather(*map(browser.http.send, requests))
        assert len(header(browser)) < HEADER_LIMIT
        done = await browser.get(await site.fake.consent(started[-1].headers["location"]))
        assert (done.status_code, done.headers["location"]) == (303, f"{target}{tabs - 1}")


async def test_large_pending_logins_are_limited_in_size() -> None:
    async with open_site() as site:
        browser = site.browser()
        started = await browser.get("/login")
        for tab in range(12):
            started = await browser.get("/login", params={"next": "/stacks?filter=" + "x" * (tab * 80)})
            assert len(header(browser)) < 5_000
        assert (await browser.get(await site.fake.consent(started.headers["location"]))).status_code == 303


async def test_oldest_pending_login_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    async with open_site() as site:
        browser = site.browser()
        started: list[str] = []
        for _ in range(7):
            started.append(await browser.start_login())
            now += 1
        statuses = [(await browser.get(await site.fake.consent(url))).status_code for url in started]
        assert statuses == [400, 400, 400, 303, 303, 303, 303]


async def test_workers_do_not_overwrite_each_others_logins() -> None:
    fake = FakeCloud66()
    one, two = web_login(fake), web_login(fake)
    async with one.lifespan(), two.lifespan():
        first, second = Browser(make_app(one), fake), Browser(make_app(two), fake)
        async with first.http, second.http:
            second.http._cookies = first.http._cookies
            started = [await browser.start_login() for browser in (first, second) * 2]
            for browser, url in zip((second, first) * 2, started, strict=True):
                assert (await browser.get(await fake.consent(url))).status_code == 303


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"a=1; b=2"], {"a": "1", "b": "2"}),
        ([b"a=1", b"b=2"], {"a": "1", "b": "2"}),
        ([b'a="1="; b='], {"a": "1=", "b": ""}),
        ([b"a=1; a=1"], {"a": "1"}),
        ([b"a=1; a=2; a=1"], {"a": None}),
        ([b"a; =1; \xa0a=2;;"], {"": "1", "\xa0a": "2"}),
        ([b"a=b=c"], {"a": "b=c"}),
        ([], {}),
    ],
)
def test_reading_of_cookie_headers(lines: list[bytes], expected: dict[str, str | None]) -> None:
    from starlette.requests import HTTPConnection

    scope: dict[str, Any] = {"type": "http", "headers": [(b"cookie", line) for line in lines]}
    assert read_cookies(HTTPConnection(scope)) == expected
