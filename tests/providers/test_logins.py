"""Successful logins at third-party servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from cloud66_async import Cloud66
from cloud66_async.errors import LoginError
from cloud66_async.oauth import Cloud66OAuth2Client, Login, login_with_browser, login_with_code
from cloud66_async.token import Token

from ..oauth.clocks import ManualClock
from .browser import Browser, Page, code_on
from .provider import Provider

pytestmark = pytest.mark.slow


async def user_of(c66: Cloud66, token: Token) -> str | None:
    """Return the name of the only stack that the token can see, which is that of its user."""
    (stack,) = await c66.using(token=token).stacks.list()
    return stack.name


@pytest.mark.parametrize("scope", ["public redeploy", "public,redeploy", ["public", "redeploy"]])
async def test_login(c66: Cloud66, browser: Browser, scope: str | list[str]) -> None:
    login = c66.login(scope=scope)
    page = await browser.consent(login.url)
    token = await c66.finish_login(Login.from_dict(login.to_dict()), page.url)
    assert token.scopes == ("public", "redeploy")
    assert await user_of(c66, token) == browser.user
    assert (await c66.using(token=token).stacks.redeploy("uid-of-" + browser.user)).ok is True


async def test_login_without_pkce(provider: Provider, connect: Callable[..., Cloud66], browser: Browser) -> None:
    c66 = connect(pkce=False)
    login = c66.login()
    assert "code_challenge" not in login.url
    token = await c66.finish_login(login, urlsplit((await browser.consent(login.url)).url).query)
    assert await user_of(c66, token) == browser.user


async def test_required_pkce(provider: Provider, connect: Callable[..., Cloud66], browser: Browser) -> None:
    if "strict" not in provider.kind.clients:
        pytest.skip("this server cannot require PKCE")
    c66 = connect("strict")
    login = c66.login()
    token = await c66.finish_login(login, (await browser.consent(login.url)).query)
    assert await user_of(c66, token) == browser.user
    without_pkce = connect("strict", pkce=False)
    login = without_pkce.login()
    page = await browser.consent(login.url)
    with pytest.raises(LoginError, match="invalid_request"):
        await without_pkce.finish_login(login, page.url)


async def test_application_without_secret(connect: Callable[..., Cloud66], browser: Browser) -> None:
    c66 = connect("public", client_secret=None)
    login = c66.login()
    token = await c66.finish_login(login, (await browser.consent(login.url)).url)
    assert await user_of(c66, token) == browser.user


async def test_application_registered_for_basic_authentication(
    provider: Provider, connect: Callable[..., Cloud66], browser: Browser
) -> None:
    if "basic" not in provider.kind.clients:
        pytest.skip("this server has no such application")
    c66 = connect("basic")
    login = c66.login()
    token = await c66.finish_login(login, (await browser.consent(login.url)).url)
    assert await user_of(c66, token) == browser.user


@pytest.mark.parametrize("by", ["the response", "the code", "the code and a verifier"])
async def test_authlib_flow(provider: Provider, oauth: Cloud66OAuth2Client, browser: Browser, by: str) -> None:
    verifier = "v" * 64 if "verifier" in by else None
    url, state = oauth.create_authorization_url(f"{provider.url}/oauth/authorize", code_verifier=verifier)
    page = await browser.consent(url)
    endpoint = f"{provider.url}/oauth/token"
    if by == "the response":
        token = await oauth.fetch_token(endpoint, authorization_response=page.url, state=state)
    else:
        assert page.query["state"] == state
        token = await oauth.fetch_token(code=page.query["code"], code_verifier=verifier)
    assert token is oauth.token
    assert sorted(token["scope"].split()) == ["public", "redeploy"]
    response = await oauth.get("stacks.json")
    assert response.json()["response"][0]["name"] == browser.user
    assert (await oauth.get(f"{provider.url}/api/3/stacks.json")).status_code == 200


async def test_authlib_flow_with_required_pkce(
    provider: Provider, connect_oauth: Callable[..., Cloud66OAuth2Client], browser: Browser
) -> None:
    if "strict" not in provider.kind.clients:
        pytest.skip("this server cannot require PKCE")
    oauth, verifier = connect_oauth("strict", scope="public"), "w" * 64
    url, state = oauth.create_authorization_url(code_verifier=verifier)
    page = await browser.consent(url)
    await oauth.fetch_token(authorization_response=page.url, state=state, code_verifier=verifier)
    assert (await oauth.get("stacks.json")).json()["response"][0]["name"] == browser.user


async def test_token_refresh(provider: Provider, oauth: Cloud66OAuth2Client, browser: Browser) -> None:
    url, _ = oauth.create_authorization_url()
    first = await oauth.fetch_token(code=(await browser.consent(url)).query["code"])
    if "refresh_token" not in first:
        with pytest.raises(LoginError, match="cannot be refreshed"):
            await oauth.refresh_token()
        return
    second = await oauth.refresh_token()
    assert second["access_token"] != first["access_token"]
    assert (await oauth.get("stacks.json")).status_code == 200


async def test_expired_token(connect_oauth: Callable[..., Cloud66OAuth2Client], browser: Browser) -> None:
    clock = ManualClock()
    oauth = connect_oauth(clock=clock, scope="public")
    url, _ = oauth.create_authorization_url()
    token = await oauth.fetch_token(code=(await browser.consent(url)).query["code"])
    assert (await oauth.get("stacks.json")).status_code == 200
    clock.advance(365 * 24 * 3600)
    if "expires_in" in token:
        with pytest.raises(LoginError, match="has expired"):
            await oauth.get("stacks.json")
    else:
        assert (await oauth.get("stacks.json")).status_code == 200


async def test_login_with_browser(c66: Cloud66, browser: Browser) -> None:
    shown: list[Page] = []

    async def open_browser(url: str) -> None:
        page = await browser.consent(url)
        shown.append(await Browser("local").visit(page.url))

    token = await login_with_browser(c66, scope="public redeploy", open_browser=open_browser)
    assert [page.status for page in shown] == [200]
    assert await user_of(c66, token) == browser.user


async def test_login_with_code(provider: Provider, c66: Cloud66, browser: Browser) -> None:
    if not provider.kind.out_of_band:
        pytest.skip("this server has no page that shows the code")

    async def ask(url: str) -> str:
        return f" {code_on(await browser.consent(url))}\n"

    token = await login_with_code(c66, scope="public redeploy", ask=ask)
    assert await user_of(c66, token) == browser.user


async def test_concurrent_users(c66: Cloud66) -> None:
    async def log_in(name: str) -> tuple[str, str | None]:
        login = c66.login()
        page = await Browser(name).consent(login.url)
        return name, await user_of(c66, await c66.finish_login(login, page.url))

    outcomes = await asyncio.gather(*(log_in(f"user{number}") for number in range(8)))
    assert [name for name, _ in outcomes] == [found for _, found in outcomes]


async def test_two_concurrent_logins_of_one_user(c66: Cloud66, browser: Browser) -> None:
    one, other = c66.login(), c66.login(scope="public redeploy")
    pages = [(await browser.consent(login.url)) for login in (other, one)]
    tokens = [await c66.finish_login(login, page.url) for login, page in zip((other, one), pages, strict=True)]
    assert tokens[0] != tokens[1]
    assert {await user_of(c66, token) for token in tokens} == {browser.user}
