"""The end of a session: lifetime, a new login, logout and revocation."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, ProviderSettings

from .site import open_site

HOURS = 3600


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


async def test_logging_out_twice() -> None:
    async with open_site() as site:
        browser = site.browser()
        assert (await browser.post("/logout")).status_code == 303
        assert (await browser.post("/logout")).status_code == 303


async def test_logout_revokes_the_token(caplog: pytest.LogCaptureFixture) -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        await browser.post("/logout")
        assert site.fake.tokens[-1].revoked
        await browser.post("/logout")
        assert site.fake.calls("oauth.revoke") == 1
    assert "not revoked" not in caplog.text


async def test_logout_can_leave_the_token_valid() -> None:
    async with open_site(revoke_on_logout=False) as site:
        browser = site.browser()
        await browser.log_in()
        await browser.post("/logout")
        assert not site.fake.tokens[-1].revoked
        assert site.fake.calls("oauth.revoke") == 0


@pytest.mark.parametrize("fault", ["fails", "missing", "dropped", "slow"])
async def test_logout_ends_the_session_if_the_revocation_fails(
    fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud66_async.integrations.starlette.endpoints._REVOCATION_TIMEOUT", 0.2)
    clock = SystemClock()
    async with open_site(FakeCloud66(clock=clock), clock=clock) as site:
        browser = site.browser()
        await browser.log_in()
        token, old, faults = site.newest_token.reveal(), browser.session, site.fake.faults
        match fault:
            case "fails":
                body = f'{{"error": "x", "error_description": "no application owns {token}"}}'
                faults.fail(500, operation="oauth.revoke", times=10, body=body.encode())
            case "missing":
                faults.fail(404, operation="oauth.revoke", times=10)
            case "dropped":
                faults.drop(operation="oauth.revoke", times=10)
            case _:
                faults.slow(20, operation="oauth.revoke", times=10)
        response = await browser.post("/logout")
        assert (response.status_code, response.headers["location"]) == (303, "/")
        assert browser.session is None
        browser.http.cookies.set("__Host-cloud66_session", old or "", domain="dash.example", path="/")
        assert (await browser.get("/api/stacks")).status_code == 401
    [record] = [record for record in caplog.records if "not revoked at logout" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert token not in caplog.text


async def test_link_does_not_log_out() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.get("/logout")).status_code == 405
        assert (await browser.get("/api/stacks")).status_code == 200
