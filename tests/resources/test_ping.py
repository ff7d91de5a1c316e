"""Ping: what is sent, what the sandbox does, and how it is used."""

from __future__ import annotations

import json

import pytest

from cloud66_async import Unauthenticated, models
from cloud66_async.models import Identity, Outcome
from cloud66_async.sandbox import FakeCloud66, Request

from ..sandbox.caller import Caller
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names

DOCUMENTED: Documented = {
    models.Identity: "ok message user_id user_name account_id account_name scope",
}


@pytest.mark.parametrize(("method", "target"), [("check", "/ping.json"), ("check_token", "/ping/auth.json")])
async def test_checks_send_get_requests(method: str, target: str) -> None:
    transport = Script(make_response({"response": {"ok": True, "message": "pong"}}))
    async with client(transport) as c66:
        found = await getattr(c66.ping, method)()
    assert found == (Outcome if method == "check" else Identity)(ok=True, message="pong")
    assert (transport.requests[0].method, transport.targets) == ("GET", [target])
    assert transport.requests[0].body is None


def test_only_the_check_of_the_token_requires_one(fake: FakeCloud66, call: Caller) -> None:
    reply = fake.handle(Request("GET", "/api/3/ping.json"))
    assert json.loads(reply.body) == {"response": {"ok": True, "message": "pong"}}
    assert fake.handle(Request("GET", "/api/3/ping/auth.json")).status == 401
    assert call.get("/ping/auth.json").keys() == field_names(Identity)


async def test_check_succeeds_with_an_invalid_token_and_check_token_does_not(connected: Connected) -> None:
    _, c66 = connected
    assert (await c66.ping.check()).ok
    identity = await c66.ping.check_token()
    assert (identity.ok, identity.user_name, identity.account_id) == (True, "ada@example.com", 1)
    assert identity.scope == "public redeploy jobs users admin"
    invalid = c66.using(token="unknown")
    assert (await invalid.ping.check()).ok
    with pytest.raises(Unauthenticated):
        await invalid.ping.check_token()
