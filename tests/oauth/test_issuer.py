"""The issuer in a callback (RFC 9207): a code of one server is not sent to another one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from cloud66_async import Cloud66
from cloud66_async.errors import AccessDenied, ConfigError, LoginError, StateMismatch
from cloud66_async.oauth import Cloud66OAuth2Client, Login, login_with_browser, login_with_code
from cloud66_async.token import Token

from .browsing import Browser, get, status
from .conftest import Make, callback_url
from .evidence import error_output
from .server import Server

ISSUER = "https://login.example/tenant"
OTHER_ISSUERS = {
    "another server": "https://evil.example",
    "trailing slash": f"{ISSUER}/",
    "another case": ISSUER.replace("tenant", "Tenant"),
    "explicit port": ISSUER.replace("example", "example:443"),
    "prefix": ISSUER[:-1],
    "empty": "",
    "space": f"{ISSUER} ",
}


def add_issuer(callback: str, issuer: str) -> str:
    return f"{callback}&iss={quote(issuer, safe='')}"


def denial(login: Login) -> str:
    return f"{login.redirect_url}?error=access_denied&state={login.state}"


async def test_expected_issuer_is_accepted(make: Make, server: Server) -> None:
    client = make(expected_issuer=ISSUER)
    login = Login.from_dict(json.loads(json.dumps(client.login().to_dict())))
    assert await client.finish_login(login, add_issuer(callback_url(login), ISSUER)) == Token("TOKEN-1")
    denied = client.login()
    with pytest.raises(AccessDenied):
        await client.finish_login(denied, add_issuer(denial(denied), ISSUER))


@pytest.mark.parametrize("make_callback", [callback_url, denial])
@pytest.mark.parametrize("name", OTHER_ISSUERS)
async def test_other_issuer_is_rejected(make: Make, server: Server, name: str, make_callback: Any) -> None:
    client = make(expected_issuer=ISSUER)
    login = Login.from_dict(client.login().to_dict())  # the issuer belongs to the login, as the state does
    with pytest.raises(LoginError, match="invalid callback: its issuer is") as caught:
        await client.finish_login(login, add_issuer(make_callback(login), OTHER_ISSUERS[name]))
    assert not isinstance(caught.value, AccessDenied)
    assert "CODE-1" not in error_output(caught.value)
    with pytest.raises(LoginError, match="already used"):
        await client.finish_login(login, add_issuer(callback_url(login), ISSUER))
    assert server.requests == []


@pytest.mark.parametrize("make_callback", [callback_url, denial])
async def test_missing_issuer_is_rejected(make: Make, server: Server, make_callback: Any) -> None:
    client = make(expected_issuer=ISSUER)
    login = client.login()
    with pytest.raises(LoginError, match=r"it has no issuer \(iss\), expected 'https://login.example/tenant'"):
        await client.finish_login(login, make_callback(login))
    assert server.requests == []


@pytest.mark.parametrize("expected", [None, ISSUER])
async def test_repeated_issuer_is_rejected(make: Make, server: Server, expected: str | None) -> None:
    client = make(expected_issuer=expected)
    issuer = expected or server.url
    login = client.login()
    with pytest.raises(LoginError, match="'iss' occurs more than once"):
        await client.finish_login(login, add_issuer(add_issuer(callback_url(login), issuer), issuer))
    with pytest.raises(LoginError, match="'iss' occurs more than once"):
        await client.finish_login(login, {"code": "CODE-1", "state": login.state, "iss": [issuer, issuer]})
    assert server.requests == []


@pytest.mark.parametrize("path", ["", "/", "/tenant"])
async def test_issuer_at_the_origin_of_the_consent_page_needs_no_setting(
    client: Cloud66OAuth2Client, server: Server, path: str
) -> None:
    login = client.login()
    assert await client.finish_login(login, add_issuer(callback_url(login), server.url + path)) == Token("TOKEN-1")


@pytest.mark.parametrize("make_callback", [callback_url, denial])
@pytest.mark.parametrize(
    "issuer", ["https://app.cloud66.com", "http://127.0.0.1", "http://[::1", "server", "", "http:"]
)
async def test_code_of_another_server_is_not_sent_although_no_issuer_is_expected(
    client: Cloud66OAuth2Client, server: Server, issuer: str, make_callback: Any
) -> None:
    """The mix-up attack: the user started a login at this server, which redirected them to an honest one."""
    login = client.login()
    with pytest.raises(LoginError, match="is not at the origin of the consent page") as caught:
        await client.finish_login(login, add_issuer(make_callback(login), issuer))
    assert not isinstance(caught.value, AccessDenied)
    assert server.requests == []


async def test_state_is_compared_before_the_issuer(make: Make, server: Server) -> None:
    client = make(expected_issuer=ISSUER)
    login, another = client.login(), client.login()
    with pytest.raises(StateMismatch):
        await client.finish_login(login, add_issuer(callback_url(another), "https://evil.example"))
    assert await client.finish_login(login, add_issuer(callback_url(login), ISSUER)) == Token("TOKEN-1")


@pytest.mark.parametrize("expected", [None, ISSUER])
async def test_fetch_token_compares_the_issuer(make: Make, server: Server, expected: str | None) -> None:
    client = make(expected_issuer=expected)
    login = client.login()
    for parameters in (f"code=CODE-1&state={login.state}", f"error=access_denied&state={login.state}"):
        callback = add_issuer(parameters, "https://evil.example")
        with pytest.raises(LoginError, match="issuer"):
            await client.fetch_token(authorization_response=callback, state=login.state)
    assert server.requests == []
    callback = add_issuer(f"code=CODE-1&state={login.state}", expected or server.url)
    await client.fetch_token(authorization_response=callback, state=login.state)
    assert len(server.requests) == 1


async def test_cloud66_compares_the_issuer(server: Server) -> None:
    options: dict[str, Any] = {"client_id": "ID", "redirect_url": "https://app.example/callback", "url": server.url}
    async with Cloud66(expected_issuer=ISSUER, **options) as c66:
        login, another = c66.login(), c66.login()
        with pytest.raises(LoginError, match="it has no issuer"):
            await c66.finish_login(login, callback_url(login))
        assert server.requests == []
        assert await c66.finish_login(another, add_issuer(callback_url(another), ISSUER)) == Token("TOKEN-1")
    async with Cloud66(expected_issuer="http://login.example", **options) as c66:
        with pytest.raises(ConfigError):
            c66.login()


async def test_wrong_issuer_ends_a_browser_login(make: Make, server: Server) -> None:
    async def visit(port: int, path: str, state: str) -> None:
        assert status(await get(port, add_issuer(f"{path}?code=CODE-1&state={state}", "https://evil.example"))) == 200

    for expected in (None, ISSUER):
        with pytest.raises(LoginError, match="issuer"):
            await login_with_browser(make(expected_issuer=expected), open_browser=Browser(visit))
    assert server.requests == []


async def test_pasted_code_has_no_issuer(make: Make) -> None:
    client = make(expected_issuer=ISSUER)
    assert await login_with_code(client, ask=lambda _: "CODE-1") == Token("TOKEN-1")

    def paste_callback(url: str) -> str:
        state = url.partition("state=")[2].partition("&")[0]
        return f"?code=CODE-1&state={state}&iss=https%3A%2F%2Fevil.example"

    with pytest.raises(LoginError, match="its issuer is 'https://evil"):
        await login_with_code(client, ask=paste_callback)


def test_issuer_text_cannot_forge_log_lines(make: Make) -> None:
    login = make().login()
    with pytest.raises(LoginError) as caught:
        login.code({"code": "CODE-1", "state": login.state, "iss": "x\nERROR forged\x1b[2J" + "y" * 5000})
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "issuer", ["", "http://login.example", "login.example", "https://login.example/?a=b", "https://u@h"]
)
def test_expected_issuer_must_be_an_https_url(make: Make, issuer: str) -> None:
    with pytest.raises(ConfigError):
        make(expected_issuer=issuer)
