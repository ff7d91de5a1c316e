"""Callbacks that are rejected, logins that fail, and the page that explains it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from .site import open_site, query

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


@pytest.mark.parametrize("issuer", ["https://evil.example", "http://app.cloud66.com", ""])
async def test_callback_of_another_server_is_rejected(issuer: str) -> None:
    async with open_site() as site:
        browser = site.browser()
        for decision in ("authorize", "deny"):
            callback = await site.fake.consent(await browser.start_login(), decision=decision)
            response = await browser.get(f"{callback}&iss={quote(issuer, safe='')}")
            assert response.status_code == 400
            assert "cannot be finished" in response.text
            assert browser.session is None
            assert browser.pending == []
        assert site.fake.calls("oauth.token") == 0


async def test_issuer_of_the_server_is_accepted() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(started := await browser.start_login())
        issuer = started.partition("/oauth/")[0]
        assert (await browser.get(f"{callback}&iss={quote(issuer, safe='')}")).status_code == 303
        assert browser.session is not None


async def test_callback_must_name_the_expected_issuer() -> None:
    async with open_site(expected_issuer="https://login.example") as site:
        browser = site.browser()
        for issuer in ("", "&iss=https%3A%2F%2Flogin.example%2F", "&iss=https%3A%2F%2Fapp.cloud66.com"):
            callback = await site.fake.consent(await browser.start_login())
            assert (await browser.get(callback + issuer)).status_code == 400
        assert site.fake.calls("oauth.token") == 0
        callback = await site.fake.consent(await browser.start_login())
        assert (await browser.get(f"{callback}&iss=https%3A%2F%2Flogin.example")).status_code == 303


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
