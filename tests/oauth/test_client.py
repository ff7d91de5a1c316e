"""Logins through the client, against a real server: what is sent, what is taken, and what never happens."""

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
from cloud66_async.oauth.login import OUT_OF_BAND
from cloud66_async.secret import Secret
from cloud66_async.token import Token

from .clocks import HandClock
from .conftest import REDIRECT, held
from .evidence import everything, own_locals
from .server import TOKEN, Asked, Reply, Server, as_json, form, redirect
from .test_answer import REFUSED

Make = Callable[..., Cloud66OAuth2Client]


CODE = "CODE-1"  # by name, where the source line of a traceback must not hold it


def answer(login: Login, code: str = CODE) -> str:
    return f"{login.redirect_url}?code={code}&state={login.state}"


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# --- the flow


@pytest.mark.parametrize(
    "reply", [TOKEN, as_json(access_token="TOKEN-1", token_type="Bearer", scope="public redeploy")]
)
async def test_a_login_from_beginning_to_end(client: Cloud66OAuth2Client, server: Server, reply: Reply) -> None:
    server.replies["/oauth/token"] = reply
    login = client.login(scope="public,redeploy")
    assert login.url.startswith(f"{server.url}/oauth/authorize?")
    token = await client.finish_login(Login.from_dict(login.to_dict()), answer(login))
    assert token == Token("TOKEN-1")
    assert token.scopes == ("public", "redeploy")

    [asked] = server.asked
    assert login.verifier is not None
    assert (asked.method, asked.target) == ("POST", "/oauth/token")
    assert asked.form == {
        "grant_type": "authorization_code",
        "code": "CODE-1",
        "redirect_url": REDIRECT,
        "redirect_uri": REDIRECT,
        "code_verifier": login.verifier,
        "client_id": "ID",
        "client_secret": "CLIENT-SECRET",
    }
    assert asked.header("accept") == "application/json"
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.header("authorization") is None
    digest = hashlib.sha256(login.verifier.encode()).digest()
    assert query(login.url)["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_finishing_a_login_is_not_logging_the_client_in(make: Make, server: Server) -> None:
    client = make(token="OPERATOR")
    login = client.login()
    await client.finish_login(login, answer(login))
    assert held(client)["access_token"] == "OPERATOR"


async def test_without_pkce_and_without_a_secret(make: Make, server: Server) -> None:
    client = make(client_secret=None, pkce=False)
    login = client.login()
    await client.finish_login(login, answer(login))
    assert server.asked[0].form.keys() == {"grant_type", "code", "redirect_url", "redirect_uri", "client_id"}


async def test_a_secret_may_be_a_secret(make: Make, server: Server) -> None:
    client = make(client_secret=Secret("HIDDEN-1"))
    login = client.login()
    await client.finish_login(login, answer(login))
    assert server.asked[0].form["client_secret"] == "HIDDEN-1"


async def test_out_of_band(client: Cloud66OAuth2Client, server: Server) -> None:
    login = client.login(redirect_url=OUT_OF_BAND)
    assert await client.finish_login(login, " CODE-1\n") == Token("TOKEN-1")
    assert server.asked[0].form["redirect_uri"] == OUT_OF_BAND
    assert server.asked[0].form["code_verifier"] == login.verifier


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_each_new_token_is_announced(make: Make, asynchronous: bool) -> None:
    seen: list[Token] = []

    async def later(token: Token) -> None:
        await asyncio.sleep(0)
        seen.append(token)

    client = make(on_token=later if asynchronous else seen.append)
    login = client.login()
    token = await client.finish_login(login, answer(login))
    await client.fetch_token(code="CODE-2")
    assert seen == [token, Token("TOKEN-1")]


async def test_many_logins_at_once_keep_apart(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = lambda asked: form(access_token=f"TOKEN-FOR-{asked.form['code']}")
    logins = [client.login() for _ in range(30)]
    tokens = await asyncio.gather(
        *(client.finish_login(login, answer(login, f"CODE-{number}")) for number, login in enumerate(logins))
    )
    assert [token.reveal() for token in tokens] == [f"TOKEN-FOR-CODE-{number}" for number in range(30)]
    by_code = {asked.form["code"]: asked.form["code_verifier"] for asked in server.asked}
    assert by_code == {f"CODE-{number}": login.verifier for number, login in enumerate(logins)}
    assert client.token is None


async def test_a_cancelled_exchange_leaves_the_client_whole(client: Cloud66OAuth2Client, server: Server) -> None:
    never = asyncio.Event()
    server.replies["/oauth/token"] = Reply(wait=never)
    login = client.login()
    task = asyncio.create_task(client.finish_login(login, answer(login)))
    while not server.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.replies["/oauth/token"] = TOKEN
    with pytest.raises(LoginError, match="used already"):
        await client.finish_login(login, answer(login))
    another = client.login()
    assert await client.finish_login(another, answer(another)) == Token("TOKEN-1")


@pytest.mark.parametrize("kind", [httpx.URL, URL])
async def test_a_web_frameworks_own_url_is_a_callback(client: Cloud66OAuth2Client, kind: Callable[[str], Any]) -> None:
    login = client.login()
    assert await client.finish_login(login, kind(answer(login))) == Token("TOKEN-1")


# --- what sends nothing


async def test_a_code_of_one_server_never_goes_to_another(make: Make, server: Server) -> None:
    elsewhere = make(url="https://app.cloud66.com").login()
    with pytest.raises(LoginError, match="begun at another server"):
        await make().finish_login(elsewhere, answer(elsewhere))
    assert server.asked == []


async def test_a_bad_callback_sends_nothing(client: Cloud66OAuth2Client, server: Server, clock: HandClock) -> None:
    login, denied, used = client.login(), client.login(), client.login()
    await client.finish_login(used, answer(used))
    server.asked.clear()
    with pytest.raises(AccessDenied):
        await client.finish_login(denied, f"{REDIRECT}?error=access_denied&state={denied.state}")
    with pytest.raises(StateMismatch):
        await client.finish_login(login, answer(denied))
    with pytest.raises(StateMismatch):
        await client.finish_login(login, {"code": "CODE-1"})
    with pytest.raises(LoginError, match="fragment"):
        await client.finish_login(login, answer(login) + "#access_token=ATTACKER")
    with pytest.raises(LoginError, match="used already"):
        await client.finish_login(used, answer(used))
    with pytest.raises(LoginError, match="used already"):
        await client.finish_login(denied, answer(denied))
    clock.move(600)
    with pytest.raises(LoginError, match="expired"):
        await client.finish_login(login, answer(login))
    assert server.asked == []
    assert client.token is None


@pytest.mark.parametrize("pasted", ["?error=access_denied&state=STATE", "?code=CODE-1", "?state=STATE", ""])
async def test_authlibs_way_cannot_be_led_to_another_grant(
    client: Cloud66OAuth2Client, server: Server, pasted: str
) -> None:
    with pytest.raises(LoginError):
        await client.fetch_token(authorization_response=REDIRECT + pasted, state="STATE")
    with pytest.raises(LoginError):
        await client.fetch_token()
    assert server.asked == []


@pytest.mark.parametrize("state", [None, ""])
async def test_a_callback_without_a_state_to_compare_is_refused(
    client: Cloud66OAuth2Client, server: Server, state: str | None
) -> None:
    with pytest.raises(StateMismatch, match="no state to compare with"):
        await client.fetch_token(authorization_response=f"{REDIRECT}?code=CODE-1&state=", state=state)
    assert server.asked == []


async def test_a_token_in_a_fragment_is_never_taken(client: Cloud66OAuth2Client, server: Server) -> None:
    url = f"{REDIRECT}?code=x&state=STATE#access_token=ATTACKER&token_type=bearer"
    with pytest.raises(LoginError, match="fragment"):
        await client.fetch_token(authorization_response=url, state="STATE")
    with pytest.raises(LoginError, match="fragment"):
        client.token_from_fragment(url, "STATE")
    assert client.token is None
    assert server.asked == []


@pytest.mark.parametrize("grant_type", ["client_credentials", "password", ""])
async def test_another_grant_is_refused_by_its_name(
    client: Cloud66OAuth2Client, server: Server, grant_type: str
) -> None:
    with pytest.raises(LoginError, match="by code"):
        await client.fetch_token(code="CODE-1", grant_type=grant_type)
    assert server.asked == []


@pytest.mark.parametrize("arguments", [{"username": "u", "password": "p"}, {"method": "GET"}])
async def test_there_is_no_other_grant(client: Cloud66OAuth2Client, server: Server, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        await client.fetch_token(**arguments)
    assert server.asked == []


# --- Authlib's own signatures


async def test_authlibs_flow(client: Cloud66OAuth2Client, server: Server) -> None:
    url, state = client.create_authorization_url(f"{server.url}/oauth/authorize")
    assert query(url)["state"] == state
    assert query(url)["redirect_uri"] == query(url)["redirect_url"] == REDIRECT
    assert query(url)["response_type"] == "code"
    assert "code_challenge" not in query(url)
    token = await client.fetch_token(
        f"{server.url}/oauth/token", authorization_response=f"{REDIRECT}?code=CODE-1&state={state}", state=state
    )
    assert token["access_token"] == held(client)["access_token"] == "TOKEN-1"
    assert isinstance(client, AsyncOAuth2Client)
    assert server.asked[0].form["redirect_url"] == server.asked[0].form["redirect_uri"] == REDIRECT


async def test_authlibs_flow_with_a_verifier(client: Cloud66OAuth2Client, server: Server) -> None:
    verifier = "v" * 48
    url, state = client.create_authorization_url(code_verifier=verifier, scope=["public"], prompt="consent")
    assert query(url)["code_challenge_method"] == "S256"
    assert query(url)["prompt"] == "consent"
    callback = {"code": "CODE-1", "state": state}
    await client.fetch_token(authorization_response=callback, state=state, code_verifier=verifier)
    assert server.asked[0].form["code_verifier"] == verifier


async def test_a_bare_code(client: Cloud66OAuth2Client, server: Server) -> None:
    await client.fetch_token(code="CODE-1", redirect_uri="http://127.0.0.1:5/cb", grant_type="authorization_code")
    assert server.asked[0].form["redirect_url"] == "http://127.0.0.1:5/cb"
    assert (await client.fetch_token(f"{server.url}/oauth/token", code="CODE-2"))["scope"] == "public redeploy"
    with pytest.raises(LoginError, match="the code is empty"):
        await client.fetch_token(code="CODE 1")


@pytest.mark.parametrize("state", [None, ""])
def test_a_state_is_never_empty(client: Cloud66OAuth2Client, state: str | None) -> None:
    url, made = client.create_authorization_url(state=state)
    assert len(made) >= 43
    assert query(url)["state"] == made
    assert client.create_authorization_url(state="MINE")[1] == "MINE"


def test_parameters_of_the_login_are_not_replaced(client: Cloud66OAuth2Client) -> None:
    with pytest.raises(ConfigError, match="response_type"):
        client.create_authorization_url(response_type="token")


async def test_authlibs_hook_after_the_answer(client: Cloud66OAuth2Client) -> None:
    seen: list[int] = []

    def hook(response: httpx.Response) -> httpx.Response:
        seen.append(response.status_code)
        return response

    client.register_compliance_hook("access_token_response", hook)
    await client.fetch_token(code="CODE-1")
    assert seen == [200]
    with pytest.raises(ConfigError, match="no hook here"):
        client.register_compliance_hook("protected_request", hook)


def test_an_answer_can_be_parsed_by_hand(client: Cloud66OAuth2Client) -> None:
    token = client.parse_response_token(httpx.Response(200, content=b"access_token=TOKEN-9"))
    assert token is client.token
    with pytest.raises(TokenRequestFailed):
        client.parse_response_token(httpx.Response(400, content=b"error=invalid_grant"))
    assert held(client)["access_token"] == "TOKEN-9"


# --- answers that are no token


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_answer_leaves_the_earlier_token(make: Make, server: Server, name: str) -> None:
    status, body = REFUSED[name]
    client = make(token="EARLIER")
    server.replies["/oauth/token"] = Reply(body, status)
    with pytest.raises(TokenRequestFailed) as caught:
        await client.fetch_token(code=CODE)
    assert held(client)["access_token"] == "EARLIER"
    assert caught.value.status == status
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught_again:
        await client.finish_login(login, answer(login))
    assert login.verifier is not None
    secrets = ["SECRETTOKEN", "CLIENT-SECRET", "EARLIER", "CODE-1", login.verifier, login.state]
    for error in (caught.value, caught_again.value):
        shown = everything(error) + own_locals(error)
        assert [secret for secret in secrets if secret in shown] == []


async def test_the_server_repeats_what_it_got(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = lambda asked: as_json(
        400, error="invalid_grant", error_description=" ".join(asked.form.values())
    )
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught:
        await client.finish_login(login, answer(login))
    assert login.verifier is not None
    for secret in ("CODE-1", "CLIENT-SECRET", login.verifier):
        assert secret not in everything(caught.value)
    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("eager", [False, True])
async def test_a_redirect_of_the_token_endpoint_is_not_followed(
    client: Cloud66OAuth2Client, server: Server, status: int, eager: bool
) -> None:
    server.replies["/oauth/token"] = redirect(status, f"{server.url}/elsewhere")
    server.replies["/elsewhere"] = TOKEN
    client.follow_redirects = eager
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="redirects, which is not followed") as caught:
        await client.finish_login(login, answer(login))
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-2")
    assert caught.value.status == status
    assert server.at("/elsewhere") == []


async def test_a_code_is_exchanged_once(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(b"", 503)
    login = client.login()
    with pytest.raises(TokenRequestFailed):
        await client.finish_login(login, answer(login))
    assert len(server.asked) == 1


async def test_no_answer_is_told(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(b"access_tok", cut=True)
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="no token was given") as caught:
        await client.finish_login(login, answer(login))
    assert caught.value.status is None
    shown = everything(caught.value) + own_locals(caught.value)
    assert login.verifier is not None
    for secret in ("CODE-1", "CLIENT-SECRET", login.verifier, login.state):
        assert secret not in shown


async def test_an_answer_that_never_comes_is_told(make: Make, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(wait=asyncio.Event())
    client = make(timeout=0.05)
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="timed out"):
        await client.finish_login(login, answer(login))


async def test_an_answer_in_drops_ends_in_time(make: Make) -> None:
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
            await client.finish_login(login, answer(login))
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_an_answer_without_end_is_not_read_to_it(make: Make) -> None:
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
        with pytest.raises(TokenRequestFailed, match="far too long"):
            await client.fetch_token(code=CODE)
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_a_server_that_nobody_vouches_for_is_refused() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
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
        assert heads == []
        async with Cloud66OAuth2Client(verify=trusting, **options) as client:
            assert (await client.fetch_token(code=CODE))["access_token"] == "TOKEN-1"
        assert len(heads) == 1
    finally:
        listening.close()
        await asyncio.sleep(0)


async def test_an_unreachable_server_is_told(make: Make) -> None:
    client = make(url="http://127.0.0.1:1")
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-1")


# --- the life of a token


async def test_a_token_that_expires_is_told(make: Make, server: Server, clock: HandClock) -> None:
    client = make()
    server.replies["/oauth/token"] = as_json(access_token="TOKEN-1", expires_in="7200", refresh_token="")
    server.replies["/api/3/stacks.json"] = as_json(response=[])
    login = client.login()
    assert (await client.finish_login(login, answer(login))).expires_at == clock.now() + timedelta(hours=2)
    await client.fetch_token(code="CODE-1")
    clock.move(7199)
    assert (await client.get("stacks.json")).status_code == 200
    clock.move(1)
    with pytest.raises(LoginError, match="expired: log in again"):
        await client.get("stacks.json")
    with pytest.raises(LoginError, match="cannot be refreshed"):
        await client.refresh_token()
    assert len(server.at("/oauth/token")) == 2


async def test_a_refresh_token_is_used_when_asked(client: Cloud66OAuth2Client, server: Server) -> None:
    client.token = {"access_token": "OLD", "refresh_token": "REFRESH-1"}
    token = await client.refresh_token()
    assert token["access_token"] == "TOKEN-1"
    sent = server.asked[0].form
    assert (sent["grant_type"], sent["refresh_token"]) == ("refresh_token", "REFRESH-1")


async def test_revoking_drops_the_clients_own_token(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/revoke"] = as_json()
    client.token = "TOKEN-1"
    await client.revoke(Token("ANOTHER"))
    assert held(client)["access_token"] == "TOKEN-1"
    await client.revoke()
    assert client.token is None
    another, own = (asked.form for asked in server.asked)
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
async def test_a_revocation_that_fails_is_told(
    client: Cloud66OAuth2Client, server: Server, status: int, kind: type[APIError]
) -> None:
    server.replies["/oauth/revoke"] = as_json(status, error="unauthorized_client")
    client.token = "TOKEN-1"
    with pytest.raises(kind) as caught:
        await client.revoke()
    assert caught.value.code == "unauthorized_client"
    assert "TOKEN-1" not in everything(caught.value) + own_locals(caught.value)
    assert held(client)["access_token"] == "TOKEN-1"


async def test_authlibs_revocation_gives_the_answer(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/revoke"] = as_json(403, error="unauthorized_client")
    assert (await client.revoke_token(f"{server.url}/revoke", "TOKEN-5")).status_code == 403
    assert server.asked[0].form["token"] == "TOKEN-5"


async def test_authlibs_introspection_still_works(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/introspect"] = as_json(active=True, exp=0)
    response = await client.introspect_token(f"{server.url}/oauth/introspect", token="TOKEN-5")
    assert response.json()["active"] is True
    assert server.asked[0].form["client_secret"] == "CLIENT-SECRET"


# --- how it is set up


def test_the_addresses_are_those_of_cloud66() -> None:
    client = Cloud66OAuth2Client()
    assert client.endpoints.authorize == "https://app.cloud66.com/oauth/authorize"
    assert client.endpoints.token == "https://app.cloud66.com/oauth/token"
    assert client.endpoints.revoke == "https://app.cloud66.com/oauth/revoke"
    assert str(client.base_url).rstrip("/") == "https://app.cloud66.com/api/3"


async def test_a_server_may_have_its_endpoints_elsewhere(make: Make, server: Server) -> None:
    server.replies |= {"/token": TOKEN, "/gone": as_json(), "/v3/me": as_json(response=1)}
    client = make(
        authorize_url=f"{server.url}/auth",
        token_url=f"{server.url}/token",
        revoke_url=f"{server.url}/gone",
        api_url=f"{server.url}/v3",
    )
    login = client.login()
    assert login.url.startswith(f"{server.url}/auth?")
    client.token = await client.finish_login(login, answer(login))
    assert (await client.get("me")).json() == {"response": 1}
    await client.revoke()
    assert [asked.path for asked in server.asked] == ["/token", "/v3/me", "/gone"]


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
def test_an_address_must_be_https(name: str, url: str) -> None:
    address: dict[str, Any] = {name: url}
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client(**address)


async def test_an_address_given_to_a_call_must_be_https(client: Cloud66OAuth2Client, server: Server) -> None:
    evil = "http://attacker.example/oauth"
    with pytest.raises(ConfigError):
        client.create_authorization_url(evil)
    with pytest.raises(ConfigError):
        await client.fetch_token(evil, code="CODE-1")
    with pytest.raises(ConfigError):
        await client.revoke_token(evil, "TOKEN-1")
    assert server.asked == []


def test_authlib_cannot_guess_another_grant() -> None:
    client = Cloud66OAuth2Client(client_id="ID", client_secret="CLIENT-SECRET")
    assert client.metadata == {"grant_type": "authorization_code"}  # and no argument has gone astray


def test_two_redirect_urls_must_be_one() -> None:
    assert Cloud66OAuth2Client(redirect_url=REDIRECT, redirect_uri=REDIRECT).redirect_uri == REDIRECT
    with pytest.raises(ConfigError, match="must be equal"):
        Cloud66OAuth2Client(redirect_url=REDIRECT, redirect_uri=REDIRECT + "/")


def test_a_client_without_an_application_logs_nobody_in() -> None:
    with pytest.raises(ConfigError, match="client_id"):
        Cloud66OAuth2Client(redirect_url=REDIRECT).login()
    with pytest.raises(ConfigError, match="redirect URL"):
        Cloud66OAuth2Client(client_id="ID").login()


@pytest.mark.parametrize("name", ["app", "proxies", "params", "auth", "client", "token_placement", "clientid"])
def test_unknown_arguments_are_refused_and_leave_no_noise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown: dict[str, Any] = {name: "x"}
    noise: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", noise.append)
    with pytest.raises(TypeError):
        Cloud66OAuth2Client(**unknown)
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client(url="http://attacker.example")
    with pytest.raises(ConfigError):
        Cloud66OAuth2Client(token="two words")
    gc.collect()
    assert noise == []


async def test_the_clients_scope_is_the_default(make: Make) -> None:
    client = make(scope=["public", "jobs"], scope_separator=",")
    assert query(client.login().url)["scope"] == "public,jobs"
    assert query(client.login(scope="users").url)["scope"] == "users"
    assert query(client.create_authorization_url()[0])["scope"] == "public,jobs"


def test_a_client_shows_nothing_and_stays_where_it_is(make: Make) -> None:
    client = make(token="TOKEN-1")
    for shown in (repr(client), str(client), f"{client}", repr(vars(client)), repr(client.token)):
        assert "TOKEN-1" not in shown
        assert "CLIENT-SECRET" not in shown
    assert "with a token" in repr(client)
    assert client.client_secret == "CLIENT-SECRET"
    for move in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            move(client)


def test_errors_of_a_login_have_one_base() -> None:
    for kind in (StateMismatch, AccessDenied, TokenRequestFailed):
        assert issubclass(kind, LoginError)
        assert issubclass(kind, Cloud66Error)


def test_asked_is_strict() -> None:
    """The server of these tests does not overlook a doubled parameter."""
    with pytest.raises(AssertionError):
        _ = Asked("POST", "/", [], b"a=1&a=2").form
