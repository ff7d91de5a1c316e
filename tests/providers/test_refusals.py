"""Logins that fail at third-party servers: errors, their messages, and requests that must not be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from cloud66_async import Cloud66
from cloud66_async.errors import AccessDenied, Cloud66Error, LoginError, StateMismatch, TokenRequestFailed
from cloud66_async.oauth import Cloud66OAuth2Client, Login, login_with_browser

from ..oauth.evidence import error_output, package_locals
from ..support import packet, wire
from .browser import Browser
from .conftest import REDIRECT, Vault
from .provider import Provider, secret_of

pytestmark = pytest.mark.slow


class Exchanges(list[str]):
    """The URLs that a form was sent to."""


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch, vault: Vault) -> Exchanges:
    seen = Exchanges()
    original = Cloud66OAuth2Client._post  # already wrapped by the vault

    async def post(client: Cloud66OAuth2Client, url: str, form: object) -> object:
        seen.append(url)
        return await original(client, url, form)  # type: ignore[arg-type]

    monkeypatch.setattr(Cloud66OAuth2Client, "_post", post)
    return seen


async def rejected(work: Awaitable[object], vault: Vault, *secrets: str) -> TokenRequestFailed:
    """Return the error of `work`, and check that it contains no secret."""
    with pytest.raises(TokenRequestFailed) as caught:
        await work
    vault.add(*secrets)
    assert vault.found_in(error_output(caught.value) + package_locals(caught.value)) == set()
    return caught.value


@pytest.mark.parametrize("as_mapping", [False, True])
async def test_denied_access(c66: Cloud66, browser: Browser, exchanges: Exchanges, as_mapping: bool) -> None:
    login = c66.login()
    page = await browser.deny(login.url)
    with pytest.raises(AccessDenied, match="access_denied"):
        await c66.finish_login(login, page.query if as_mapping else page.url)
    assert exchanges == []


async def test_denied_access_in_the_authlib_flow(
    oauth: Cloud66OAuth2Client, browser: Browser, exchanges: Exchanges
) -> None:
    url, state = oauth.create_authorization_url()
    page = await browser.deny(url)
    with pytest.raises(AccessDenied):
        await oauth.fetch_token(authorization_response=page.url, state=state)
    assert oauth.token is None
    assert exchanges == []


async def test_denied_access_in_login_with_browser(c66: Cloud66, browser: Browser, exchanges: Exchanges) -> None:
    async def open_browser(url: str) -> None:
        await browser.visit((await browser.deny(url)).url)

    with pytest.raises(AccessDenied):
        await login_with_browser(c66, open_browser=open_browser)
    assert exchanges == []


async def test_callback_of_another_login(c66: Cloud66, browser: Browser, exchanges: Exchanges) -> None:
    login, other = c66.login(), c66.login()
    page = await browser.consent(other.url)
    with pytest.raises(StateMismatch):
        await c66.finish_login(login, page.url)
    assert exchanges == []
    await c66.finish_login(other, page.url)


async def test_callback_of_another_login_in_the_authlib_flow(
    oauth: Cloud66OAuth2Client, browser: Browser, exchanges: Exchanges
) -> None:
    url, _ = oauth.create_authorization_url()
    page = await browser.consent(url)
    for state in ("another", "", None):
        with pytest.raises(StateMismatch):
            await oauth.fetch_token(authorization_response=page.url, state=state)
    assert (oauth.token, exchanges) == (None, [])


async def test_code_used_twice(c66: Cloud66, browser: Browser, vault: Vault) -> None:
    login = c66.login()
    stored, page = login.to_dict(), await browser.consent(login.url)
    await c66.finish_login(login, page.url)
    with pytest.raises(LoginError, match="already used"):
        await c66.finish_login(login, page.url)
    error = await rejected(c66.finish_login(Login.from_dict(stored), page.url), vault, page.query["code"])
    assert error.code == "invalid_grant"
    assert "log in again" in str(error)


async def test_expired_code(provider: Provider, c66: Cloud66, browser: Browser, vault: Vault) -> None:
    login = c66.login()
    page = await browser.consent(login.url)
    assert (await browser.post(f"{provider.url}/test/age")).status == 204
    error = await rejected(c66.finish_login(login, page.url), vault, page.query["code"])
    assert (error.code, error.status) == ("invalid_grant", 400)


async def test_stolen_code(provider: Provider, c66: Cloud66, browser: Browser, vault: Vault) -> None:
    if not provider.kind.pkce:
        pytest.skip("this server has no PKCE")
    login, other = c66.login(), c66.login()
    page = await browser.consent(other.url)
    forged = {"code": page.query["code"], "state": login.state}
    error = await rejected(c66.finish_login(login, forged), vault, page.query["code"])
    assert error.code == "invalid_grant"


async def test_code_of_another_application(connect: Callable[..., Cloud66], browser: Browser, vault: Vault) -> None:
    login = connect("other").login()
    page = await browser.consent(login.url)
    error = await rejected(connect("app").finish_login(login, page.url), vault, page.query["code"])
    assert error.code == "invalid_grant"


async def test_different_redirect_url(c66: Cloud66, oauth: Cloud66OAuth2Client, browser: Browser, vault: Vault) -> None:
    url, _ = oauth.create_authorization_url()
    page = await browser.consent(url)
    work = oauth.fetch_token(code=page.query["code"], redirect_url="http://127.0.0.1/callback")
    error = await rejected(work, vault, page.query["code"])
    assert error.code in ("invalid_grant", "invalid_request")
    assert oauth.token is None


async def test_wrong_client_secret(connect: Callable[..., Cloud66], browser: Browser, vault: Vault) -> None:
    wrong = secret_of("wrong")
    c66 = connect(client_secret=wrong)
    vault.add(wrong)
    login = c66.login()
    page = await browser.consent(login.url)
    error = await rejected(c66.finish_login(login, page.url), vault, page.query["code"])
    assert (error.code, error.status) == ("invalid_client", 401)
    assert "check client_id and client_secret" in str(error)


async def test_missing_client_secret(connect: Callable[..., Cloud66], browser: Browser, vault: Vault) -> None:
    c66 = connect(client_secret=None)
    login = c66.login()
    page = await browser.consent(login.url)
    error = await rejected(c66.finish_login(login, page.url), vault, page.query["code"])
    assert error.code == "invalid_client"


async def test_failed_exchange_keeps_the_earlier_token(
    oauth: Cloud66OAuth2Client, browser: Browser, vault: Vault
) -> None:
    url, _ = oauth.create_authorization_url()
    earlier = await oauth.fetch_token(code=(await browser.consent(url)).query["code"])
    code = secret_of("no-such-code")
    error = await rejected(oauth.fetch_token(code=code), vault, code)
    assert error.code == "invalid_grant"
    assert oauth.token is earlier
    assert (await oauth.get("stacks.json")).status_code == 200


async def test_unknown_scope(c66: Cloud66, browser: Browser, exchanges: Exchanges) -> None:
    """Accept each behavior: redirect with an error, omit the scope, or show an error page without a redirect."""
    login = c66.login(scope="public nonsense")
    page = await browser.consent(login.url)
    if "code" in page.query:
        assert (await c66.finish_login(login, page.url)).scopes == ("public",)
        return
    if page.url.startswith(REDIRECT):
        with pytest.raises(LoginError, match="invalid_scope"):
            await c66.finish_login(login, page.url)
    else:

        async def open_browser(url: str) -> None:
            await browser.consent(url)

        with pytest.raises(LoginError, match="no callback received"):
            await login_with_browser(c66, scope="public nonsense", open_browser=open_browser, timeout=1.0)
    assert exchanges == []


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_redirect_of_the_token_endpoint(
    provider: Provider, connect: Callable[..., Cloud66], browser: Browser, vault: Vault, status: str
) -> None:
    login = connect().login()
    page = await browser.consent(login.url)
    location = f"Location: {provider.url}/oauth/token"
    async with wire(lambda _: packet(b"", status, location)) as front:
        client = Cloud66OAuth2Client(
            client_id="app", client_secret=secret_of("app"), url=front.url, redirect_url=login.redirect_url
        )
        work = client.fetch_token(code=page.query["code"], code_verifier=login.verifier)
        error = await rejected(work, vault, page.query["code"])
        await client.aclose()
        assert len(front.received) == 1
    assert "redirects are not followed" in str(error)
    # The code was not sent to the server, so it is still valid.
    assert (await connect().finish_login(login, page.url)).reveal()


async def test_cancelled_exchange(c66: Cloud66, browser: Browser, exchanges: Exchanges) -> None:
    login = c66.login()
    page = await browser.consent(login.url)
    task = asyncio.create_task(c66.finish_login(login, page.url))
    while not exchanges:
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(LoginError, match="already used"):
        await c66.finish_login(login, page.url)
    again = c66.login()
    assert (await c66.finish_login(again, (await browser.consent(again.url)).url)).reveal()
    assert len(exchanges) == 2


async def test_unreachable_server(connect: Callable[..., Cloud66], browser: Browser, vault: Vault) -> None:
    code = secret_of("some-code")
    async with wire() as gone:
        url = gone.url
    client = Cloud66OAuth2Client(client_id="app", client_secret=secret_of("app"), url=url, redirect_url=REDIRECT)
    with pytest.raises(TokenRequestFailed) as caught:
        await client.fetch_token(code=code)
    vault.add(code)
    await client.aclose()
    assert caught.value.status is None
    assert urlsplit(url).netloc in str(caught.value)
    assert vault.found_in(error_output(caught.value) + package_locals(caught.value)) == set()


async def test_invalid_callbacks_raise_package_errors(c66: Cloud66) -> None:
    for callback in (
        "",
        "code=1",
        "?code=1&state=2",
        "https://app.example/callback#access_token=x",
        "https://x.example/?error=1",
    ):
        with pytest.raises(Cloud66Error):
            await c66.finish_login(c66.login(), callback)
