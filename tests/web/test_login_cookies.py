"""The cookies of a login: their attributes and their content."""

from __future__ import annotations

import base64

import pytest

from cloud66_async import Secret, StateMismatch
from cloud66_async.sandbox import FakeCloud66

from .site import Browser, make_app, open_site, query, web_login


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


def test_invalid_cookie_is_a_state_mismatch() -> None:
    from starlette.requests import Request

    from cloud66_async.integrations.starlette.cookies import Cookies

    cookies = Cookies(Secret("secret"), secure=False)
    for value in (b"", b"x", "é".encode(), b"gAAAAA=="):
        name = cookies._slots[0].encode()
        scope = {"type": "http", "query_string": b"state=s", "headers": [(b"cookie", name + b"=" + value)]}
        with pytest.raises(StateMismatch):
            cookies.pending_login(Request(scope))
