"""Fixtures: third-party servers, clients that use them, and a check that no secret is printed."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest

from cloud66_async import Cloud66
from cloud66_async._http.library import httpx
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.oauth.form import Form

from ..conftest import PoolName
from .browser import Browser
from .provider import KINDS, Kind, Provider, running, secret_of

REDIRECT = "https://app.example/callback"

_number = count(1)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Kind], Provider]]:
    """Return a function that starts a server on its first use. All servers are stopped at the end."""
    providers: dict[str, Provider] = {}
    with ExitStack() as stack:

        def start(kind: Kind) -> Provider:
            if kind.name not in providers:
                providers[kind.name] = stack.enter_context(running(kind, tmp_path_factory.mktemp(kind.name)))
            return providers[kind.name]

        yield start


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def provider(request: pytest.FixtureRequest, started: Callable[[Kind], Provider]) -> Provider:
    kind: Kind = request.param
    return started(kind)


class Vault:
    """The secrets that a test has used or received."""

    def __init__(self) -> None:
        self.secrets = {secret_of(name) for name in ("app", "other", "basic", "strict")}

    def add(self, *texts: str | None) -> None:
        self.secrets |= {text for text in texts if text}

    def found_in(self, text: str) -> set[str]:
        return {secret for secret in self.secrets if secret in text}


@pytest.fixture(autouse=True)
def vault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Vault]:
    """Collect the secrets of the token endpoint, and check at the end that none was printed or logged."""
    vault = Vault()
    original = Cloud66OAuth2Client._post

    async def post(client: Cloud66OAuth2Client, url: str, form: Form) -> httpx.Response:
        vault.add(*(form.reveal(name) for name in ("code", "code_verifier", "token", "refresh_token", "client_secret")))
        response = await original(client, url, form)
        try:
            fields = json.loads(response.content)
        except ValueError:
            return response
        vault.add(fields.get("access_token"), fields.get("refresh_token"))
        return response

    monkeypatch.setattr(Cloud66OAuth2Client, "_post", post)
    caplog.set_level(logging.DEBUG)
    yield vault
    printed = "".join(capfd.readouterr())
    assert vault.found_in(caplog.text + printed) == set()


@pytest.fixture
def browser(vault: Vault) -> Iterator[Browser]:
    """Return a browser of a new user, because a server may skip the consent page for a user who has consented."""
    browser = Browser(f"user-{next(_number)}")
    yield browser
    vault.add(*browser.seen)


@pytest.fixture
async def connect(provider: Provider, transport: PoolName) -> AsyncIterator[Callable[..., Cloud66]]:
    """Return a function that creates clients of the server, which are closed at the end."""
    clients: list[Cloud66] = []

    def client(client_id: str = "app", **options: Any) -> Cloud66:
        defaults: dict[str, Any] = {"client_secret": secret_of(client_id), "redirect_url": REDIRECT, "pool": transport}
        clients.append(Cloud66(client_id=client_id, url=provider.url, **defaults | options))
        return clients[-1]

    yield client
    for made in clients:
        await made.aclose()


@pytest.fixture
def c66(connect: Callable[..., Cloud66]) -> Cloud66:
    return connect()


@pytest.fixture
async def connect_oauth(provider: Provider, transport: PoolName) -> AsyncIterator[Callable[..., Cloud66OAuth2Client]]:
    """Return a function that creates `Cloud66OAuth2Client`s of the server, with or without the SDK's pool."""
    clients: list[Cloud66OAuth2Client] = []
    pool = Cloud66(client_id="app", url=provider.url)

    def client(client_id: str = "app", **options: Any) -> Cloud66OAuth2Client:
        defaults: dict[str, Any] = {"client_secret": secret_of(client_id), "redirect_url": REDIRECT}
        defaults |= {"url": provider.url, "transport": pool.transport if transport == "own" else None}
        clients.append(Cloud66OAuth2Client(client_id=client_id, **defaults | options))
        return clients[-1]

    yield client
    for made in clients:
        await made.aclose()
    await pool.aclose()


@pytest.fixture
def oauth(connect_oauth: Callable[..., Cloud66OAuth2Client]) -> Cloud66OAuth2Client:
    return connect_oauth(scope="public redeploy")
