"""API requests with tokens of third-party servers, and the errors for rejected ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from cloud66_async import Cloud66
from cloud66_async._http.library import httpx
from cloud66_async.errors import APIError, ConfigError, Forbidden, TransportError, Unauthenticated
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.token import Token

from ..conftest import PoolName
from ..oauth.evidence import error_output, package_locals
from ..support import packet, wire
from .browser import Browser
from .conftest import REDIRECT, Vault
from .provider import Provider, secret_of

pytestmark = pytest.mark.slow

LogIn = Callable[..., Awaitable[Token]]


@pytest.fixture
def log_in(c66: Cloud66, browser: Browser) -> LogIn:
    async def log_in(scope: str = "public redeploy") -> Token:
        login = c66.login(scope=scope)
        return await c66.finish_login(login, (await browser.consent(login.url)).url)

    return log_in


@pytest.fixture
async def logged_in(oauth: Cloud66OAuth2Client, log_in: LogIn) -> Cloud66OAuth2Client:
    oauth.token = await log_in()
    return oauth


async def rejected(work: Awaitable[object], kind: type[APIError], vault: Vault) -> APIError:
    """Return the error of `work`, and check that it contains no secret."""
    with pytest.raises(kind) as caught:
        await work
    assert type(caught.value) is kind
    assert vault.found_in(error_output(caught.value) + package_locals(caught.value)) == set()
    return caught.value


async def stacks(c66: Cloud66, token: Token) -> list[Any]:
    return list(await c66.using(token=token).stacks.list())


async def streamed(client: Cloud66OAuth2Client, target: str) -> bytes:
    async with client.stream("GET", target) as response:
        return b"".join([chunk async for chunk in response.aiter_bytes()])


def reason(provider: Provider, **reasons: str) -> str:
    """Return the reason that this server gives. Most give the same one for every error."""
    return reasons.get(provider.kind.name.partition("-without")[0], "invalid_token")


async def test_revoked_token(provider: Provider, c66: Cloud66, log_in: LogIn, vault: Vault) -> None:
    token = await log_in()
    assert len(await stacks(c66, token)) == 1
    await c66.revoke(token)
    error = await rejected(stacks(c66, token), Unauthenticated, vault)
    assert reason(provider, doorkeeper="The access token was revoked") in f"{error} {error.code}"
    assert "log in again" in str(error)
    await c66.revoke(token)  # revoking it again is not an error


async def test_unknown_token(provider: Provider, c66: Cloud66, vault: Vault) -> None:
    token = Token(secret_of("unknown"))
    vault.add(token.reveal())
    error = await rejected(stacks(c66, token), Unauthenticated, vault)
    assert error.code == "invalid_token"
    assert error.status == 401


async def test_expired_token(provider: Provider, c66: Cloud66, log_in: LogIn, browser: Browser, vault: Vault) -> None:
    token = await log_in()
    await browser.post(f"{provider.url}/test/age")
    error = await rejected(stacks(c66, token), Unauthenticated, vault)
    assert reason(provider, doorkeeper="The access token expired") in f"{error} {error.code}"


async def test_missing_scope(c66: Cloud66, log_in: LogIn, vault: Vault) -> None:
    token = await log_in("public")
    assert token.scopes == ("public",)
    error = await rejected(c66.using(token=token).stacks.redeploy("a"), Forbidden, vault)
    assert isinstance(error, Forbidden)
    assert error.scope == "redeploy"
    assert "'redeploy'" in str(error)


async def test_scopes_do_not_include_each_other(c66: Cloud66, log_in: LogIn, vault: Vault) -> None:
    token = await log_in("admin")
    error = await rejected(stacks(c66, token), Forbidden, vault)
    assert isinstance(error, Forbidden)
    assert error.scope == "public"


async def test_forbidden_without_details(provider: Provider, c66: Cloud66, vault: Vault) -> None:
    if provider.kind.name != "django":
        pytest.skip("only this server has this page")
    error = await rejected(c66.using(token=secret_of("unknown")).stacks.get("silent"), Forbidden, vault)
    assert isinstance(error, Forbidden)
    assert (error.scope, error.code, error.message) == ("public", None, None)


# --- requests of the HTTP client


async def test_custom_requests(provider: Provider, logged_in: Cloud66OAuth2Client, browser: Browser) -> None:
    assert (await logged_in.get("stacks.json")).json()["response"][0]["name"] == browser.user
    assert (await logged_in.get(f"{provider.url}/api/3/stacks.json?page=1")).status_code == 200
    response = await logged_in.post("stacks/a/deployments.json", json={"git_ref": "main"})
    assert response.json()["response"]["ok"] is True
    assert (await logged_in.get("nowhere")).status_code == 404


@pytest.mark.parametrize("way", ["request", "stream"])
async def test_rejected_custom_requests(
    provider: Provider, logged_in: Cloud66OAuth2Client, log_in: LogIn, vault: Vault, way: str
) -> None:
    def send(method: str, target: str) -> Awaitable[object]:
        if way == "request":
            return logged_in.request(method, target)

        async def stream() -> None:
            async with logged_in.stream(method, target) as response:
                await response.aread()

        return stream()

    full_token = logged_in.token
    logged_in.token = await log_in("public")
    error = await rejected(send("POST", "stacks/a/deployments.json"), Forbidden, vault)
    assert error.status == 403
    logged_in.token = secret_of("unknown")
    vault.add(secret_of("unknown"))
    error = await rejected(send("GET", "stacks.json"), Unauthenticated, vault)
    assert error.code == "invalid_token"
    logged_in.token = full_token
    await send("GET", "stacks.json")


async def test_large_responses_and_uploads(logged_in: Cloud66OAuth2Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"y" * 2000

    headers = {"Content-Type": "application/octet-stream"}  # without it, Rack parses each body as a form
    assert await streamed(logged_in, "large") == b"x" * 1_000_000
    assert (await logged_in.post("echo", content=body(), headers=headers)).text == "100000"
    assert (await logged_in.post("echo", content=b"z" * 300_000, headers=headers)).text == "300000"
    bodies = await asyncio.gather(*(streamed(logged_in, "large") for _ in range(5)))
    assert {len(each) for each in bodies} == {1_000_000}
    async with logged_in.stream("GET", "large") as response:
        async for _ in response.aiter_bytes():
            break  # without reading the rest
    assert (await logged_in.get("stacks.json")).status_code == 200


async def test_introspection(provider: Provider, logged_in: Cloud66OAuth2Client, log_in: LogIn) -> None:
    token, address = await log_in(), f"{provider.url}/oauth/introspect"
    form = {"token": token.reveal(), "client_id": "app", "client_secret": secret_of("app")}
    for withheld in (
        logged_in.request("POST", address, data=form, withhold_token=True),
        logged_in.request("POST", address, data=form, auth=None),
    ):
        response = await withheld
        assert response.json()["active"] is True
        assert set(response.json()["scope"].split()) == {"public", "redeploy"}
    assert (await logged_in.introspect_token(address, token=token.reveal())).json()["active"] is True
    await logged_in.revoke(token)
    assert logged_in.token is not None  # a different token was revoked
    response = await logged_in.request("POST", address, data=form, withhold_token=True)
    assert response.json()["active"] is False


async def test_token_info_endpoint_of_the_server(
    provider: Provider, logged_in: Cloud66OAuth2Client, vault: Vault
) -> None:
    pages = {"doorkeeper": "oauth/token/info", "doorkeeper-without-pkce": "oauth/token/info"}
    pages |= {"oidc-provider": "me", "oidc-provider-8": "me"}
    if provider.kind.name not in pages:
        pytest.skip("this server has no such endpoint")
    address = f"{provider.url}/{pages[provider.kind.name]}"
    if address.endswith("/me"):
        error = await rejected(logged_in.get(address), Forbidden, vault)  # it requires a scope that was not requested
        assert isinstance(error, Forbidden)
        assert (error.code, error.scope) == ("insufficient_scope", "openid")
    else:
        assert set((await logged_in.get(address)).json()["scope"]) == {"public", "redeploy"}
    logged_in.token = secret_of("unknown")
    error = await rejected(logged_in.get(address), Unauthenticated, vault)
    assert error.code == "invalid_token"


async def test_revoke_the_clients_own_token(logged_in: Cloud66OAuth2Client, c66: Cloud66, vault: Vault) -> None:
    assert logged_in.token is not None
    token = Token(logged_in.token["access_token"])
    await logged_in.revoke()
    assert logged_in.token is None
    await rejected(stacks(c66, token), Unauthenticated, vault)
    with pytest.raises(ConfigError, match="log in"):
        await logged_in.get("stacks.json")


async def test_rejected_revocation(connect: Callable[..., Cloud66], c66: Cloud66, log_in: LogIn, vault: Vault) -> None:
    token, wrong = await log_in(), secret_of("wrong")
    vault.add(wrong)
    with pytest.raises(APIError) as caught:
        await connect(client_secret=wrong).revoke(token)
    assert caught.value.code in ("unauthorized_client", "invalid_client")
    assert vault.found_in(error_output(caught.value) + package_locals(caught.value)) == set()
    assert len(await stacks(c66, token)) == 1


async def test_revoke_an_unknown_token(c66: Cloud66, vault: Vault) -> None:
    vault.add(secret_of("unknown"))
    await c66.revoke(secret_of("unknown"))


# --- redirects


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_api_redirect_to_another_origin(provider: Provider, log_in: LogIn, status: str) -> None:
    token = await log_in()
    async with wire() as elsewhere:
        location = f"Location: {elsewhere.url}/api/3/stacks.json"
        async with wire(lambda _: packet(b"", status, location)) as front:
            client = Cloud66OAuth2Client(client_id="app", token=token, url=front.url, redirect_url=REDIRECT)
            assert (await client.get("stacks.json")).status_code == int(status[:3])
            with pytest.raises(TransportError, match="another origin"):
                await client.get("stacks.json", follow_redirects=True)
            with pytest.raises(TransportError, match="another origin"):
                await client.post("stacks.json", data={"a": "b"}, follow_redirects=True)
            with pytest.raises(ConfigError, match="is not sent to"):
                await client.get(f"{provider.url}/api/3/stacks.json")
            await client.aclose()
            async with Cloud66(token, url=front.url) as c66:
                with pytest.raises((APIError, TransportError)):
                    await c66.stacks.list()
        assert elsewhere.received == []


async def test_pool_as_a_transport(provider: Provider, c66: Cloud66, log_in: LogIn, browser: Browser) -> None:
    token = await log_in()
    async with httpx.AsyncClient(transport=c66.transport, base_url=f"{provider.url}/api/3/") as plain:
        assert (await plain.get("stacks.json")).status_code == 401  # no token is added
        response = await plain.get("stacks.json", headers={"Authorization": f"Bearer {token.reveal()}"})
        assert response.json()["response"][0]["name"] == browser.user


async def test_server_with_several_authentication_schemes(transport: PoolName) -> None:
    schemes = ('Basic realm="site"', 'Bearer realm="api", error="invalid_token", error_description="It was revoked"')
    headers = [f"WWW-Authenticate: {scheme}" for scheme in schemes]
    async with (
        wire(lambda _: packet(b"", "401 Unauthorized", *headers)) as server,
        Cloud66("a-token", url=server.url, pool=transport) as c66,
    ):
        with pytest.raises(Unauthenticated, match="It was revoked"):
            await c66.stacks.get("a")
