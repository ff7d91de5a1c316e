"""Secrets in what crash reporters, tracebacks and pretty-printers show."""

from __future__ import annotations

import copy
import io
import json
import pickle
from typing import Any

import pytest
from rich.console import Console

from cloud66_async import Cloud66
from cloud66_async.errors import APIError, Cloud66Error, LoginError, TokenRequestFailed
from cloud66_async.oauth import Cloud66OAuth2Client, Login
from cloud66_async.oauth.bearer import MaskedToken
from cloud66_async.secret import Secret

from .conftest import REDIRECT, Make, client_token
from .evidence import error_output, package_locals, shown
from .server import Reply, Server, as_json

CODE = "CODE-planted"
TOKEN = "TOKEN-planted"
CLIENT_SECRET = "CLIENT-SECRET"  # as in conftest.py


def assert_hidden(error: BaseException, login: Login | None = None) -> None:
    text = package_locals(error) + error_output(error)
    assert "self=" in text or "callback" in text  # there are frames to look into
    planted = [CODE, TOKEN, CLIENT_SECRET, *([] if login is None else [login.state, login.verifier or CODE])]
    assert [secret for secret in planted if secret in text] == []


REFUSED = {
    "another address": "http://example.com/callback?code={code}&state={state}",
    "another state": "code={code}&state=other",
    "denied": "error=access_denied&state={state}&code={code}",
    "code twice": "code={code}&code={code}&state={state}",
    "malformed": "code={code}&state={state}&state",
    "fragment": "code={code}#state={state}",
    "invalid code": "code={code}%20&state={state}",
    "nothing": "state={state}",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_callback_leaves_no_secret_in_the_frames(client: Cloud66OAuth2Client, name: str) -> None:
    for finish in (False, True):
        login = client.login()
        callback = REFUSED[name].format(code=CODE, state=login.state)
        with pytest.raises(LoginError) as caught:
            if finish:
                await client.finish_login(login, callback)
            else:
                await client.fetch_token(
                    authorization_response=callback, state=login.state, code_verifier=login.verifier
                )
        assert_hidden(caught.value, login)
    async with Cloud66(client_id="ID", client_secret=CLIENT_SECRET, redirect_url=REDIRECT) as c66:
        login = c66.login()
        with pytest.raises(LoginError) as caught:
            await c66.finish_login(login, REFUSED[name].format(code=CODE, state=login.state))
        assert_hidden(caught.value, login)


async def test_invalid_arguments_leave_no_secret_in_the_frames(client: Cloud66OAuth2Client) -> None:
    calls: list[dict[str, Any]] = [
        {"code": f"{CODE} "},
        {"code": CODE, "grant_type": "password"},
        {"code": CODE, "redirect_url": "https://a.example", "redirect_uri": "https://b.example"},
        {"authorization_response": f"code={CODE}"},
    ]
    for arguments in calls:
        with pytest.raises(Cloud66Error) as caught:
            await client.fetch_token(**arguments)
        assert_hidden(caught.value)


@pytest.mark.parametrize("field", ["scopes", "state", "created_at"])
def test_damaged_login_leaves_no_secret_in_the_frames(client: Cloud66OAuth2Client, field: str) -> None:
    login = client.login()
    stored = login.to_dict()
    del stored[field]
    with pytest.raises(LoginError) as caught:
        Login.from_dict(stored)
    text = package_locals(caught.value)
    assert login.state not in text
    assert (login.verifier or "") not in text


@pytest.mark.parametrize("reply", [Reply(cut=True), as_json(400, error="invalid_grant"), as_json(access_token="A B")])
async def test_failed_exchange_leaves_no_secret_in_the_frames(make: Make, server: Server, reply: Reply) -> None:
    server.replies["/oauth/token"] = reply
    client = make()
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught:
        await client.finish_login(login, {"code": CODE, "state": login.state})
    assert_hidden(caught.value, login)
    with pytest.raises(TokenRequestFailed) as caught:
        await client.fetch_token(code=CODE)
    assert_hidden(caught.value)


async def test_failing_on_token_leaves_no_secret_in_the_frames(make: Make, server: Server) -> None:
    def fail(token: object) -> None:
        raise RuntimeError("the store is full")

    server.replies["/oauth/token"] = as_json(access_token=TOKEN, refresh_token=CODE)
    client = make(on_token=fail)
    with pytest.raises(RuntimeError) as caught:
        await client.fetch_token(code=CODE)
    assert_hidden(caught.value)


# --- the token as Authlib stores it


def test_token_is_hidden_from_programs_that_walk_mappings(make: Make) -> None:
    token = client_token(make(token={"access_token": TOKEN, "refresh_token": CODE, "scope": "public"}))
    output = io.StringIO()
    Console(file=output).print(token, {"token": token})
    for text in (shown(token), shown({"token": [token]}), output.getvalue(), str(list(token.values()))):
        assert "public" in text or "Token" in text or "token" in text
        assert TOKEN not in text
        assert CODE not in text
    with pytest.raises(TypeError):
        json.dumps(token)  # rather than a mask that is stored in place of the token


def test_token_is_readable_as_in_authlib(make: Make) -> None:
    token = client_token(make(token={"access_token": TOKEN, "refresh_token": "", "scope": "public"}))
    fields = {"access_token": TOKEN, "refresh_token": "", "scope": "public"}
    assert token["access_token"] == token.get("access_token") == TOKEN
    assert dict(token) == {**token} == token == fields
    assert json.loads(json.dumps(dict(token))) == fields
    assert dict(token.items())["access_token"] == Secret(TOKEN)
    for copied in (copy.copy(token), copy.deepcopy(token), pickle.loads(pickle.dumps(token))):
        assert type(copied) is MaskedToken
        assert dict(copied) == fields


# --- secrets that the server repeats


@pytest.mark.parametrize(
    "reply",
    [
        as_json(401, error="invalid_token", details=f"token {TOKEN} is unknown"),
        as_json(403, error="forbidden", error_description=f"{TOKEN}"),
        Reply(status=401, headers=(("www-authenticate", f'Bearer error_description="{TOKEN} is unknown"'),)),
    ],
)
async def test_token_repeated_by_the_api_is_masked(make: Make, server: Server, reply: Reply) -> None:
    server.replies["/api/3/stacks.json"] = reply
    client = make(token=TOKEN)
    with pytest.raises(APIError) as caught:
        await client.get("stacks.json")
    assert "********" in error_output(caught.value)
    assert TOKEN not in error_output(caught.value)
    with pytest.raises(APIError) as caught:
        async with client.stream("GET", "stacks.json"):
            pass
    assert TOKEN not in error_output(caught.value)


async def test_secrets_repeated_by_the_revocation_endpoint_are_masked(make: Make, server: Server) -> None:
    server.replies["/oauth/revoke"] = as_json(403, error="x", error_description=f"{TOKEN} of {CLIENT_SECRET}")
    with pytest.raises(APIError) as caught:
        await make().revoke(TOKEN)
    assert "******** of ********" in str(caught.value)
    assert_hidden(caught.value)
