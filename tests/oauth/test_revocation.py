"""The end of a token: expiry, refresh and revocation."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cloud66_async.errors import (
    APIError,
    ConfigError,
    Forbidden,
    LoginError,
    NotFound,
)
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.token import Token

from .clocks import ManualClock
from .conftest import Make, callback_url, client_token
from .evidence import error_output, package_locals
from .server import Server, as_json


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
