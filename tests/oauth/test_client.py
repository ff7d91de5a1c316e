"""Logins with the client against a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import gc
import hashlib
import pickle
import ssl
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from starlette.datastructures import URL

from cloud66_async._http.library import AsyncOAuth2Client, httpx
from cloud66_async.errors import (
    AccessDenied,
    APIError,
    Cloud66Error,
    ConfigError,
    Forbidden,
    LoginError,
    NotFound,
    StateMismatch,
    TokenRequestFailed,
)
from cloud66_async.oauth import Cloud66OAuth2Client, Login
from cloud66_async.oauth.callback import OUT_OF_BAND
from cloud66_async.secret import Secret
from cloud66_async.token import Token

from .clocks import ManualClock
from .conftest import REDIRECT, client_token
from .evidence import error_output, package_locals
from .server import TOKEN, ReceivedRequest, Reply, Server, as_json, form, redirect
from .test_token_response import INVALID_RESPONSES

Make = Callable[..., Cloud66OAuth2Client]


CODE = "CODE-1"  # a constant, because the source lines in a traceback must not contain it


def callback_url(login: Login, code: str = CODE) -> str:
    return f"{login.redirect_url}?code={code}&state={login.state}"


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# --- the authorization code flow


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


# --- callbacks that send no request


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


@pytest.mark.parametrize("pasted", ["?error=access_denied&state=STATE", "?code=CODE-1", "?state=STATE", ""])
async def test_fetch_token_never_falls_back_to_another_grant(
    client: Cloud66OAuth2Client, server: Server, pasted: str
) -> None:
    with pytest.raises(LoginError):
        await client.fetch_token(authorization_response=REDIRECT + pasted, state="STATE")
    with pytest.raises(LoginError):
        await client.fetch_token()
    assert server.requests == []


@pytest.mark.parametrize("state", [None, ""])
async def test_fetch_token_requires_a_state_to_compare(
    client: Cloud66OAuth2Client, server: Server, state: str | None
) -> None:
    with pytest.raises(StateMismatch, match="no state to compare with"):
        await client.fetch_token(authorization_response=f"{REDIRECT}?code=CODE-1&state=", state=state)
    assert server.requests == []


async def test_token_in_a_fragment_is_rejected(client: Cloud66OAuth2Client, server: Server) -> None:
    url = f"{REDIRECT}?code=x&state=STATE#access_token=ATTACKER&token_type=bearer"
    with pytest.raises(LoginError, match="fragment"):
        await client.fetch_token(authorization_response=url, state="STATE")
    with pytest.raises(LoginError, match="fragment"):
        client.token_from_fragment(url, "STATE")
    assert client.token is None
    assert server.requests == []


@pytest.mark.parametrize("grant_type", ["client_credentials", "password", ""])
async def test_other_grant_type_is_rejected(client: Cloud66OAuth2Client, server: Server, grant_type: str) -> None:
    with pytest.raises(LoginError, match="unsupported grant_type"):
        await client.fetch_token(code="CODE-1", grant_type=grant_type)
    assert server.requests == []


@pytest.mark.parametrize("arguments", [{"username": "u", "password": "p"}, {"method": "GET"}])
async def test_parameters_of_other_grants_are_rejected(
    client: Cloud66OAuth2Client, server: Server, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        await client.fetch_token(**arguments)
    assert server.requests == []


# --- Authlib's own signatures


async def test_authlib_flow(client: Cloud66OAuth2Client, server: Server) -> None:
    url, state = client.create_authorization_url(f"{server.url}/oauth/authorize")
    assert query(url)["state"] == state
    assert query(url)["redirect_uri"] == query(url)["redirect_url"] == REDIRECT
    assert query(url)["response_type"] == "code"
    assert "code_challenge" not in query(url)
    token = await client.fetch_token(
        f"{server.url}/oauth/token", authorization_response=f"{REDIRECT}?code=CODE-1&state={state}", state=state
    )
    assert token["access_token"] == client_token(client)["access_token"] == "TOKEN-1"
    assert isinstance(client, AsyncOAuth2Client)
    assert server.requests[0].form["redirect_url"] == server.requests[0].form["redirect_uri"] == REDIRECT


async def test_authlib_flow_with_a_verifier(client: Cloud66OAuth2Client, server: Server) -> None:
    verifier = "v" * 48
    url, state = client.create_authorization_url(code_verifier=verifier, scope=["public"], prompt="consent")
    assert query(url)["code_challenge_method"] == "S256"
    assert query(url)["prompt"] == "consent"
    callback = {"code": "CODE-1", "state": state}
    await client.fetch_token(authorization_response=callback, state=state, code_verifier=verifier)
    assert server.requests[0].form["code_verifier"] == verifier


async def test_fetch_token_with_a_code(client: Cloud66OAuth2Client, server: Server) -> None:
    await client.fetch_token(code="CODE-1", redirect_uri="http://127.0.0.1:5/cb", grant_type="authorization_code")
    assert server.requests[0].form["redirect_url"] == "http://127.0.0.1:5/cb"
    assert (await client.fetch_token(f"{server.url}/oauth/token", code="CODE-2"))["scope"] == "public redeploy"
    with pytest.raises(LoginError, match="invalid code"):
        await client.fetch_token(code="CODE 1")


@pytest.mark.parametrize("state", [None, ""])
def test_state_is_never_empty(client: Cloud66OAuth2Client, state: str | None) -> None:
    url, created = client.create_authorization_url(state=state)
    assert len(created) >= 43
    assert query(url)["state"] == created
    assert client.create_authorization_url(state="MINE")[1] == "MINE"


def test_reserved_parameters_cannot_be_overridden(client: Cloud66OAuth2Client) -> None:
    with pytest.raises(ConfigError, match="response_type"):
        client.create_authorization_url(response_type="token")


async def test_authlib_response_hook_is_called(client: Cloud66OAuth2Client) -> None:
    seen: list[int] = []

    def hook(response: httpx.Response) -> httpx.Response:
        seen.append(response.status_code)
        return response

    client.register_compliance_hook("access_token_response", hook)
    await client.fetch_token(code="CODE-1")
    assert seen == [200]
    with pytest.raises(ConfigError, match="unsupported hook"):
        client.register_compliance_hook("protected_request", hook)


def test_parse_response_token_stores_the_token(client: Cloud66OAuth2Client) -> None:
    token = client.parse_response_token(httpx.Response(200, content=b"access_token=TOKEN-9"))
    assert token is client.token
    with pytest.raises(TokenRequestFailed):
        client.parse_response_token(httpx.Response(400, content=b"error=invalid_grant"))
    assert client_token(client)["access_token"] == "TOKEN-9"


# --- responses without a token


@pytest.mark.parametrize("name", INVALID_RESPONSES)
async def test_invalid_response_keeps_the_earlier_token(make: Make, server: Server, name: str) -> None:
    status, body = INVALID_RESPONSES[name]
    client = make(token="EARLIER")
    server.replies["/oauth/token"] = Reply(body, status)
    with pytest.raises(TokenRequestFailed) as caught:
        await client.fetch_token(code=CODE)
    assert client_token(client)["access_token"] == "EARLIER"
    assert caught.value.status == status
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught_again:
        await client.finish_login(login, callback_url(login))
    assert login.verifier is not None
    secrets = ["SECRETTOKEN", "CLIENT-SECRET", "EARLIER", "CODE-1", login.verifier, login.state]
    for error in (caught.value, caught_again.value):
        shown = error_output(error) + package_locals(error)
        assert [secret for secret in secrets if secret in shown] == []


async def test_secrets_repeated_by_the_server_are_redacted(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = lambda request: as_json(
        400, error="invalid_grant", error_description=" ".join(request.form.values())
    )
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught:
        await client.finish_login(login, callback_url(login))
    assert login.verifier is not None
    for secret in ("CODE-1", "CLIENT-SECRET", login.verifier):
        assert secret not in error_output(caught.value)
    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("eager", [False, True])
async def test_redirect_of_the_token_endpoint_is_not_followed(
    client: Cloud66OAuth2Client, server: Server, status: int, eager: bool
) -> None:
    server.replies["/oauth/token"] = redirect(status, f"{server.url}/elsewhere")
    server.replies["/elsewhere"] = TOKEN
    client.follow_redirects = eager
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="redirects are not followed") as caught:
        await client.finish_login(login, callback_url(login))
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-2")
    assert caught.value.status == status
    assert server.requests_to("/elsewhere") == []


async def test_code_is_exchanged_once(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(b"", 503)
    login = client.login()
    with pytest.raises(TokenRequestFailed):
        await client.finish_login(login, callback_url(login))
    assert len(server.requests) == 1


async def test_incomplete_response_is_reported(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(b"access_tok", cut=True)
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="token request failed") as caught:
        await client.finish_login(login, callback_url(login))
    assert caught.value.status is None
    shown = error_output(caught.value) + package_locals(caught.value)
    assert login.verifier is not None
    for secret in ("CODE-1", "CLIENT-SECRET", login.verifier, login.state):
        assert secret not in shown


async def test_missing_response_times_out(make: Make, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(wait=asyncio.Event())
    client = make(timeout=0.05)
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="timed out"):
        await client.finish_login(login, callback_url(login))


async def test_slow_response_exceeds_the_total_timeout(make: Make) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except (OSError, asyncio.CancelledError):
            writer.close()

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        client = make(url=f"http://127.0.0.1:{port}", timeout=0.2)
        login = client.login()
        with pytest.raises(TokenRequestFailed, match="total"):
            await client.finish_login(login, callback_url(login))
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_endless_response_is_not_read_completely(make: Make) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\naccess_token=")
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        writer.close()

    listening = await asyncio.start_server(pour, "127.0.0.1", 0)
    try:
        client = make(url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(TokenRequestFailed, match="exceeds 65536 bytes"):
            await client.fetch_token(code=CODE)
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_untrusted_certificate_is_rejected() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\naccess_token=TOKEN-1")
        await writer.drain()
        writer.close()

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)  # pyright: ignore[reportUnknownMemberType]
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    options: dict[str, Any] = {"client_id": "ID", "redirect_url": REDIRECT, "url": url}
    try:
        async with Cloud66OAuth2Client(**options) as client:
            with pytest.raises(TokenRequestFailed, match=r"(?i)certificate"):
                await client.fetch_token(code=CODE)
        assert received == []
        async with Cloud66OAuth2Client(verify=trusting, **options) as client:
            assert (await client.fetch_token(code=CODE))["access_token"] == "TOKEN-1"
        assert len(received) == 1
    finally:
        listening.close()
        await asyncio.sleep(0)


async def test_unreachable_server_is_reported(make: Make) -> None:
    client = make(url="http://127.0.0.1:1")
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-1")


# --- expiry, refresh and revocation


async def test_expired_token_is_reported(make: Make, server: Server, clock: ManualClock) -> None:
    client = make()
    server.replies["/oauth/token"] = as_json(access_token="TOKEN-1", expires_in="7200", refresh_token="")
    server.replies["/api/3/stacks.json"] = as_json(response=[])
    login = client.login()
    assert (await client.finish_login(login, callback_url(login))).expires_at == clock.now() + timedelta(hours=2)
    await client.fetch_token(code="CODE-1")
    clock.advance(7199)
    assert (await client.get("stacks.json")).status_code == 200
    clock.advance(1)
    with pytest.raises(LoginError, match="expired; log in again"):
        await client.get("stacks.json")
    with pytest.raises(LoginError, match="cannot be refreshed"):
        await client.refresh_token()
    assert len(server.requests_to("/oauth/token")) == 2


async def test_refresh_token_is_exchanged(client: Cloud66OAuth2Client, server: Server) -> None:
    client.token = {"access_token": "OLD", "refresh_token": "REFRESH-1"}
    token = await client.refresh_token()
    assert token["access_token"] == "TOKEN-1"
    sent = server.requests[0].form
    assert (sent["grant_type"], sent["refresh_token"]) == ("refresh_token", "REFRESH-1")


async def test_revoke_discards_the_clients_own_token(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/revoke"] = as_json()
    client.token = "TOKEN-1"
    await client.revoke(Token("ANOTHER"))
    assert client_token(client)["access_token"] == "TOKEN-1"
    await client.revoke()
    assert client.token is None
    another, own = (request.form for request in server.requests)
    assert another["token"] == "ANOTHER"
    assert own == {
        "token": "TOKEN-1",
        "token_type_hint": "access_token",
        "client_id": "ID",
        "client_secret": "CLIENT-SECRET",
    }
    with pytest.raises(ConfigError, match="no token to revoke"):
        await client.revoke()


@pytest.mark.parametrize(("status", "kind"), [(403, Forbidden), (404, NotFound), (302, APIError), (500, APIError)])
async def test_failed_revocation_is_reported(
    client: Cloud66OAuth2Client, server: Server, status: int, kind: type[APIError]
) -> None:
    server.replies["/oauth/revoke"] = as_json(status, error="unauthorized_client")
    client.token = "TOKEN-1"
    with pytest.raises(kind) as caught:
        await client.revoke()
    assert caught.value.code == "unauthorized_client"
    assert "TOKEN-1" not in error_output(caught.value) + package_locals(caught.value)
    assert client_token(client)["access_token"] == "TOKEN-1"


async def test_revoke_token_returns_the_response(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/revoke"] = as_json(403, error="unauthorized_client")
    assert (await client.revoke_token(f"{server.url}/revoke", "TOKEN-5")).status_code == 403
    assert server.requests[0].form["token"] == "TOKEN-5"


async def test_authlib_introspection_works(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/introspect"] = as_json(active=True, exp=0)
    response = await client.introspect_token(f"{server.url}/oauth/introspect", token="TOKEN-5")
    assert response.json()["active"] is True
    assert server.requests[0].form["client_secret"] == "CLIENT-SECRET"


# --- configuration


def test_default_endpoints_are_those_of_cloud66() -> None:
    client = Cloud66OAuth2Client()
    assert client.endpoints.authorize == "https://app.cloud66.com/oauth/authorize"
    assert client.endpoints.token == "https://app.cloud66.com/oauth/token"
    assert client.endpoints.revoke == "https://app.cloud66.com/oauth/revoke"
    assert str(client.base_url).rstrip("/") == "https://app.cloud66.com/api/3"


async def test_custom_endpoints_are_used(make: Make, server: Server) -> None:
    server.replies |= {"/token": TOKEN, "/gone": as_json(), "/v3/me": as_json(response=1)}
    client = make(
        authorize_url=f"{server.url}/auth",
        token_url=f"{server.url}/token",
        revoke_url=f"{server.url}/gone",
        api_url=f"{server.url}/v3",
    )
    login = client.login()
    assert login.url.startswith(f"{server.url}/auth?")
    client.token = await client.finish_login(login, callback_url(login))
    assert (await client.get("me")).json() == {"response": 1}
    await client.revoke()
    assert [request.path for request in server.requests] == ["/token", "/v3/me", "/gone"]


@pytest.mark.parametrize("name", ["url", "authorize_url", "token_url", "revoke_url", "api_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://app.cloud66.com",
        "http://localhost:80@attacker.example",
        "https://user:word@app.cloud66.com",
        "http://127.0.0.1.attacker.example",
        "ftp://app.cloud66.com",
        "app.cloud66.com",
        "https://",
        "https://app.cloud66.com/#x",
        "https://app.cloud66.com/ x",
    ],
)
def test_endpoints_must_be_https(name: str, url: str) -> None:
    address: dict[str, Any] = {name: url}
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client(**address)


async def test_url_of_a_call_must_be_https(client: Cloud66OAuth2Client, server: Server) -> None:
    evil = "http://attacker.example/oauth"
    with pytest.raises(ConfigError):
        client.create_authorization_url(evil)
    with pytest.raises(ConfigError):
        await client.fetch_token(evil, code="CODE-1")
    with pytest.raises(ConfigError):
        await client.revoke_token(evil, "TOKEN-1")
    assert server.requests == []


def test_grant_type_is_set_explicitly() -> None:
    client = Cloud66OAuth2Client(client_id="ID", client_secret="CLIENT-SECRET")
    assert client.metadata == {"grant_type": "authorization_code"}  # and no other argument


def test_redirect_url_and_redirect_uri_must_be_equal() -> None:
    assert Cloud66OAuth2Client(redirect_url=REDIRECT, redirect_uri=REDIRECT).redirect_uri == REDIRECT
    with pytest.raises(ConfigError, match="must be equal"):
        Cloud66OAuth2Client(redirect_url=REDIRECT, redirect_uri=REDIRECT + "/")


def test_login_requires_client_id_and_redirect_url() -> None:
    with pytest.raises(ConfigError, match="client_id"):
        Cloud66OAuth2Client(redirect_url=REDIRECT).login()
    with pytest.raises(ConfigError, match="redirect URL"):
        Cloud66OAuth2Client(client_id="ID").login()


@pytest.mark.parametrize("name", ["app", "proxies", "params", "auth", "client", "token_placement", "clientid"])
def test_invalid_arguments_raise_without_unraisable_errors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown: dict[str, Any] = {name: "x"}
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(TypeError):
        Cloud66OAuth2Client(**unknown)
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client(url="http://attacker.example")
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client(token="two words")
    gc.collect()
    assert unraisable == []


async def test_scope_defaults_to_that_of_the_client(make: Make) -> None:
    client = make(scope=["public", "jobs"], scope_separator=",")
    assert query(client.login().url)["scope"] == "public,jobs"
    assert query(client.login(scope="users").url)["scope"] == "users"
    assert query(client.create_authorization_url()[0])["scope"] == "public,jobs"


def test_client_is_redacted_and_cannot_be_copied(make: Make) -> None:
    client = make(token="TOKEN-1")
    for shown in (repr(client), str(client), f"{client}", repr(vars(client)), repr(client.token)):
        assert "TOKEN-1" not in shown
        assert "CLIENT-SECRET" not in shown
    assert "with a token" in repr(client)
    assert client.client_secret == "CLIENT-SECRET"
    for move in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle or copy"):
            move(client)


def test_login_errors_share_a_base_class() -> None:
    for kind in (StateMismatch, AccessDenied, TokenRequestFailed):
        assert issubclass(kind, LoginError)
        assert issubclass(kind, Cloud66Error)


def test_received_request_rejects_repeated_parameters() -> None:
    """The test server does not ignore a repeated parameter."""
    with pytest.raises(AssertionError):
        _ = ReceivedRequest("POST", "/", [], b"a=1&a=2").form
