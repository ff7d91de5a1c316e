"""FakeCloud66 as users of the SDK see it: clients, faults and logins, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async import ActionFailed, Cloud66, Ok, Quota, Retry
from cloud66_async._http.library import httpx
from cloud66_async.clock import SystemClock
from cloud66_async.errors import (
    AccessDenied,
    Forbidden,
    LoginError,
    NotFound,
    ResponseError,
    ServerError,
    Throttled,
    TokenRequestFailed,
    TransportError,
    TransportTimeout,
    Unauthenticated,
)
from cloud66_async.sandbox import STRICT, TOLERANT, FakeCloud66, ProviderSettings

ONCE = Retry(attempts=1)


# --- client --------------------------------------------------------------------------------------


async def test_throttled_redeployment_waits_for_the_next_hour(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web", environment="production")
    start = fake.clock.now()
    fake.faults.throttle(times=2)
    async with fake.client() as c66, fake.clock.running():
        action = await c66.actions.wait(await c66.stacks.redeploy(stack.uid))
    assert action.succeeded
    assert fake.calls("stacks.redeploy") == 3
    assert fake.clock.now() > start + timedelta(hours=1)


async def test_client_lists_all_stacks(fake: FakeCloud66) -> None:
    fake.seed(95)
    async with fake.client() as c66:
        listed = await c66.stacks.list()
        assert len({stack.uid for stack in listed}) == 95
        assert fake.calls("stacks.list") == 4
        one = await c66.stacks.get(listed[0].uid)
        assert one == listed[0]
        assert c66.quota == Quota(3600, 3595)
    assert fake.calls() == 5
    assert fake.calls("stacks.get") == 1
    assert fake.calls("stacks.create") == 0


async def test_requests_are_recorded(fake: FakeCloud66) -> None:
    async with fake.client() as c66:
        with pytest.raises(NotFound):
            await c66.using(account=1).stacks.get("no/such")
    (recorded,) = fake.requests
    assert (recorded.method, recorded.target, recorded.operations) == (
        "GET",
        "/api/3/stacks/no%2Fsuch.json",
        ("stacks.get",),
    )
    assert (recorded.status, recorded.account) == (404, "1")
    assert recorded.request_id


async def test_failing_action_raises_an_error(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    fake.faults.action_fails(message="Out of disk")
    async with fake.client() as c66, fake.clock.running():
        with pytest.raises(ActionFailed, match="Out of disk"):
            await c66.actions.wait(await c66.stacks.redeploy(stack.uid))


async def test_closed_transport_rejects_requests(fake: FakeCloud66) -> None:
    transport = fake.transport()
    async with Cloud66(fake.add_token(), transport=transport, clock=fake.clock) as c66:
        await c66.stacks.list()
    async with Cloud66(fake.add_token(), transport=transport, clock=fake.clock, retry=ONCE) as c66:
        with pytest.raises(TransportError) as caught:
            await c66.stacks.list()
    assert caught.value.sent is False


async def test_scopes_and_users_of_a_client(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    async with fake.client(user="grace@example.com", scopes=["public"]) as c66:
        await c66.stacks.get(stack.uid)
        with pytest.raises(Forbidden) as caught:
            await c66.stacks.redeploy(stack.uid)
    assert caught.value.scope == "redeploy"
    assert fake.tokens[0].user == fake.provider.users["grace@example.com"]


async def test_client_with_a_revoked_token_is_unauthenticated(fake: FakeCloud66) -> None:
    token = fake.add_token()
    async with fake.client(token) as c66:
        await c66.stacks.list()
        fake.revoke(token)
        with pytest.raises(Unauthenticated, match="revoked"):
            await c66.stacks.list()


# --- faults --------------------------------------------------------------------------------------


async def test_faults_and_their_errors(fake: FakeCloud66) -> None:
    uid = fake.add_stack("web").uid
    async with fake.client(retry=ONCE) as c66:
        faults = fake.faults
        faulty: list[tuple[Callable[[], None], type[Exception]]] = [
            (faults.throttle, Throttled),
            (lambda: faults.fail(500), ServerError),
            (lambda: faults.fail(404), NotFound),
            (faults.html, ServerError),
            (lambda: faults.html(status=200), ResponseError),
            (faults.empty, ResponseError),
            (lambda: faults.empty(status=500), ServerError),
            (faults.truncate, ResponseError),
            (faults.not_an_object, ResponseError),
            (faults.drop, TransportError),
        ]
        for add_rule, error in faulty:
            add_rule()
            with pytest.raises(error):
                await c66.stacks.get(uid)
            assert (await c66.stacks.get(uid)).name == "web"


async def test_rule_applies_the_given_number_of_times(fake: FakeCloud66) -> None:
    fake.add_stack("web")
    fake.faults.fail(500, times=3)
    async with fake.client(retry=ONCE) as c66:
        for _ in range(3):
            with pytest.raises(ServerError):
                await c66.stacks.list()
        await c66.stacks.list()


async def test_rule_of_an_operation_applies_to_that_operation_only(fake: FakeCloud66) -> None:
    uid = fake.add_stack("web").uid
    fake.faults.fail(500, operation="servers.list")
    fake.faults.fail(502, operation="stacks.get")
    async with fake.client(retry=ONCE) as c66:
        await c66.stacks.list()
        with pytest.raises(ServerError, match="502"):
            await c66.stacks.get(uid)
        with pytest.raises(ServerError, match="500"):
            await c66.servers.list(uid)


async def test_rules_can_be_deleted(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    fake.faults.fail(500, times=9)
    fake.faults.action_fails(times=9)
    fake.faults.clear()
    async with fake.client(retry=ONCE) as c66, fake.clock.running():
        assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded


def test_rule_applies_at_least_once(fake: FakeCloud66) -> None:
    with pytest.raises(ValueError, match="invalid times 0: must be at least 1"):
        fake.faults.drop(times=0)


async def test_write_is_processed_before_the_connection_is_dropped(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    before = len(stack.actions)
    fake.faults.drop()
    async with fake.client() as c66:
        with pytest.raises(TransportError) as caught:
            await c66.stacks.restart(stack.uid)
    assert caught.value.sent is True
    assert len(stack.actions) == before + 1
    assert fake.requests[0].status is None


async def test_slow_response_is_delayed_on_the_clock(fake: FakeCloud66) -> None:
    fake.faults.slow(20)
    async with fake.client() as c66:
        start = fake.clock.now()
        waiting = asyncio.create_task(c66.stacks.list().first())
        while not fake.clock.sleepers:
            await asyncio.sleep(0)
        fake.clock.advance(20)
        assert await waiting is None
        assert fake.clock.now() - start == timedelta(seconds=20)


async def test_too_slow_response_is_a_timeout(fake: FakeCloud66) -> None:
    fake.faults.slow(40)
    start = fake.clock.now()
    async with fake.client(retry=ONCE) as c66, fake.clock.running():
        with pytest.raises(TransportTimeout) as caught:
            await c66.stacks.list()
    assert caught.value.phase == "read"
    assert fake.clock.now() - start == timedelta(seconds=30)


async def test_retry_after_can_be_sent(fake: FakeCloud66) -> None:
    fake.faults.throttle(retry_after=90)
    start = fake.clock.now()
    async with fake.client() as c66, fake.clock.running():
        await c66.stacks.list()
    # A random part of at most 5 %, so that the clients of a token do not all come back at once.
    assert timedelta(seconds=90) <= fake.clock.now() - start <= timedelta(seconds=94.5)


# --- HTTP library --------------------------------------------------------------------------------


async def test_transport_of_the_http_library(fake: FakeCloud66) -> None:
    token = fake.add_token()
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    async with httpx.AsyncClient(transport=fake.httpx_transport(), base_url="https://x", headers=headers) as client:
        assert (await client.get("/api/3/stacks.json")).json()["count"] == 0
        fake.faults.drop()
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/api/3/stacks.json")
        fake.faults.slow(60)
        async with fake.clock.running():
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/api/3/stacks.json")


async def test_client_with_a_transport_of_the_http_library(fake: FakeCloud66) -> None:
    fake.seed(3)
    async with Cloud66(fake.add_token(), transport=fake.httpx_transport(), clock=fake.clock) as c66:
        assert len(await c66.stacks.list()) == 3


# --- login --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [TOLERANT, STRICT, ProviderSettings(pkce="required", response_format="json")],
    ids=["tolerant", "strict", "required"],
)
async def test_login(settings: ProviderSettings) -> None:
    fake = FakeCloud66(provider=settings)
    fake.add_stack("web")
    application = fake.add_application(redirect_urls=["https://app.example/callback"])
    async with fake.client(application=application) as c66:
        login = c66.login(scope=["public", "redeploy"])
        callback = await fake.consent(login.url, user="grace@example.com")
        token = await c66.finish_login(login, callback)
        assert [stack.name async for stack in c66.using(token=token).stacks.list()] == ["web"]
        assert token.scopes == ("public", "redeploy")
        with pytest.raises(LoginError):
            await c66.finish_login(login, callback)
    assert fake.calls("oauth.token") == 1
    assert fake.tokens[0].user == fake.provider.users["grace@example.com"]


async def test_denied_login(fake: FakeCloud66) -> None:
    application = fake.add_application(redirect_urls=["https://app.example/callback"])
    async with fake.client(application=application, redirect_url="https://app.example/callback") as c66:
        login = c66.login()
        with pytest.raises(AccessDenied):
            await c66.finish_login(login, await fake.consent(login.url, decision="deny"))
    assert fake.calls("oauth.token") == 0


async def test_strict_provider_rejects_scopes_with_commas() -> None:
    fake = FakeCloud66(provider=STRICT)
    fake.add_application(redirect_urls=["https://app.example/callback"])
    url = "https://x/oauth/authorize?client_id=sandbox-client&response_type=code&scope=public,redeploy"
    with pytest.raises(LoginError, match="Unknown scope"):
        await fake.consent(url + "&redirect_uri=https://app.example/callback")


async def test_rules_apply_to_the_provider_too(fake: FakeCloud66) -> None:
    application = fake.add_application(redirect_urls=["https://app.example/callback"])
    async with fake.client(application=application) as c66:
        login = c66.login()
        callback = await fake.consent(login.url)
        fake.faults.html(operation="oauth.token")
        with pytest.raises(TokenRequestFailed):
            await c66.finish_login(login, callback)
    assert "code" in parse_qs(urlsplit(callback).query)


async def test_recorded_requests_contain_no_codes(fake: FakeCloud66) -> None:
    fake.add_application(redirect_urls=["https://app.example/callback"])
    async with httpx.AsyncClient(transport=fake.httpx_transport()) as browser:
        await browser.get("https://x/oauth/authorize/native?code=very-secret")
    assert "very-secret" not in repr(fake.requests)


# --- others ---------------------------------------------------------------------------------------


def test_real_clock_cannot_be_advanced() -> None:
    with pytest.raises(TypeError, match="real clock"):
        _ = FakeCloud66(clock=SystemClock()).clock


def test_token_requires_a_known_user(fake: FakeCloud66) -> None:
    with pytest.raises(ValueError, match=r"unknown user 'new@example\.com'; call add_user\(\) first"):
        fake.add_token("new@example.com")
    fake.add_user("new@example.com")
    assert fake.add_token("new@example.com").scopes == ("public", "redeploy", "jobs", "users", "admin")


def test_repr(fake: FakeCloud66) -> None:
    fake.add_stack("web")
    assert repr(fake) == "<FakeCloud66: 1 stacks, 0 calls>"


async def test_more_calls_than_the_hourly_limit() -> None:
    fake = FakeCloud66(hourly_limit=10)
    stacks = fake.seed(25)
    start = fake.clock.now()
    async with fake.client(limit=4) as c66, fake.clock.running():
        results = await c66.collect(c66.stacks.get, [stack.uid for stack in stacks])
    assert [result.item for result in results if isinstance(result, Ok)] == [stack.uid for stack in stacks]
    assert timedelta(hours=1) < fake.clock.now() - start < timedelta(hours=3)
