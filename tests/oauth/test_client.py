"""Settings of the client."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from typing import Any

import pytest

from cloud66_async.errors import (
    AccessDenied,
    Cloud66Error,
    ConfigError,
    LoginError,
    StateMismatch,
    TokenRequestFailed,
)
from cloud66_async.oauth import Cloud66OAuth2Client

from .conftest import REDIRECT, Make, callback_url, query
from .server import TOKEN, ReceivedRequest, Server, as_json


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
