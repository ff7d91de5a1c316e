"""JWTs: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import base64
import json

import pytest

from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .wire import sent

DOCUMENTED: Documented = {}

# --- wire form -----------------------------------------------------------------------------------


async def test_request() -> None:
    found = await sent(lambda c66: c66.jwts.fetch(scope="read", aud="registry"), "eyJ")
    assert found == ("POST", "/jwt/fetch.json", {"scope": "read", "aud": "registry"})


async def test_response_is_a_bare_string() -> None:
    async with client(Script(make_response({"response": "eyJ.hush"}))) as c66:
        found = await c66.jwts.fetch(scope="read", aud="registry")
    assert found.reveal() == "eyJ.hush"
    assert "hush" not in repr(found)


# --- sandbox -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"scope": "read"}, {"scope": "", "aud": "registry"}])
def test_incomplete_requests_are_rejected(call: Caller, body: dict[str, str]) -> None:
    assert error_code(call("POST", "/jwt/fetch.json", body)) == "bad_request"


def test_content_of_a_jwt(fake: FakeCloud66, call: Caller) -> None:
    jwt = call.send("POST", "/jwt/fetch.json", {"scope": "read", "aud": "registry"})
    claims = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
    assert (claims["scope"], claims["aud"], claims["sub"]) == ("read", "registry", "ada@example.com")
    assert claims["exp"] - claims["iat"] == 600
    assert claims["iat"] == int(fake.clock.now().timestamp())


# --- story ---------------------------------------------------------------------------------------


async def test_jwt_is_fetched(connected: Connected) -> None:
    _, c66 = connected
    assert (await c66.jwts.fetch(scope="read", aud="registry")).reveal().count(".") == 2
