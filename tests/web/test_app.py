"""Becoming part of an application: lifespans, mounts, plain Starlette, pages of one's own."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Message

from cloud66_async import ConfigError
from cloud66_async.integrations.starlette import ModelResponse, Problem, WebLogin
from cloud66_async.sandbox import FakeCloud66

from .site import CALLBACK, Browser, a_site, make_app, web_login


async def run_lifespan(app: FastAPI | Starlette) -> list[str]:
    """What a server hears when it starts and stops the application."""
    sent: list[str] = []
    incoming: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "state": {}}, receive, send)
    return sent


async def test_the_lifespan_of_an_application() -> None:
    login = web_login(FakeCloud66())
    app = FastAPI(lifespan=login.lifespan)
    assert await run_lifespan(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    # As test suites do with one application and many tests.
    assert await run_lifespan(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_the_lifespan_inside_of_another() -> None:
    login = web_login(FakeCloud66())
    heard: list[object] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        async with login.lifespan():
            heard.append(login.cloud66)
            yield {"mine": "too"}

    assert await run_lifespan(FastAPI(lifespan=lifespan)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(heard) == 1


async def test_one_client_for_the_whole_process() -> None:
    async with a_site() as site:
        assert site.login.cloud66 is site.login.cloud66
        with pytest.raises(ConfigError, match="open already"):
            async with site.login.lifespan():
                pass
        assert site.login.cloud66 is not None


async def test_outside_of_the_lifespan_there_is_no_client() -> None:
    login = web_login(FakeCloud66())
    with pytest.raises(ConfigError, match="lifespan"):
        _ = login.cloud66
    async with login.lifespan():
        client = login.cloud66
    with pytest.raises(ConfigError, match="lifespan"):
        _ = login.cloud66
    with pytest.raises(ConfigError, match="closed"):
        await client.using(token="t").stacks.list()


async def test_the_shared_client_has_no_user() -> None:
    async with a_site() as site:
        await site.browser().log_in()
        with pytest.raises(ConfigError):
            await site.login.cloud66.stacks.list()


@pytest.mark.parametrize("redirect_url", ["/callback", "callback", "urn:ietf:wg:oauth:2.0:oob", "myapp://callback", ""])
def test_a_redirect_url_that_no_browser_comes_back_to(redirect_url: str) -> None:
    with pytest.raises(ConfigError, match="redirect URL"):
        WebLogin(client_id="c", client_secret="s", redirect_url=redirect_url)


async def test_an_application_that_is_mounted_somewhere() -> None:
    fake = FakeCloud66()
    callback = "https://dash.example/tools/callback"
    login = web_login(fake, redirect_url=callback, callback_path="/callback")
    async with login.lifespan():
        browser = Browser(Starlette(routes=[Mount("/tools", app=make_app(login))]), fake)
        async with browser.http:
            asked = await browser.get("/tools/stacks?a=b")
            assert asked.headers["location"] == "/tools/login?next=%2Ftools%2Fstacks%3Fa%3Db"
            done = await browser.log_in(asked.headers["location"])
            assert done.headers["location"] == "/tools/stacks?a=b"
            assert (await browser.get("/tools/stacks")).status_code == 200
            circle = await browser.log_in("/tools/login?next=/tools/login")
            assert circle.headers["location"] == "/tools/"
            assert 'href="/tools/login"' in (await browser.get("/tools/callback")).text
            assert (await browser.post("/tools/logout")).headers["location"] == "/tools/"


async def test_behind_a_proxy_that_takes_a_prefix_away() -> None:
    fake = FakeCloud66()
    login = web_login(fake, redirect_url="https://dash.example/tools/callback", callback_path="/callback")
    app = make_app(login)
    app.root_path = "/tools"
    async with login.lifespan():
        browser = Browser(app, fake)
        async with browser.http:
            assert (await browser.get("/stacks")).headers["location"] == "/tools/login?next=%2Ftools%2Fstacks"


async def test_plain_starlette() -> None:
    fake = FakeCloud66()
    fake.add_stack("web")
    login = web_login(fake, login_path="/in", logout_path="/out", home="/home")

    async def stacks(request: Request) -> Response:
        c66 = await login.for_page(request)
        return ModelResponse(await c66.stacks.list())

    async def start(request: Request) -> Response:
        return PlainTextResponse("nobody" if await login.current(request) is None else "somebody")

    app = Starlette(
        routes=[Route("/stacks", stacks), Route("/", start), *login.routes],
        exception_handlers=login.exception_handlers,
        lifespan=login.lifespan,
    )
    async with login.lifespan():
        browser = Browser(app, fake)
        async with browser.http:
            assert (await browser.get("/")).text == "nobody"
            asked = await browser.get("/stacks")
            assert (asked.status_code, asked.headers["location"]) == (303, "/in?next=%2Fstacks")
            assert (await browser.log_in("/in")).headers["location"] == "/home"
            assert (await browser.get("/")).text == "somebody"
            assert (await browser.get("/stacks")).json()[0]["name"] == "web"
            fake.revoke(fake.tokens[-1].token)
            assert (await browser.get("/stacks")).headers["location"] == "/in?next=%2Fstacks"
            assert (await browser.post("/out")).headers["location"] == "/home"


async def test_an_error_page_of_ones_own_is_not_stored_either() -> None:
    def page(_request: Request, problem: Problem) -> Response:
        return PlainTextResponse(f"{problem.title}: {problem.login}", problem.status)

    async with a_site(error_page=page) as site:
        answer = await site.browser().get("/callback?code=c&state=s")
        assert (answer.status_code, answer.text) == (400, "This login cannot be finished: /login")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"


async def test_a_public_application_has_no_secret() -> None:
    fake = FakeCloud66()
    fake.add_application("Dash", client_id="public", client_secret="", redirect_urls=[CALLBACK])
    login = WebLogin(
        client_id="public", client_secret=None, redirect_url=CALLBACK, transport=fake.transport(), clock=fake.clock
    )
    async with login.lifespan():
        browser = Browser(make_app(login), fake)
        async with browser.http:
            assert (await browser.log_in()).status_code == 303


def test_without_the_extra_the_import_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['starlette'] = None\n"
        "try:\n    import cloud66_async.integrations.starlette\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "cloud66-async[starlette]" in done.stdout
