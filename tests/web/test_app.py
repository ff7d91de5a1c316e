"""Installation in an application: lifespans, mounts, plain Starlette, custom error pages."""

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

from .site import CALLBACK, Browser, make_app, open_site, web_login


async def run_lifespan(app: FastAPI | Starlette) -> list[str]:
    """Start and stop the application as a server does, and return the messages that it sends."""
    sent: list[str] = []
    incoming: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "state": {}}, receive, send)
    return sent


async def test_lifespan_of_an_application() -> None:
    login = web_login(FakeCloud66())
    app = FastAPI(lifespan=login.lifespan)
    assert await run_lifespan(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    # Again, as in test suites with one application and many tests.
    assert await run_lifespan(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_lifespan_within_another() -> None:
    login = web_login(FakeCloud66())
    clients: list[object] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        async with login.lifespan():
            clients.append(login.cloud66)
            yield {"key": "value"}

    assert await run_lifespan(FastAPI(lifespan=lifespan)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(clients) == 1


async def test_one_client_for_the_whole_process() -> None:
    async with open_site() as site:
        assert site.login.cloud66 is site.login.cloud66
        with pytest.raises(ConfigError, match="already open"):
            async with site.login.lifespan():
                pass
        assert site.login.cloud66 is not None


async def test_no_client_outside_the_lifespan() -> None:
    login = web_login(FakeCloud66())
    with pytest.raises(ConfigError, match="lifespan"):
        _ = login.cloud66
    async with login.lifespan():
        client = login.cloud66
    with pytest.raises(ConfigError, match="lifespan"):
        _ = login.cloud66
    with pytest.raises(ConfigError, match="closed"):
        await client.using(token="t").stacks.list()


async def test_shared_client_has_no_token() -> None:
    async with open_site() as site:
        await site.browser().log_in()
        with pytest.raises(ConfigError):
            await site.login.cloud66.stacks.list()


@pytest.mark.parametrize("redirect_url", ["/callback", "callback", "urn:ietf:wg:oauth:2.0:oob", "myapp://callback", ""])
def test_invalid_redirect_url(redirect_url: str) -> None:
    with pytest.raises(ConfigError, match="redirect URL"):
        WebLogin(client_id="c", client_secret="s", redirect_url=redirect_url)


async def test_mounted_application() -> None:
    fake = FakeCloud66()
    callback = "https://dash.example/tools/callback"
    login = web_login(fake, redirect_url=callback, callback_path="/callback")
    async with login.lifespan():
        browser = Browser(Starlette(routes=[Mount("/tools", app=make_app(login))]), fake)
        async with browser.http:
            redirected = await browser.get("/tools/stacks?a=b")
            assert redirected.headers["location"] == "/tools/login?next=%2Ftools%2Fstacks%3Fa%3Db"
            done = await browser.log_in(redirected.headers["location"])
            assert done.headers["location"] == "/tools/stacks?a=b"
            assert (await browser.get("/tools/stacks")).status_code == 200
            own_page = await browser.log_in("/tools/login?next=/tools/login")
            assert own_page.headers["location"] == "/tools/"
            assert 'href="/tools/login"' in (await browser.get("/tools/callback")).text
            assert (await browser.post("/tools/logout")).headers["location"] == "/tools/"


async def test_proxy_that_removes_a_prefix() -> None:
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
        return PlainTextResponse("logged out" if await login.current(request) is None else "logged in")

    app = Starlette(
        routes=[Route("/stacks", stacks), Route("/", start), *login.routes],
        exception_handlers=login.exception_handlers,
        lifespan=login.lifespan,
    )
    async with login.lifespan():
        browser = Browser(app, fake)
        async with browser.http:
            assert (await browser.get("/")).text == "logged out"
            redirected = await browser.get("/stacks")
            assert (redirected.status_code, redirected.headers["location"]) == (303, "/in?next=%2Fstacks")
            assert (await browser.log_in("/in")).headers["location"] == "/home"
            assert (await browser.get("/")).text == "logged in"
            assert (await browser.get("/stacks")).json()[0]["name"] == "web"
            fake.revoke(fake.tokens[-1].token)
            assert (await browser.get("/stacks")).headers["location"] == "/in?next=%2Fstacks"
            assert (await browser.post("/out")).headers["location"] == "/home"


async def test_custom_error_page_is_not_cached() -> None:
    def page(_request: Request, problem: Problem) -> Response:
        return PlainTextResponse(f"{problem.title}: {problem.login_url}", problem.status)

    async with open_site(error_page=page) as site:
        response = await site.browser().get("/callback?code=c&state=s")
        assert (response.status_code, response.text) == (400, "This login cannot be finished: /login")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"


async def test_public_application_without_a_secret() -> None:
    fake = FakeCloud66()
    fake.add_application("Dash", client_id="public", client_secret="", redirect_urls=[CALLBACK])
    login = WebLogin(
        client_id="public", client_secret=None, redirect_url=CALLBACK, transport=fake.transport(), clock=fake.clock
    )
    async with login.lifespan():
        browser = Browser(make_app(login), fake)
        async with browser.http:
            assert (await browser.log_in()).status_code == 303


def test_import_without_the_extra_tells_what_to_install() -> None:
    program = (
        "import sys; sys.modules['starlette'] = None\n"
        "try:\n    import cloud66_async.integrations.starlette\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "cloud66-async[starlette]" in done.stdout
