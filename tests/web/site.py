"""A small web application whose users log in to a sandbox, and browsers that visit it, without a network."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, FastAPI

from cloud66_async import Cloud66, Stack
from cloud66_async._http.library import httpx
from cloud66_async.integrations.starlette import WebLogin
from cloud66_async.sandbox import FakeCloud66
from cloud66_async.token import Token

ORIGIN = "https://dash.example"
CALLBACK = f"{ORIGIN}/callback"
SECRET = "the-client-secret"  # does not need the format of a real one


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def web_login(fake: FakeCloud66, **options: Any) -> WebLogin:
    redirect_url = options.setdefault("redirect_url", CALLBACK)
    application = fake.add_application("Dash", client_secret=SECRET, redirect_urls=[redirect_url])
    settings: dict[str, Any] = {
        "client_id": application.client_id,
        "client_secret": SECRET,
        "scope": ["public", "redeploy"],
        "transport": fake.transport(),
        "clock": options.get("clock") or fake.clock,
    }
    return WebLogin(**(settings | options))


def make_app(login: WebLogin) -> FastAPI:
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)

    @app.get("/")
    async def home() -> str:
        return "home"

    async def page(c66: Annotated[Cloud66, Depends(login.for_page)]) -> list[Stack]:
        return await c66.stacks.list()

    async def many(c66: Annotated[Cloud66, Depends(login.for_page)]) -> list[Stack]:
        return list(await c66.stacks.get_many(["one", "two"], batch=False))

    async def group(c66: Annotated[Cloud66, Depends(login.for_page)]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(c66.stacks.get("one"))
            tasks.create_task(c66.stacks.get("two"))

    async def api(c66: Annotated[Cloud66, Depends(login.for_api)]) -> list[Stack]:
        return await c66.stacks.list()

    app.get("/stacks")(page)
    app.post("/stacks")(page)
    app.get("/many")(many)
    app.get("/group")(group)
    app.get("/api/stacks")(api)
    app.post("/api/stacks")(api)
    return app


class Browser:
    """HTTP client that stores cookies and does not follow redirects."""

    def __init__(self, app: Any, fake: FakeCloud66, origin: str = ORIGIN) -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=origin)
        self.fake = fake

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.post(path, **options)

    async def start_login(self, path: str = "/login") -> str:
        """Return the URL of the consent page."""
        response = await self.get(path)
        assert response.status_code == 303, response.text
        return str(response.headers["location"])

    async def log_in(self, path: str = "/login", *, user: str | None = None) -> httpx.Response:
        """Log in and return the response of the callback."""
        return await self.get(await self.fake.consent(await self.start_login(path), user=user))

    @property
    def session(self) -> str | None:
        """The value of the session cookie."""
        return next((item.value for item in self.http.cookies.jar if item.name.endswith("cloud66_session")), None)

    @property
    def pending(self) -> list[str]:
        """The names of the cookies of pending logins."""
        return [item.name for item in self.http.cookies.jar if "cloud66_login" in item.name]


class Site:
    """The application and its sandbox."""

    def __init__(self, fake: FakeCloud66, login: WebLogin, app: Any, browsers: list[Browser]) -> None:
        self.fake = fake
        self.login = login
        self.app = app
        self._browsers = browsers

    def browser(self) -> Browser:
        browser = Browser(self.app, self.fake)
        self._browsers.append(browser)
        return browser

    @property
    def newest_token(self) -> Token:
        return self.fake.tokens[-1].token


@asynccontextmanager
async def open_site(fake: FakeCloud66 | None = None, **options: Any) -> AsyncGenerator[Site]:
    fake = fake or FakeCloud66()
    login = web_login(fake, **options)
    browsers: list[Browser] = []
    async with login.lifespan():
        try:
            yield Site(fake, login, make_app(login), browsers)
        finally:
            for browser in browsers:
                await browser.http.aclose()
