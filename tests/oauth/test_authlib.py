"""Authlib's own methods: their arguments, and what they must never do."""

from __future__ import annotations

from typing import Any

import pytest

from cloud66_async._http.library import AsyncOAuth2Client, httpx
from cloud66_async.errors import (
    ConfigError,
    LoginError,
    StateMismatch,
    TokenRequestFailed,
)
from cloud66_async.oauth import Cloud66OAuth2Client

from .conftest import REDIRECT, client_token, query
from .server import Server, as_json


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


async def test_revoke_token_returns_the_response(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/revoke"] = as_json(403, error="unauthorized_client")
    assert (await client.revoke_token(f"{server.url}/revoke", "TOKEN-5")).status_code == 403
    assert server.requests[0].form["token"] == "TOKEN-5"


async def test_authlib_introspection_works(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/introspect"] = as_json(active=True, exp=0)
    response = await client.introspect_token(f"{server.url}/oauth/introspect", token="TOKEN-5")
    assert response.json()["active"] is True
    assert server.requests[0].form["client_secret"] == "CLIENT-SECRET"
