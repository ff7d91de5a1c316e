"""Callbacks that arrive several times or ahead of the user, paths of the login, and logs, also with a real server."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from cloud66_async import ConfigError
from cloud66_async._http.library import httpx
from cloud66_async.integrations.starlette import MemorySessions
from cloud66_async.integrations.starlette.exchanges import SharedTasks
from cloud66_async.sandbox import FakeClock, FakeCloud66, ProviderSettings, SandboxServer

from .serving import served
from .site import ORIGIN, Browser, Site, make_app, open_site, web_login
from .test_logs import access_record

PREFETCHES = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Sec-Purpose": "prefetch; anonymous-client-ip"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    {"X-Purpose": "preview"},
]


@pytest.mark.parametrize("headers", PREFETCHES, ids=str)
async def test_prefetch_does_not_consume_the_code(headers: dict[str, str]) -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login())
        ahead = await browser.get(callback, headers=headers)
        assert ahead.status_code == 503
        assert ahead.headers["cache-control"] == "no-store"
        assert site.fake.calls("oauth.token") == 0
        assert (await browser.get(callback)).status_code == 303
        assert (await browser.get("/stacks")).status_code == 200


async def test_prefetch_does_not_start_a_login() -> None:
    async with open_site() as site:
        browser = site.browser()
        assert (await browser.get("/login", headers={"Sec-Purpose": "prefetch"})).status_code == 503
        assert browser.pending == []


async def test_concurrent_callbacks_share_one_exchange_and_one_session() -> None:
    fake = FakeCloud66(provider=ProviderSettings(revoke_on_reuse=True))
    async with open_site(fake) as site:
        browser = site.browser()
        callback = await fake.consent(await browser.start_login())
        requests = [browser.http.build_request("GET", callback) for _ in range(5)]
        responses = await asyncio.gather(*map(browser.http.send, requests))
        assert [response.status_code for response in responses] == [303] * 5
        assert fake.calls("oauth.token") == 1
        lines = [line for response in responses for line in response.headers.get_list("set-cookie")]
        # Without the attributes: the date in `expires` is that of the response.
        assert len({line.partition(";")[0] for line in lines}) == 2
        assert (await browser.get("/stacks")).status_code == 200


@asynccontextmanager
async def repeated_callback() -> AsyncGenerator[tuple[Site, Browser, Browser, str]]:
    """Log in, and yield the browser, one that still has the cookie of the pending login, and the callback."""
    fake = FakeCloud66(provider=ProviderSettings(revoke_on_reuse=True))
    async with open_site(fake) as site:
        browser, again = site.browser(), site.browser()
        callback = await fake.consent(await browser.start_login())
        again.http.cookies.update(browser.http.cookies)
        assert (await browser.get(callback)).status_code == 303
        yield site, browser, again, callback
        assert fake.calls("oauth.token") == 1


async def test_repeated_callback_leads_to_the_same_session() -> None:
    # A user who clicks twice sends both callbacks with the cookie of the pending login. The browser shows the second.
    async with repeated_callback() as (_, browser, again, callback):
        assert (await again.get(callback)).status_code == 303
        assert again.session == browser.session
        assert (await again.get("/stacks")).status_code == 200


async def test_callback_that_is_repeated_later_is_rejected() -> None:
    async with repeated_callback() as (site, browser, again, callback):
        site.fake.clock.advance(60)
        assert (await again.get(callback)).status_code == 400
        assert (await browser.get("/stacks")).status_code == 200


async def test_repeated_callback_with_another_code_is_rejected() -> None:
    # Only the browser that was logged in has the code. Another one may have the cookie: its user started the login,
    # and made the owner of the account finish it.
    async with repeated_callback() as (_, browser, again, callback):
        assert (await again.get(callback.replace("code=", "code=x"))).status_code == 400
        assert again.session is None
        assert (await browser.get("/stacks")).status_code == 200


async def test_repeated_callback_after_logout_is_rejected() -> None:
    async with repeated_callback() as (_, browser, again, callback):
        await browser.post("/logout")
        assert (await again.get(callback)).status_code == 400
        assert again.session is None


async def test_failed_exchange_is_not_repeated() -> None:
    async with open_site() as site:
        browser, again = site.browser(), site.browser()
        callback = await site.fake.consent(await browser.start_login())
        again.http.cookies.update(browser.http.cookies)
        site.fake.faults.drop(operation="oauth.token")
        responses = await asyncio.gather(browser.get(callback), again.get(callback))
        assert [response.status_code for response in responses] == [502, 502]
        again.http.cookies.update(browser.http.cookies)
        assert (await again.get(callback)).status_code == 400
        assert site.fake.calls("oauth.token") == 1


async def test_exchange_survives_the_cancellation_of_its_caller() -> None:
    exchanges: SharedTasks[str] = SharedTasks()
    release, calls = asyncio.Event(), 0

    async def exchange() -> str:
        nonlocal calls
        calls += 1
        await release.wait()
        return "token"

    first, second = (asyncio.create_task(exchanges.run("key", exchange)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert await second == "token"
    assert calls == 1


def test_concurrent_callbacks_at_a_server() -> None:
    clock = FakeClock(autojump=False, grace=20)
    fake = FakeCloud66(clock=clock, provider=ProviderSettings(revoke_on_reuse=True))
    fake.add_stack("web")
    with socket.socket() as listener, SandboxServer(fake) as server:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        login = web_login(fake, redirect_url=f"{url}/callback", transport=None, clock=None, url=server.url)
        with served(make_app(login), listener):
            asyncio.run(_double_click(fake, url))


async def _double_click(fake: FakeCloud66, url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as browser:
        started = await browser.get("/login")
        callback = await fake.consent(started.headers["location"])
        fake.faults.slow(1, operation="oauth.token")
        requests = [browser.build_request("GET", callback) for _ in range(3)]
        sending = asyncio.gather(*map(browser.send, requests))
        while not fake.clock.sleepers:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # until the other two have arrived, which nothing reports
        fake.clock.advance(1)
        responses = await sending
        assert [response.status_code for response in responses] == [303] * 3
        assert fake.calls("oauth.token") == 1
        assert [stack["name"] for stack in (await browser.get("/stacks")).json()] == ["web"]


# --- workers -----------------------------------------------------------------------------------------


async def test_workers_without_a_shared_store_show_an_error_page(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeCloud66()
    one, two = web_login(fake), web_login(fake)
    async with one.lifespan(), two.lifespan():
        first, second = Browser(make_app(one), fake), Browser(make_app(two), fake)
        async with first.http, second.http:
            second.http._cookies = first.http._cookies
            await first.log_in()
            page = await second.get("/stacks")
            assert page.status_code == 500
            assert "Your login was lost" in page.text
            assert page.headers["cache-control"] == "no-store"
            assert "shared store" in caplog.text
            assert fake.calls("oauth.token") == 1
            assert (await second.get("/stacks")).status_code == 303  # the user may try again


async def test_session_that_ended_is_not_lost() -> None:
    async with open_site() as site:
        browser, other = site.browser(), site.browser()
        await browser.log_in()
        other.http.cookies.update(browser.http.cookies)
        await browser.post("/logout")
        assert (await other.get("/stacks")).status_code == 303


async def test_old_session_that_is_not_in_the_store_leads_to_the_login() -> None:
    store = MemorySessions()
    async with open_site(sessions=store) as site:
        browser = site.browser()
        await browser.log_in()
        for key in list(store._sessions._entries):
            await store.delete(key)  # as after a restart
        site.fake.clock.advance(61)
        assert (await browser.get("/stacks")).status_code == 303


# --- paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login/", "/callback/?code=c&state=s"])
async def test_trailing_slash_does_not_redirect_to_a_forged_host(path: str) -> None:
    async with open_site() as site:
        response = await site.browser().get(path, headers={"host": "evil.example"})
        assert "evil" not in response.headers.get("location", "")
        assert response.status_code in (303, 400)


async def test_login_with_trailing_slashes() -> None:
    async with open_site() as site:
        browser = site.browser()
        callback = await site.fake.consent(await browser.start_login("/login/?next=/stacks"))
        done = await browser.get(callback.replace("/callback?", "/callback/?"))
        assert (done.status_code, done.headers["location"]) == (303, "/stacks")
        assert (await browser.post("/logout/", headers={"host": "evil.example"})).headers["location"] == "/"
        assert (await browser.get("/api/stacks")).status_code == 401


@pytest.mark.parametrize(
    ("root_path", "path", "expected"),
    [
        ("/tools", "/stacks", "/tools/login?next=%2Ftools%2Fstacks"),
        ("/sta", "/stacks", "/sta/login?next=%2Fsta%2Fstacks"),
        ("/tools/", "/stacks", "/tools/login?next=%2Ftools%2Fstacks"),
        ("/été", "/stacks", "/%C3%A9t%C3%A9/login?next=%2F%25C3%25A9t%25C3%25A9%2Fstacks"),
        ("//evil.example", "/stacks", "/login?next=%2Fstacks"),
    ],
)
async def test_root_path_is_compared_by_segment(root_path: str, path: str, expected: str) -> None:
    fake = FakeCloud66()
    login = web_login(fake, callback_path="/callback", redirect_url=f"{ORIGIN}/tools/callback")
    app = make_app(login)
    app.root_path = root_path
    async with login.lifespan():
        browser = Browser(app, fake)
        async with browser.http:
            assert (await browser.get(path)).headers["location"] == expected


@pytest.mark.parametrize(
    ("paths", "logged", "expected"),
    [
        (["/callback"], "/callback?code=c", "/callback?(hidden)"),
        (["/callback"], "/callback/?code=c", "/callback/?(hidden)"),
        (["/callback"], "//callback?code=c", "//callback?(hidden)"),
        (["/callback"], "/tools/callback?code=c", "/tools/callback?(hidden)"),
        (["/callback"], "/c%61llback?code=c", "/c%61llback?(hidden)"),
        (["/rück/kehr"], "/r%C3%BCck/kehr?code=c", "/r%C3%BCck/kehr?(hidden)"),
        (["/callback"], "/callback", "/callback"),
        (["/callback"], "/my-callback?page=2", "/my-callback?page=2"),
        (["/callback"], "/search?q=/callback?x", "/search?q=/callback?x"),
        (["/callback"], "/callbacks?page=2", "/callbacks?page=2"),
        (["/a/callback"], "/b/callback?page=2", "/b/callback?page=2"),
        (["/"], "/?code=c", "/?(hidden)"),
        (["/"], "/stacks?page=2", "/stacks?page=2"),
    ],
)
def test_access_log_compares_segments(paths: list[str], logged: str, expected: str) -> None:
    from cloud66_async.integrations.starlette.logs import redact_callbacks

    logger = logging.getLogger("uvicorn.access")
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment,method-assign]
    logger.addHandler(handler)
    try:
        with redact_callbacks(*paths):
            logger.handle(access_record(logged))
    finally:
        logger.removeHandler(handler)
    assert isinstance(records[0].args, tuple)
    assert records[0].args[2] == expected


async def test_current_rejects_unsafe_requests_of_other_sites() -> None:
    fake = FakeCloud66()
    login = web_login(fake)
    app = make_app(login)

    async def vote(request: Request) -> Response:
        return PlainTextResponse("anonymous" if await login.current(request) is None else "counted")

    app.router.routes.append(Route("/vote", vote, methods=["GET", "POST"]))
    async with login.lifespan():
        browser = Browser(app, fake)
        async with browser.http:
            await browser.log_in()
            for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "null"}):
                assert (await browser.post("/vote", headers=headers)).status_code == 403
                assert (await browser.get("/vote", headers=headers)).text == "counted"
            assert (await browser.post("/vote", headers={"origin": ORIGIN})).text == "counted"


@pytest.mark.parametrize("redirect_url", ["https://Dash.Example:443/callback", "https://dash.example/callback"])
async def test_origin_is_compared_as_browsers_write_it(redirect_url: str) -> None:
    async with open_site(redirect_url=redirect_url) as site:
        browser = site.browser()
        await browser.log_in()
        assert (await browser.post("/stacks", headers={"origin": ORIGIN})).status_code == 200


# --- mounted applications -----------------------------------------------------------------------------


async def test_error_for_a_mounted_application_without_a_lifespan() -> None:
    fake = FakeCloud66()
    outer = Starlette(routes=[Mount("/tools", app=make_app(web_login(fake, callback_path="/callback")))])
    browser = Browser(outer, fake)
    async with browser.http:
        with pytest.raises(ConfigError, match="lifespan of that one"):
            await browser.get("/tools/login")


async def test_error_for_a_callback_that_is_not_reachable() -> None:
    fake = FakeCloud66()
    login = web_login(fake, redirect_url=f"{ORIGIN}/tools/callback")
    async with login.lifespan():
        browser = Browser(Starlette(routes=[Mount("/tools", app=make_app(login))]), fake)
        async with browser.http:
            with pytest.raises(ConfigError, match="pass callback_path='/callback'"):
                await browser.get("/tools/login")


async def test_mount_with_a_parameter_does_not_redirect_to_another_host() -> None:
    fake = FakeCloud66()
    login = web_login(fake)
    async with login.lifespan():
        browser = Browser(FastAPI(routes=[Mount("/{tenant:path}/app", app=make_app(login))]), fake)
        async with browser.http:
            response = await browser.get(f"{ORIGIN}//evil.example/app/stacks")
            assert not response.headers.get("location", "").startswith("//")
