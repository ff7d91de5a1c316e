"""The client's own token."""

from __future__ import annotations

import pprint
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud66_async.errors import (
    ConfigError,
)
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.token import Token

from .conftest import STACKS, Make, client_token
from .server import Server, as_json


@pytest.mark.parametrize(
    "token",
    [
        "TOKEN-1",
        " TOKEN-1\n",
        Token("TOKEN-1"),
        {"access_token": "TOKEN-1"},
        {"access_token": " TOKEN-1 ", "token_type": "BEARER", "expires_in": None},
        {"access_token": "TOKEN-1", "token_type": None, "expires_at": "never", "expires_in": "never"},
    ],
)
async def test_every_token_format_is_accepted(client: Cloud66OAuth2Client, server: Server, token: Any) -> None:
    server.replies[STACKS] = as_json()
    client.token = token
    await client.get("stacks.json")
    assert server.requests[0].header("authorization") == "Bearer TOKEN-1"


@pytest.mark.parametrize(
    "token",
    [
        *("", " ", "TO KEN", "TOKEN\r\nX-Evil: 1", "TOKEN\né", "tökén", 5, [], {}),
        *({"access_token": None}, {"access_token": "A B"}, {"access_token": "A", "token_type": "mac"}),
        *({"access_token": "A", "token_type": 5}, {"token": "A"}),
    ],
)
def test_invalid_token_is_rejected(make: Make, token: Any) -> None:
    client = make(token="EARLIER")
    with pytest.raises(ConfigError):
        client.token = token
    assert client_token(client)["access_token"] == "EARLIER"
    with pytest.raises(ConfigError):
        make(token=token)


def test_callers_dict_is_not_modified(client: Cloud66OAuth2Client) -> None:
    given = {"access_token": "TOKEN-1", "expires_in": 60}
    client.token = given
    assert given == {"access_token": "TOKEN-1", "expires_in": 60}
    given["access_token"] = "OTHER"
    assert client_token(client)["access_token"] == "TOKEN-1"
    assert client_token(client)["expires_at"] > 0


def test_scopes_and_expiry_of_a_token_are_stored(client: Cloud66OAuth2Client) -> None:
    expiry = datetime(2030, 1, 1, tzinfo=UTC)
    client.token = Token("TOKEN-1", scopes=("public", "jobs"), expires_at=expiry)
    assert client_token(client)["scope"] == "public jobs"
    assert client_token(client)["expires_at"] == int(expiry.timestamp())


def test_token_is_redacted(make: Make) -> None:
    token = client_token(make(token="TOKEN-1"))
    for shown in (repr(token), str(token), f"{token}", f"{token!r}", pprint.pformat({"t": token})):
        assert "TOKEN-1" not in shown
    assert dict(token)["access_token"] == "TOKEN-1"
