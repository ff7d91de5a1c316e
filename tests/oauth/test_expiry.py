"""Expiry of tokens in every form in which servers and other programs write it, for both clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cloud66_async import Cloud66, Retry, Token
from cloud66_async.errors import ConfigError, LoginError, TokenRequestFailed
from cloud66_async.oauth import Cloud66OAuth2Client

from .clocks import ManualClock
from .conftest import REDIRECT
from .server import Reply, Server, as_json, form

PAST, FUTURE = 1_577_836_800, 4_102_444_800  # 2020 and 2100
EXPIRED: dict[str, Any] = {
    "seconds": PAST,
    "float": PAST + 0.5,
    "text": str(PAST),
    "milliseconds": PAST * 1000,
    "milliseconds as text": str(PAST * 1000),
    "zero": 0,
    "negative": -1,
    "iso 8601": "2020-01-01T00:00:00Z",
    "iso 8601 without a timezone": "2020-01-01T00:00:00",
}
VALID: dict[str, Any] = {
    "seconds": FUTURE,
    "float": FUTURE + 0.5,
    "text": f" {FUTURE} ",
    "milliseconds": FUTURE * 1000,
    "milliseconds as text": str(FUTURE * 1000),
    "iso 8601": "2100-01-01T00:00:00+02:00",
    "end of time": "9999-12-31T23:59:59Z",
    "never": "never",
    "empty": "",
    "null": None,
}
INVALID: dict[str, Any] = {
    "out of range": 10**18,
    "too long": "9" * 400,
    "infinite": "inf",
    "not a number": "nan",
    "boolean": True,
    "list": [PAST],
    "word": "soon",
    "13th month": "2020-13-01",
}
DATETIMES = {
    "datetime": datetime(2020, 1, 1, tzinfo=UTC),
    "another timezone": datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    "first year": datetime(1, 1, 1, tzinfo=UTC),
}


def client_of(server: Server, clock: ManualClock, token: Any = None) -> Cloud66OAuth2Client:
    return Cloud66OAuth2Client("ID", redirect_url=REDIRECT, url=server.url, clock=clock, token=token)


async def call_with_both(server: Server, clock: ManualClock, token: Token, fields: Any) -> None:
    """Send a request with each client, and check that both are sent or both raise LoginError."""
    server.replies["/api/3/stacks.json"] = as_json(response=[])
    outcomes: list[bool] = []
    senders: list[Callable[[], Awaitable[None]]] = [
        lambda: _with_cloud66(server, clock, token),
        lambda: _with_oauth_client(server, clock, fields),
        lambda: _with_oauth_client(server, clock, token),
    ]
    for send in senders:
        before = len(server.requests)
        try:
            await send()
        except LoginError:
            assert len(server.requests) == before
            outcomes.append(False)
        else:
            outcomes.append(True)
    assert len(set(outcomes)) == 1
    if not outcomes[0]:
        raise LoginError


async def _with_cloud66(server: Server, clock: ManualClock, token: Token) -> None:
    async with Cloud66(token, url=server.url, clock=clock) as c66:
        await c66.stacks.list()
        await c66.using(token=token).stacks.list()


async def _with_oauth_client(server: Server, clock: ManualClock, token: Any) -> None:
    async with client_of(server, clock, token) as client:
        await client.get("stacks.json")
        async with client.stream("GET", "stacks.json"):
            pass


async def token_of(server: Server, clock: ManualClock, reply: Reply) -> tuple[Token, Any]:
    """Return the token that both ways of logging in read from this response."""
    server.replies["/oauth/token"] = reply
    async with client_of(server, clock) as client:
        login = client.login()
        token = await client.finish_login(login, {"code": "CODE-1", "state": login.state})
        return token, await client.fetch_token(code="CODE-1")


@pytest.mark.parametrize("name", EXPIRED)
async def test_expired_token_of_a_response_is_not_sent(server: Server, clock: ManualClock, name: str) -> None:
    token, fields = await token_of(server, clock, as_json(access_token="TOKEN-1", expires_at=EXPIRED[name]))
    with pytest.raises(LoginError):
        await call_with_both(server, clock, token, fields)
    with pytest.raises(LoginError, match="expired"):
        await _with_oauth_client(server, clock, {"access_token": "TOKEN-1", "expires_at": EXPIRED[name]})


@pytest.mark.parametrize("name", VALID)
async def test_valid_token_of_a_response_is_sent(server: Server, clock: ManualClock, name: str) -> None:
    token, fields = await token_of(server, clock, as_json(access_token="TOKEN-1", expires_at=VALID[name]))
    await call_with_both(server, clock, token, fields)
    await call_with_both(server, clock, token, {"access_token": "TOKEN-1", "expires_at": VALID[name]})


@pytest.mark.parametrize("name", INVALID)
async def test_invalid_expiry_is_rejected(server: Server, clock: ManualClock, name: str) -> None:
    with pytest.raises(TokenRequestFailed, match="expires_at"):
        await token_of(server, clock, as_json(access_token="TOKEN-1", expires_at=INVALID[name]))
    with pytest.raises(ConfigError, match="expiry"):
        client_of(server, clock, {"access_token": "TOKEN-1", "expires_at": INVALID[name]})
    with pytest.raises(ConfigError, match="expiry"):
        Token("TOKEN-1", expires_at=INVALID[name])


@pytest.mark.parametrize("name", DATETIMES)
async def test_expired_datetime_is_not_sent(server: Server, clock: ManualClock, name: str) -> None:
    token = Token("TOKEN-1", expires_at=DATETIMES[name])
    with pytest.raises(LoginError):
        await call_with_both(server, clock, token, {"access_token": "TOKEN-1", "expires_at": DATETIMES[name]})


def test_datetime_without_timezone_is_rejected(server: Server, clock: ManualClock) -> None:
    naive = datetime(2100, 1, 1)  # noqa: DTZ001
    with pytest.raises(ConfigError, match="timezone"):
        Token("TOKEN-1", expires_at=naive)
    with pytest.raises(ConfigError, match="timezone"):
        client_of(server, clock, {"access_token": "TOKEN-1", "expires_at": naive})


@pytest.mark.parametrize("expires_in", [10**12, 10**15, 1e308, "999999999999999999999", "-1", 0])
@pytest.mark.parametrize("reply", [as_json, form])
async def test_lifetime_beyond_every_calendar_does_not_expire(
    server: Server, clock: ManualClock, expires_in: Any, reply: Callable[..., Reply]
) -> None:
    token, fields = await token_of(server, clock, reply(access_token="TOKEN-1", expires_in=expires_in))
    assert token.expires_at is None
    assert "expires_at" not in fields
    await call_with_both(server, clock, token, fields)


async def test_token_that_expires_is_sent_until_then(server: Server, clock: ManualClock) -> None:
    token, fields = await token_of(server, clock, as_json(access_token="TOKEN-1", expires_in=60, expires_at=PAST))
    clock.advance(59)
    await call_with_both(server, clock, token, fields)
    clock.advance(1)
    with pytest.raises(LoginError):
        await call_with_both(server, clock, token, fields)


async def test_token_that_expires_in_use_is_not_sent(server: Server, clock: ManualClock) -> None:
    server.replies["/api/3/stacks.json"] = as_json(response=[])
    expires_at = clock.now() + timedelta(seconds=60)
    async with Cloud66(Token("TOKEN-1", expires_at=expires_at), url=server.url, clock=clock) as c66:
        view = c66.using(account=7)
        for client in (c66, view):
            await client.stacks.list()
        clock.advance(60)
        for client in (c66, view):
            with pytest.raises(LoginError, match="expired"):
                await client.stacks.list()
    assert len(server.requests) == 2


async def test_expired_token_is_not_sent_by_a_retry(server: Server, clock: ManualClock) -> None:
    token = Token("TOKEN-1", expires_at=clock.now() + timedelta(seconds=1))
    async with Cloud66(token, url=server.url, clock=clock, retry=Retry(attempts=2, base=60.0)) as c66:
        server.replies["/api/3/stacks.json"] = Reply(status=503, headers=(("retry-after", "5"),))
        with pytest.raises(LoginError, match="expired"):
            await c66.stacks.list()
    assert len(server.requests) == 1


async def test_scopes_in_a_list_are_those_of_both_tokens(server: Server, clock: ManualClock) -> None:
    token, fields = await token_of(server, clock, as_json(201, access_token="TOKEN-1", scope=["public", "jobs"]))
    assert token.scopes == ("public", "jobs")
    assert fields["scope"] == "public jobs"
