"""Logins in tests: consent, refusal, expired and replayed codes, and the issuer in a callback."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cloud66_async import Cloud66, Unauthenticated
from cloud66_async.errors import AccessDenied, LoginError, TokenRequestFailed
from cloud66_async.sandbox import STRICT, FakeCloud66, ProviderSettings, SandboxServer

REDIRECT = "https://app.example/callback"
ISSUER = "https://cloud66.sandbox.example"


@asynccontextmanager
async def application(fake: FakeCloud66) -> AsyncGenerator[Cloud66]:
    """A client that logs users in at this sandbox."""
    async with fake.client(application=fake.add_application(redirect_urls=[REDIRECT])) as c66:
        yield c66


@pytest.mark.parametrize("settings", [ProviderSettings(), STRICT], ids=["tolerant", "strict"])
async def test_user_logs_in_without_a_browser(settings: ProviderSettings) -> None:
    fake = FakeCloud66(provider=settings)
    async with application(fake) as c66:
        login = c66.login(scope="public")
        callback = await fake.consent(login, user="grace@example.com")
        assert callback.startswith(f"{REDIRECT}?code=")
        token = await c66.finish_login(login, callback)
        assert await c66.using(token=token).stacks.list() == []
    (grant,) = [grant for grant in fake.tokens if grant.token == token]
    assert grant.user is not None
    assert grant.user.email == "grace@example.com"


async def test_unknown_application_says_how_to_add_it(fake: FakeCloud66) -> None:
    options: Any = {"client_id": "shop", "client_secret": "hush", "redirect_url": REDIRECT}
    async with Cloud66(**options, transport=fake.transport()) as c66:
        with pytest.raises(LoginError) as caught:
            await fake.consent(c66.login())
        call = f"add_application(client_id='shop', redirect_urls=['{REDIRECT}'])"
        assert str(caught.value) == f"unknown client ID 'shop': registered are none; call {call} first"
        fake.add_application(client_id="shop", client_secret="hush", redirect_urls=["https://app.example/other"])
        with pytest.raises(LoginError) as caught:
            await fake.deny(c66.login())
        assert str(caught.value) == (
            f"unknown redirect URL '{REDIRECT}' of the client ID 'shop': registered are 'https://app.example/other'; "
            f"call {call}"
        )
        fake.add_application(client_id="shop", client_secret="hush", redirect_urls=[REDIRECT])
        login = c66.login()
        assert (await c66.finish_login(login, await fake.consent(login))).reveal()


async def test_error_page_is_quoted(fake: FakeCloud66) -> None:
    async with application(fake) as c66:
        problem = r"\(400\): Unsupported response type: This server issues codes: response_type must be code; check"
        with pytest.raises(LoginError, match=problem):
            await fake.consent(c66.login().url.replace("response_type=code", "response_type=token"))


async def test_refusal(fake: FakeCloud66) -> None:
    async with application(fake) as c66:
        login = c66.login()
        with pytest.raises(AccessDenied):
            await c66.finish_login(login, await fake.deny(login))


async def test_expired_code(fake: FakeCloud66) -> None:
    async with application(fake) as c66:
        login = c66.login()
        callback = await fake.consent(login)
        fake.expire(callback)
        with pytest.raises(TokenRequestFailed, match="invalid_grant"):
            await c66.finish_login(login, callback)
    assert fake.tokens == ()


async def test_code_that_somebody_else_used_first(fake: FakeCloud66) -> None:
    async with application(fake) as c66:
        login = c66.login()
        callback = await fake.consent(login)
        fake.replay(callback)
        with pytest.raises(TokenRequestFailed, match="invalid_grant"):
            await c66.finish_login(login, callback)


@pytest.mark.parametrize("revoke_on_reuse", [True, False])
async def test_code_that_is_used_again(*, revoke_on_reuse: bool) -> None:
    fake = FakeCloud66(provider=ProviderSettings(revoke_on_reuse=revoke_on_reuse))
    async with application(fake) as c66:
        login = c66.login()
        callback = await fake.consent(login)
        user = c66.using(token=await c66.finish_login(login, callback))
        assert await user.stacks.list() == []
        fake.replay(callback)
        if revoke_on_reuse:
            with pytest.raises(Unauthenticated):
                await user.stacks.list()
        else:
            assert await user.stacks.list() == []


@pytest.mark.parametrize("callback", [f"{REDIRECT}?code=unknown", REDIRECT, ""])
def test_other_callbacks_are_rejected(fake: FakeCloud66, callback: str) -> None:
    for helper in (fake.expire, fake.replay):
        with pytest.raises(ValueError, match="pass the callback that consent"):
            helper(callback)


async def test_helpers_work_over_a_socket() -> None:
    with SandboxServer() as server:
        registered = server.fake.add_application()
        async with Cloud66(
            client_id=registered.client_id,
            client_secret=registered.client_secret,
            redirect_url="http://127.0.0.1:1234/callback",
            url=server.url,
        ) as c66:
            login = c66.login()
            token = await c66.finish_login(login, await server.fake.consent(login))
            assert await c66.using(token=token).stacks.list() == []


# --- the issuer (RFC 9207) -----------------------------------------------------------------------


async def test_callback_names_the_issuer() -> None:
    fake = FakeCloud66(provider=ProviderSettings(issuer=ISSUER))
    async with application(fake) as c66:
        accepted, refused = c66.login(), c66.login()
        callback = await fake.consent(accepted)
        assert callback.endswith("&iss=https%3A%2F%2Fcloud66.sandbox.example")
        await c66.finish_login(accepted, callback)
        callback = await fake.deny(refused)
        assert "&iss=https%3A%2F%2F" in callback
        with pytest.raises(AccessDenied):
            await c66.finish_login(refused, callback)


async def test_code_of_another_issuer_is_not_sent() -> None:
    fake = FakeCloud66(provider=ProviderSettings(issuer="https://evil.example"))
    async with application(fake) as c66:
        login = c66.login()
        with pytest.raises(LoginError, match=r"its issuer 'https://evil\.example'"):
            await c66.finish_login(login, await fake.consent(login))
    assert fake.calls("oauth.token") == 0


async def test_expected_issuer_is_compared() -> None:
    for issuer, works in ((ISSUER, True), ("https://evil.example", False), (None, False)):
        fake = FakeCloud66(provider=ProviderSettings(issuer=issuer))
        registered = fake.add_application(redirect_urls=[REDIRECT])
        async with Cloud66(
            client_id=registered.client_id,
            client_secret=registered.client_secret,
            redirect_url=REDIRECT,
            expected_issuer=ISSUER,
            url=ISSUER,
            transport=fake.transport(),
            clock=fake.clock,
        ) as c66:
            login = c66.login()
            callback = await fake.consent(login)
            if works:
                assert (await c66.finish_login(login, callback)).scopes == ("public",)
            else:
                with pytest.raises(LoginError, match="issuer"):
                    await c66.finish_login(login, callback)


async def test_consent_of_an_unknown_user_names_the_known_ones() -> None:
    fake = FakeCloud66()
    with pytest.raises(ValueError, match=r"unknown user 'nobody@example.com': known are ada@example.com, .*add_user"):
        await fake.consent("https://cloud66.sandbox.example/oauth/authorize", user="nobody@example.com")


async def test_log_of_a_login_is_short(fake: FakeCloud66) -> None:
    async with application(fake) as c66:
        login = c66.login()
        await c66.finish_login(login, await fake.consent(login))
    assert [line.partition("  oauth.")[2] for line in fake.describe_calls().splitlines()[1:]] == [
        "authorize(response_type='code', scope='public', code_challenge_method='S256') -> 200",
        "decide(response_type='code', scope='public', code_challenge_method='S256') -> 302",
        "token(grant_type='authorization_code') -> 200",
    ]
