"""A server, a clock and a client of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async.oauth.client import Cloud66OAuth2Client
from cloud66_async.pool import Pool

from .clocks import HandClock
from .server import Server, serving

REDIRECT = "https://app.example/callback"


def held(client: Cloud66OAuth2Client) -> dict[str, Any]:
    """The token that the client holds, as Authlib has it."""
    assert client.token is not None
    return client.token


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["the library's own transport", "the SDK's pool"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[HttpxAdapter | None]:
    if request.param != "the SDK's pool":
        yield None
        return
    pool = Pool()
    yield HttpxAdapter(pool)
    await pool.aclose()


@pytest.fixture
async def make(
    server: Server, clock: HandClock, transport: HttpxAdapter | None
) -> AsyncIterator[Callable[..., Cloud66OAuth2Client]]:
    """Makes clients of the server, and closes them."""
    made: list[Cloud66OAuth2Client] = []

    def client(**options: Any) -> Cloud66OAuth2Client:
        defaults: dict[str, Any] = {"client_id": "ID", "client_secret": "CLIENT-SECRET", "redirect_url": REDIRECT}
        defaults |= {"url": server.url, "clock": clock, "transport": transport}
        made.append(Cloud66OAuth2Client(**defaults | options))
        return made[-1]

    yield client
    for each in made:
        await each.aclose()


@pytest.fixture
def client(make: Callable[..., Cloud66OAuth2Client]) -> Cloud66OAuth2Client:
    return make()
