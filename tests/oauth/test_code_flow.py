"""The authorization code flow with the client, against a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from starlette.datastructures import URL

from cloud66_async._http.library import httpx
from cloud66_async.errors import (
    AccessDenied,
    LoginError,
    StateMismatch,
)
from cloud66_async.oauth import Cloud66OAuth2Client, Login
from cloud66_async.oauth.callback import OUT_OF_BAND
from cloud66_async.secret import Secret
from cloud66_async.token import Token

from .clocks import ManualClock
from .conftest import REDIRECT, Make, callback_url, client_token, query
from .server import TOKEN, Reply, Server, as_json, form


@pytest.mark.parametrize(
    "reply", [TOKEN, as_json(access_token="TOKEN-1", token_type="Bearer", scope="public redeploy")]
)
async def test_complete_login(client: Cloud66OAuth2Client, server: Server, reply: Reply) -> None:
    server.replies["/oauth/token"] = reply
    login = client.login(scope="public,redeploy")
    assert login.url.startswith(f"{server.url}/oauth/authorize?")
    token = await client.finish_login(Login.from_dict(login.to_dict()), callback_url(login))
    assert token == Token("TOKEN-1")
    assert token.scopes == ("public", "redeploy")

    [request] = server.requests
    assert login.verifier is not None
    assert (request.method, request.target) == ("POST", "/oauth/token")
    assert request.form == {
        "grant_type": "authorization_code",
        "code": "CODE-1",
        "redirect_url": REDIRECT,
        "redirect_uri": REDIRECT,
        "code_verifier": login.verifier,
        "client_id": "ID",
        "client_secret": "CLIENT-SECRET",
    }
    assert request.header("accept") == "application/json"
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert request.header("authorization") is None
    digest = hashlib.sha256(login.verifier.encode()).digest()
    assert query(login.url)["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_finish_login_does_not_store_the_token_in_the_client(make: Make, server: Server) -> None:
    client = make(token="OPERATOR")
    login = client.login()
    await client.finish_login(login, callback_url(login))
    assert client_token(client)["access_token"] == "OPERATOR"


async def test_login_without_pkce_and_secret(make: Make, server: Server) -> None:
    client = make(client_secret=None, pkce=False)
    login = client.login()
    await client.finish_login(login, callback_url(login))
    assert server.requests[0].form.keys() == {"grant_type", "code", "redirect_url", "redirect_uri", "client_id"}


async def test_client_secret_may_be_a_secret_object(make: Make, server: Server) -> None:
    client = make(client_secret=Secret("HIDDEN-1"))
    login = client.login()
    await client.finish_login(login, callback_url(login))
    assert server.requests[0].form["client_secret"] == "HIDDEN-1"


async def test_out_of_band_login(client: Cloud66OAuth2Client, server: Server) -> None:
    login = client.login(redirect_url=OUT_OF_BAND)
    assert await client.finish_login(login, " CODE-1\n") == Token("TOKEN-1")
    assert server.requests[0].form["redirect_uri"] == OUT_OF_BAND
    assert server.requests[0].form["code_verifier"] == login.verifier


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_on_token_is_called_with_each_new_token(make: Make, asynchronous: bool) -> None:
    seen: list[Token] = []

    async def later(token: Token) -> None:
        await asyncio.sleep(0)
        seen.append(token)

    client = make(on_token=later if asynchronous else seen.append)
    login = client.login()
    token = await client.finish_login(login, callback_url(login))
    await client.fetch_token(code="CODE-2")
    assert seen == [token, Token("TOKEN-1")]


async def test_concurrent_logins_are_independent(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = lambda request: form(access_token=f"TOKEN-FOR-{request.form['code']}")
    logins = [client.login() for _ in range(30)]
    tokens = await asyncio.gather(
        *(client.finish_login(login, callback_url(login, f"CODE-{number}")) for number, login in enumerate(logins))
    )
    assert [token.reveal() for token in tokens] == [f"TOKEN-FOR-CODE-{number}" for number in range(30)]
    by_code = {request.form["code"]: request.form["code_verifier"] for request in server.requests}
    assert by_code == {f"CODE-{number}": login.verifier for number, login in enumerate(logins)}
    assert client.token is None


async def test_client_works_after_a_cancelled_exchange(client: Cloud66OAuth2Client, server: Server) -> None:
    never = asyncio.Event()
    server.replies["/oauth/token"] = Reply(wait=never)
    login = client.login()
    task = asyncio.create_task(client.finish_login(login, callback_url(login)))
    while not server.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.replies["/oauth/token"] = TOKEN
    with pytest.raises(LoginError, match="already used"):
        await client.finish_login(login, callback_url(login))
    another = client.login()
    assert await client.finish_login(another, callback_url(another)) == Token("TOKEN-1")


@pytest.mark.parametrize("kind", [httpx.URL, URL])
async def test_url_object_of_a_web_framework_is_accepted(
    client: Cloud66OAuth2Client, kind: Callable[[str], Any]
) -> None:
    login = client.login()
    assert await client.finish_login(login, kind(callback_url(login))) == Token("TOKEN-1")


async def test_code_is_never_sent_to_another_server(make: Make, server: Server) -> None:
    elsewhere = make(url="https://app.cloud66.com").login()
    with pytest.raises(LoginError, match="was not started at"):
        await make().finish_login(elsewhere, callback_url(elsewhere))
    assert server.requests == []


async def test_invalid_callback_sends_nothing(client: Cloud66OAuth2Client, server: Server, clock: ManualClock) -> None:
    login, denied, used = client.login(), client.login(), client.login()
    await client.finish_login(used, callback_url(used))
    server.requests.clear()
    with pytest.raises(AccessDenied):
        await client.finish_login(denied, f"{REDIRECT}?error=access_denied&state={denied.state}")
    with pytest.raises(StateMismatch):
        await client.finish_login(login, callback_url(denied))
    with pytest.raises(StateMismatch):
        await client.finish_login(login, {"code": "CODE-1"})
    with pytest.raises(LoginError, match="fragment"):
        await client.finish_login(login, callback_url(login) + "#access_token=ATTACKER")
    with pytest.raises(LoginError, match="already used"):
        await client.finish_login(used, callback_url(used))
    with pytest.raises(LoginError, match="already used"):
        await client.finish_login(denied, callback_url(denied))
    clock.advance(600)
    with pytest.raises(LoginError, match="expired"):
        await client.finish_login(login, callback_url(login))
    assert server.requests == []
    assert client.token is None
