"""Fixtures: a server, a clock, and clients that use both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async.oauth.client import Cloud66OAuth2Client
from cloud66_async.pool import Pool

from .clocks import ManualClock
from .server import Server, serving

REDIRECT = "https://app.example/callback"


def client_token(client: Cloud66OAuth2Client) -> dict[str, Any]:
    """Return the client's own token as Authlib stores it."""
    assert client.token is not None
    return client.token


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


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
    server: Server, clock: ManualClock, transport: HttpxAdapter | None
) -> AsyncIterator[Callable[..., Cloud66OAuth2Client]]:
    """Return a function that creates clients of the server, which are closed at the end."""
    clients: list[Cloud66OAuth2Client] = []

    def client(**options: Any) -> Cloud66OAuth2Client:
        defaults: dict[str, Any] = {"client_id": "ID", "client_secret": "CLIENT-SECRET", "redirect_url": REDIRECT}
        defaults |= {"url": server.url, "clock": clock, "transport": transport}
        clients.append(Cloud66OAuth2Client(**defaults | options))
        return clients[-1]

    yield client
    for made in clients:
        await made.aclose()


@pytest.fixture
def client(make: Callable[..., Cloud66OAuth2Client]) -> Cloud66OAuth2Client:
    return make()
