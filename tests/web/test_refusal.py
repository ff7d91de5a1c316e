"""What happens when Cloud 66 refuses the token of a user who is logged in."""

from __future__ import annotations

import pytest

from cloud66_async import BulkError
from cloud66_async.sandbox import FakeCloud66

from .site import a_site


async def test_a_revoked_token_leads_to_a_fresh_login_and_back_to_the_page() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        refused = await browser.get("/stacks?environment=qa")
        assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Fstacks%3Fenvironment%3Dqa")
        done = await browser.log_in(refused.headers["location"])
        assert done.headers["location"] == "/stacks?environment=qa"
        assert (await browser.get("/stacks?environment=qa")).status_code == 200


async def test_the_session_of_a_revoked_token_is_over() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        await browser.get("/stacks")
        before = site.fake.calls()
        assert (await browser.get("/api/stacks")).json() == {"detail": "not logged in"}
        assert site.fake.calls() == before


async def test_a_refusal_right_after_the_fresh_login_ends_the_round() -> None:
    async with a_site() as site:
        browser = site.browser()
        for turn in ("login", "page", "login", "page"):
            await browser.log_in()
            site.fake.revoke(site.newest_token)
            answer = await browser.get("/stacks")
            if turn == "login":
                assert answer.status_code == 303
            else:
                assert answer.status_code == 403
                assert "refuses this login" in answer.text
                assert "set-cookie" in answer.headers  # the next round begins from the start


async def test_the_round_is_counted_for_a_minute_only() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        answer = await browser.get("/stacks")
        mark = next(line for line in answer.headers.get_list("set-cookie") if "refused" in line)
        assert "Max-Age=60;" in mark


async def test_the_api_says_401_and_redirects_nobody() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        for detail in ("not logged in any more", "not logged in"):
            answer = await browser.get("/api/stacks")
            assert (answer.status_code, answer.json()) == (401, {"detail": detail})
            assert "www-authenticate" in answer.headers


async def test_one_refusal_among_many_calls_counts_too() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        assert (await browser.get("/many")).headers["location"] == "/login?next=%2Fmany"


async def test_one_refusal_in_a_task_group_counts_too() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        site.fake.revoke(site.newest_token)
        assert (await browser.get("/group")).headers["location"] == "/login?next=%2Fgroup"


async def test_other_failures_in_a_task_group_stay_what_they_are() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        with pytest.raises(ExceptionGroup, match="TaskGroup"):
            await browser.get("/group")


async def test_other_failures_of_many_calls_stay_what_they_are() -> None:
    async with a_site() as site:
        browser = site.browser()
        await browser.log_in()
        with pytest.raises(BulkError, match="2 of 2"):
            await browser.get("/many")


async def test_another_tab_that_has_logged_in_meanwhile_stays_so() -> None:
    fake = FakeCloud66()
    async with a_site(fake) as site:
        browser, slow_tab = site.browser(), site.browser()
        await browser.log_in()
        slow_tab.http.cookies = browser.http.cookies
        old = {"cookie": f"__Host-cloud66_session={browser.session}"}
        fake.revoke(site.newest_token)
        await browser.log_in()
        # The request of the slow tab left with the old session; its answer comes after the new login.
        slow = await slow_tab.http.get("/stacks", headers=old)
        assert slow.status_code == 303
        assert not [line for line in slow.headers.get_list("set-cookie") if "cloud66_session" in line]
        assert (await browser.get("/stacks")).status_code == 200
