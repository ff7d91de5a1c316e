"""Which servers receive tokens, codes and secrets. A proxy on a local port stands for the network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cloud66_async import Cloud66
from cloud66_async.errors import ConfigError
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.oauth.callback import OUT_OF_BAND

from .server import Server, as_json

ELSEWHERE = "http://elsewhere.example/oauth"
OTHER = "https://cloud66.example"

Send = Callable[[Cloud66OAuth2Client], Awaitable[object]]


async def streamed(client: Cloud66OAuth2Client) -> None:
    async with client.stream("POST", ELSEWHERE, withhold_token=True, content=b"SECRET"):
        raise AssertionError


SENDERS: dict[str, Send] = {
    "introspect_token": lambda client: client.introspect_token(ELSEWHERE, token="TOKEN-1"),
    "revoke_token": lambda client: client.revoke_token(ELSEWHERE, "TOKEN-1"),
    "fetch_token": lambda client: client.fetch_token(ELSEWHERE, code="CODE-1"),
    "refresh_token": lambda client: client.refresh_token(ELSEWHERE, "REFRESH-1"),
    "request": lambda client: client.request("POST", ELSEWHERE, withhold_token=True, content=b"SECRET"),
    "request with auth": lambda client: client.request("POST", ELSEWHERE, auth=("user", "SECRET")),
    "get": lambda client: client.get(ELSEWHERE),
    "stream": streamed,
    "send": lambda client: client.send(client.build_request("POST", ELSEWHERE, content=b"SECRET")),
}


@pytest.mark.parametrize("name", SENDERS)
async def test_nothing_is_sent_unencrypted(server: Server, name: str) -> None:
    async with Cloud66OAuth2Client("ID", "CLIENT-SECRET", token="TOKEN-1", proxy=server.url) as client:
        with pytest.raises(ConfigError):
            await SENDERS[name](client)
    assert server.requests == []


async def test_introspection_uses_the_clients_own_token(server: Server) -> None:
    server.replies["/oauth/introspect"] = as_json(active=True)
    async with Cloud66OAuth2Client("ID", token="TOKEN-1", url=server.url) as client:
        response = await client.introspect_token(f"{server.url}/oauth/introspect")
        assert response.json() == {"active": True}
    assert server.requests[0].form == {"token": "TOKEN-1", "token_type_hint": "access_token", "client_id": "ID"}
    async with Cloud66OAuth2Client("ID") as client:
        with pytest.raises(ConfigError, match="no token to introspect"):
            await client.introspect_token(f"{server.url}/oauth/introspect")


def test_other_client_authentication_is_rejected() -> None:
    with pytest.raises(ConfigError, match="only client_secret_post"):
        Cloud66OAuth2Client("ID").register_client_auth_method(("client_secret_jwt", object()))


# --- endpoints on several servers


async def forgotten(server: Server, send: Send, **urls: Any) -> None:
    """Check that `send` raises for an endpoint that was not given, and that nothing was sent."""
    async with Cloud66OAuth2Client("ID", "CLIENT-SECRET", token="TOKEN-1", url=server.url, **urls) as client:
        with pytest.raises(ConfigError, match=r"pass (token|revoke|api)_url"):
            await send(client)
    assert server.requests == []


@pytest.mark.parametrize("name", ["authorize_url", "token_url", "api_url"])
async def test_revoke_requires_its_url(server: Server, name: str) -> None:
    await forgotten(server, lambda client: client.revoke(), **{name: f"{OTHER}/x"})
    await forgotten(server, lambda client: client.revoke("TOKEN-2"), **{name: f"{OTHER}/x"})


async def test_code_is_not_sent_to_a_server_that_did_not_issue_it(server: Server) -> None:
    async def log_in(client: Cloud66OAuth2Client) -> None:
        login = client.login(redirect_url="https://app.example/callback")
        await client.finish_login(login, {"code": "CODE-1", "state": login.state})

    await forgotten(server, log_in, authorize_url=f"{OTHER}/authorize")
    await forgotten(server, lambda client: client.fetch_token(code="CODE-1"), authorize_url=f"{OTHER}/authorize")


async def test_token_is_not_sent_to_an_api_that_did_not_issue_it(server: Server) -> None:
    await forgotten(server, lambda client: client.get("stacks.json"), token_url=f"{OTHER}/token")


async def test_complete_set_of_endpoints_may_use_several_servers(server: Server) -> None:
    server.replies["/gone"] = as_json()
    urls: dict[str, Any] = {"api_url": f"{OTHER}/api", "revoke_url": f"{server.url}/gone"}
    async with Cloud66OAuth2Client("ID", token="TOKEN-1", **urls) as client:
        await client.revoke()
    assert [request.path for request in server.requests] == ["/gone"]


# --- redirect URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://intranet.example/callback",
        "http://127.0.0.1.attacker.example/callback",
        "http://localhost@attacker.example/callback",
        "https://[::1/callback",
        "https://app.example:99999/callback",
        "https://app.example:port/callback",
        "https://app.example:0/callback",
        "https://app.example/a b",
        "https://app.example/\n",
        "https:///callback",
        "http:callback",
        "/callback",
    ],
)
async def test_unsafe_or_invalid_redirect_url_is_rejected(url: str) -> None:
    async with Cloud66(client_id="ID", redirect_url=url) as c66:
        with pytest.raises(ConfigError, match="redirect URL"):
            c66.login()
    with pytest.raises(ConfigError, match="redirect URL"):
        Cloud66OAuth2Client("ID", redirect_url=url).create_authorization_url()


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/callback",
        "http://127.0.0.1/callback",
        "http://[::1]:8000/callback",
        "http://localhost:8000/callback",
        "myapp:/callback",
        OUT_OF_BAND,
    ],
)
def test_safe_redirect_url_is_accepted(url: str) -> None:
    assert Cloud66OAuth2Client("ID", redirect_url=url).login().redirect_url == url
