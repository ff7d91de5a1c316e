"""Responses to requests with a token that raise errors."""

from __future__ import annotations

import asyncio

import pytest

from cloud66_async.errors import (
    Forbidden,
    TransportError,
    TransportTimeout,
    Unauthenticated,
)
from cloud66_async.oauth import Cloud66OAuth2Client

from .conftest import STACKS, Make
from .evidence import error_output
from .server import Reply, Server, as_json

CHALLENGE = 'Bearer realm="Cloud 66", error="{}", error_description="{}"'
HTML = ("content-type", "text/html")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            Reply(
                status=401, headers=(HTML, ("WWW-Authenticate", CHALLENGE.format("invalid_token", "It was revoked")))
            ),
            "revoked",
        ),
        (as_json(401, error="invalid_token", error_description="It was revoked"), "revoked"),
        (Reply(status=401, headers=(HTML,)), "log in again"),
        (Reply(b"<html>no</html>", 401), "log in again"),
        (Reply(b"{", 401, (("WWW-Authenticate", "Bearer"),)), "log in again"),
    ],
)
async def test_rejected_token_raises_unauthenticated(
    user: Cloud66OAuth2Client, server: Server, reply: Reply, text: str
) -> None:
    server.replies[STACKS] = reply
    with pytest.raises(Unauthenticated, match=text) as caught:
        await user.get("stacks.json")
    assert caught.value.status == 401
    assert "TOKEN-1" not in error_output(caught.value)
    assert len(server.requests) == 1
    with pytest.raises(Unauthenticated, match=text):
        async with user.stream("GET", "stacks.json"):
            raise AssertionError


@pytest.mark.parametrize(
    ("reply", "scope"),
    [
        (
            Reply(status=403, headers=(("WWW-Authenticate", 'Bearer error="insufficient_scope", scope="redeploy"'),)),
            "redeploy",
        ),
        (Reply(status=403, headers=(HTML,)), None),
        (as_json(403, error="forbidden"), None),
    ],
)
async def test_missing_scope_raises_forbidden(
    user: Cloud66OAuth2Client, server: Server, reply: Reply, scope: str | None
) -> None:
    server.replies[STACKS] = reply
    with pytest.raises(Forbidden) as caught:
        await user.get("stacks.json")
    assert caught.value.scope == scope


async def test_other_statuses_are_returned(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = Reply(b"oops", 500)
    assert (await user.get("stacks.json")).status_code == 500
    server.replies[STACKS] = Reply(b"no", 401)
    assert (await user.request("GET", "stacks.json", withhold_token=True)).status_code == 401


async def test_long_error_body_is_truncated(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = Reply(b"x" * 3_000_000, 401)
    with pytest.raises(Unauthenticated) as caught:
        async with user.stream("GET", "stacks.json"):
            raise AssertionError
    assert caught.value.response is not None
    assert len(caught.value.response.body) <= 64 * 1024 + 1


async def test_network_errors_are_transport_errors(make: Make, server: Server) -> None:
    client = make(token="TOKEN-1", timeout=0.05)
    server.replies[STACKS] = Reply(b"half", cut=True)
    with pytest.raises(TransportError) as caught:
        await client.get("stacks.json")
    assert "TOKEN-1" not in error_output(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(TransportError) as caught:
        async with client.stream("GET", "stacks.json") as response:
            await response.aread()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    server.replies[STACKS] = Reply(wait=asyncio.Event())
    with pytest.raises(TransportTimeout) as late:
        await client.get("stacks.json")
    assert late.value.phase == "read"
    with pytest.raises(TransportError):
        await client.request("GET", "http://127.0.0.1:port/", withhold_token=True)
    gone = make(token="TOKEN-1", url="http://127.0.0.1:1")
    with pytest.raises(TransportError) as unsent:
        await gone.get("stacks.json")
    assert unsent.value.sent is False
