"""Refusal of a logged-in user's token by Cloud 66."""

from __future__ import annotations

import pytest

from cloud66_async import BulkError
from cloud66_async.sandbox import FakeCloud66

from .site import open_site


async def test_revoked_token_leads_to_a_new_login_and_back_to_the_page() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        refused = await browser.get("/stacks?environment=qa")
        assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Fstacks%3Fenvironment%3Dqa")
        done = await browser.log_in(refused.headers["location"])
        assert done.headers["location"] == "/stacks?environment=qa"
        assert (await browser.get("/stacks?environment=qa")).status_code == 200


async def test_revoked_token_ends_the_session() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        await browser.get("/stacks")
        before = site.fake.calls()
        assert (await browser.get("/api/stacks")).json() == {"detail": "Not logged in"}
        assert site.fake.calls() == before


async def test_refusal_right_after_a_new_login_shows_an_error_page() -> None:
    async with open_site() as site:
        browser = site.browser()
        for expected in ("login", "page", "login", "page"):
            await browser.log_in()
            site.fake.revoke(site.newest_token)
            response = await browser.get("/stacks")
            if expected == "login":
                assert response.status_code == 303
            else:
                assert response.status_code == 403
                assert "refuses this login" in response.text
                assert "set-cookie" in response.headers  # the next refusal leads to a login again


async def test_refusal_is_remembered_for_one_minute() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        response = await browser.get("/stacks")
        cookie = next(line for line in response.headers.get_list("set-cookie") if "refused" in line)
        assert "Max-Age=60;" in cookie


async def test_api_responds_with_401() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        for detail in ("No longer logged in", "Not logged in"):
            response = await browser.get("/api/stacks")
            assert (response.status_code, response.json()) == (401, {"detail": detail})
            assert "www-authenticate" in response.headers


async def test_refusal_among_many_calls() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        assert (await browser.get("/many")).headers["location"] == "/login?next=%2Fmany"


async def test_refusal_in_a_task_group() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        assert (await browser.get("/group")).headers["location"] == "/login?next=%2Fgroup"


async def test_other_errors_in_a_task_group_propagate_unchanged() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        with pytest.raises(ExceptionGroup, match="TaskGroup"):
            await browser.get("/group")


async def test_other_errors_among_many_calls_propagate_unchanged() -> None:
    async with open_site() as site:
        browser = site.browser()
        await browser.log_in()
        with pytest.raises(BulkError, match="2 of 2"):
            await browser.get("/many")


async def test_refusal_does_not_end_a_newer_login_of_another_tab() -> None:
    fake = FakeCloud66()
    async with open_site(fake) as site:
        browser, slow_tab = site.browser(), site.browser()
        await browser.log_in()
        slow_tab.http.cookies = browser.http.cookies
        old = {"cookie": f"__Host-cloud66_session={browser.session}"}
        fake.revoke(site.newest_token)
        await browser.log_in()
        # The slow tab sent its request with the old session, and receives the response after the new login.
        slow = await slow_tab.http.get("/stacks", headers=old)
        assert slow.status_code == 303
        assert not [line for line in slow.headers.get_list("set-cookie") if "cloud66_session" in line]
        assert (await browser.get("/stacks")).status_code == 200
