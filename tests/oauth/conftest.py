"""Fixtures: a server, a clock, clients that use both, and places to store logins in."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import keyring
import pytest

from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async.oauth.client import Cloud66OAuth2Client
from cloud66_async.oauth.login import Login
from cloud66_async.pool import Pool

from .browsing import handlers
from .clocks import ManualClock
from .server import Server, as_json, serving
from .stored import MemoryKeyring

Make = Callable[..., Cloud66OAuth2Client]

REDIRECT = "https://app.example/callback"
CODE = "CODE-1"  # a constant, because the source lines in a traceback must not contain it
STACKS = "/api/3/stacks.json"


def callback_url(login: Login, code: str = CODE) -> str:
    return f"{login.redirect_url}?code={code}&state={login.state}"


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


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
async def make(server: Server, clock: ManualClock, transport: HttpxAdapter | None) -> AsyncIterator[Make]:
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
def client(make: Make) -> Cloud66OAuth2Client:
    return make()


@pytest.fixture
async def no_leftovers(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Check that no task of the listener remains, and that asyncio logged no error."""
    yield
    assert handlers() == []
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def user(make: Make, server: Server) -> Cloud66OAuth2Client:
    """A client with a token."""
    server.replies[STACKS] = as_json(response=[])
    return make(token="TOKEN-1")


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    keyring.set_keyring(memory_keyring := MemoryKeyring())
    yield memory_keyring
    keyring.set_keyring(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings" / "logins.json"
