"""The web login with third-party servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.integrations.starlette import WebLogin

from ..web.site import make_app
from .browser import Browser
from .conftest import REDIRECT
from .provider import Provider, secret_of

pytestmark = pytest.mark.slow


class Visitor:
    """A user with two browser windows: one with the application, one with the consent page."""

    def __init__(self, app: Any, name: str) -> None:
        self.site = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url=REDIRECT.removesuffix("/callback")
        )
        self.browser = Browser(name)

    async def log_in(self, path: str = "/login", *, deny: bool = False) -> httpx.Response:
        """Log in and return the response of the callback."""
        started = await self.site.get(path)
        assert started.status_code == 303
        decide = self.browser.deny if deny else self.browser.consent
        return await self.site.get((await decide(started.headers["location"])).url)

    async def names(self) -> list[str]:
        response = await self.site.get("/api/stacks")
        assert response.status_code == 200, response.text
        return [stack["name"] for stack in response.json()]


@asynccontextmanager
async def visited(provider: Provider, *names: str, **options: Any) -> AsyncGenerator[list[Visitor]]:
    login = WebLogin(
        client_id="app",
        client_secret=secret_of("app"),
        redirect_url=REDIRECT,
        scope="public redeploy",
        url=provider.url,
        **options,
    )
    app = make_app(login)
    visitors = [Visitor(app, name) for name in names]
    async with login.lifespan():
        yield visitors
        for visitor in visitors:
            await visitor.site.aclose()


@pytest.fixture
def transport() -> str:
    """Use the SDK's pool: the web login has no other transport."""
    return "own"


async def test_concurrent_users(provider: Provider) -> None:
    async with visited(provider, "bea", "cyd") as visitors:
        done = await asyncio.gather(*(visitor.log_in("/login?next=/stacks") for visitor in visitors))
        assert [(response.status_code, response.headers["location"]) for response in done] == [(303, "/stacks")] * 2
        assert [await visitor.names() for visitor in visitors] == [["bea"], ["cyd"]]


async def test_denied_access(provider: Provider) -> None:
    async with visited(provider, "deb") as (visitor,):
        response = await visitor.log_in(deny=True)
        assert response.status_code == 403
        assert (await visitor.site.get("/api/stacks")).status_code == 401


async def test_expired_token(provider: Provider) -> None:
    async with visited(provider, "eve") as (visitor,):
        await visitor.log_in()
        await visitor.browser.post(f"{provider.url}/test/age")
        response = await visitor.site.get("/stacks")
        assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2Fstacks")
        assert (await visitor.site.get("/api/stacks")).status_code == 401
        await visitor.log_in()
        assert await visitor.names() == ["eve"]


async def test_logout_revokes_the_token(provider: Provider) -> None:
    async with visited(provider, "flo", revoke_on_logout=True) as (visitor,):
        await visitor.log_in()
        assert (await visitor.site.post("/logout")).status_code == 303
        assert (await visitor.site.get("/api/stacks")).status_code == 401
