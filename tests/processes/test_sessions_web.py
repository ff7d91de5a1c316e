"""Two web logins with one session store, as in two processes: sessions, callbacks, and a store that fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from cloud66_async import Secret
from cloud66_async.integrations.redis import RedisSessions
from cloud66_async.integrations.sealing import KEY_VARIABLE, new_key
from cloud66_async.integrations.sql import SQLSessions
from cloud66_async.sandbox import FakeCloud66, ProviderSettings

from .servers import PostgresServer, RedisServer, require_package

for module in ("starlette", "fastapi"):
    pytest.importorskip(module, reason=f"{module} is not installed; run: pip install 'cloud66-async[test]'")

from ..web.site import ORIGIN, Browser, make_app, query, web_login  # noqa: E402
from ..web.test_websocket import connect, make_websocket_app  # noqa: E402

HOUR = timedelta(hours=1)
LOGGER = "cloud66_async.web"


class Workers(NamedTuple):
    """Two browsers with the same cookies. Each sends its requests to another process of the application."""

    fake: FakeCloud66
    one: Browser
    two: Browser
    stores: list[Any]


@pytest.fixture(params=["redis", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty store."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgres_url")
        return found
    for module in ("sqlalchemy", "aiosqlite"):
        require_package(module, "sql")
    return f"sqlite:///{request.getfixturevalue('tmp_path') / 'cloud66.db'}"


@asynccontextmanager
async def two_workers(url: str, **options: Any) -> AsyncGenerator[Workers]:
    fake = FakeCloud66(provider=ProviderSettings(revoke_on_reuse=True))
    fake.add_stack("web")
    stores = [
        RedisSessions(url, clock=fake.clock) if url.startswith("redis") else SQLSessions(url, clock=fake.clock)
        for _ in range(2)
    ]
    browsers: list[Browser] = []
    async with AsyncExitStack() as stack:
        for store in stores:
            login = web_login(fake, sessions=store, **options)
            await stack.enter_async_context(login.lifespan())
            browsers.append(Browser(make_websocket_app(login), fake))
            await stack.enter_async_context(browsers[-1].http)
        one, two = browsers
        two.http._cookies = one.http._cookies
        yield Workers(fake, one, two, stores)


async def test_users_of_one_worker_are_known_to_the_other(url: str) -> None:
    async with two_workers(url) as (fake, one, two, _):
        callback = await fake.consent(await one.start_login())
        assert (await two.get(callback)).status_code == 303
        for browser in (one, two) * 5:
            assert [stack["name"] for stack in (await browser.get("/stacks")).json()] == ["web"]
        assert fake.calls("oauth.token") == 1
        old = one.session
        assert (await two.post("/logout")).status_code == 303
        one.http.cookies.set("__Host-cloud66_session", old or "", domain="dash.example", path="/")
        assert (await one.get("/api/stacks")).status_code == 401
        assert (await one.get("/stacks")).status_code == 303  # not the error page for sessions that are lost
        assert fake.tokens[-1].revoked


async def test_two_logouts_at_once_revoke_once(url: str) -> None:
    async with two_workers(url) as (fake, one, two, _):
        await one.log_in()
        requests = [browser.http.build_request("POST", "/logout") for browser in (one, two)]
        sending = [browser.http.send(request) for browser, request in zip((one, two), requests, strict=True)]
        assert [response.status_code for response in await asyncio.gather(*sending)] == [303, 303]
        assert fake.calls("oauth.revoke") == 1


async def test_callbacks_at_two_workers_share_one_exchange(url: str) -> None:
    async with two_workers(url) as (fake, one, two, _):
        callback = await fake.consent(await one.start_login())
        fake.faults.slow(2, operation="oauth.token")
        requests = [browser.http.build_request("GET", callback) for browser in (one, one, two, two)]
        sending = [browser.http.send(request) for browser, request in zip((one, one, two, two), requests, strict=True)]
        responses = await asyncio.gather(*sending)
        assert [response.status_code for response in responses] == [303] * 4
        assert fake.calls("oauth.token") == 1
        sessions = {
            line.partition(";")[0]
            for response in responses
            for line in response.headers.get_list("set-cookie")
            if "session" in line
        }
        assert len(sessions) == 1
        assert (await two.get("/stacks")).status_code == 200


async def test_failed_exchange_is_not_repeated_by_the_other_worker(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with two_workers(url) as (fake, one, two, _):
        callback = await fake.consent(await one.start_login())
        fake.faults.drop(operation="oauth.token")
        requests = [browser.http.build_request("GET", callback) for browser in (one, two)]
        assert (await one.http.send(requests[0])).status_code == 502
        assert (await two.http.send(requests[1])).status_code == 400
        assert "this login was already used" in caplog.text  # the other process does not wait
        assert fake.calls("oauth.token") == 1


async def test_worker_that_does_not_report(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with two_workers(redis_server.patient_url) as (fake, one, two, stores):
        callback = await fake.consent(await one.start_login())
        claimed: list[str] = []

        async def claim(key: str, lifetime: timedelta) -> bool:
            assert timedelta(minutes=10) < lifetime <= timedelta(minutes=11)
            claimed.append(key)
            return await stores[0].claim(key, lifetime) and False  # another process was first, and was killed then

        stores[1].claim = claim
        before = fake.clock.now()
        response = await two.get(callback)
        assert response.status_code == 400
        assert 10 <= (fake.clock.now() - before).total_seconds() < 11
        assert "did not report within 10 seconds; log in again" in caplog.text
        assert len(claimed) == 1
        assert query(callback)["state"] not in claimed[0]
        assert fake.calls("oauth.token") == 0
        assert (await two.log_in()).status_code == 400  # the same again
        assert (await one.log_in()).status_code == 303


async def test_encryption_key_that_was_replaced(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_workers(redis_server.patient_url) as (_, one, _two, _stores):
        await one.log_in()
        cookies = one.http._cookies
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    async with two_workers(redis_server.patient_url) as (_, one, two, _stores):
        one.http._cookies = two.http._cookies = cookies
        assert (await one.log_in()).status_code == 303
        assert (await two.get("/stacks")).status_code == 200


# --- a store that fails --------------------------------------------------------------------------


async def test_redis_that_is_gone_leads_to_an_error_page(
    persistent_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with two_workers(persistent_redis.patient_url) as (fake, one, two, _):
        await one.log_in()
        persistent_redis.stop()
        for browser in (one, two):
            page = await browser.get("/stacks")
            assert page.status_code == 503
            assert "Logins are not available" in page.text
            assert page.headers["retry-after"] == "5"
            assert page.headers["cache-control"] == "no-store"
            assert "set-cookie" not in page.headers
        api = await one.get("/api/stacks")
        assert (api.status_code, api.json()) == (503, {"detail": "Sessions are not available"})
        assert (await one.get("/")).status_code == 200
        assert (await one.post("/logout")).status_code == 503
        assert one.session is not None
        assert fake.calls("oauth.token") == 1
        messages = [record.getMessage() for record in caplog.records if "session store" in record.getMessage()]
        assert len(messages) == 2  # one for each process
        assert messages[0].startswith(
            "session store failed; users see an error page: cannot load the session: Redis at"
        )
        persistent_redis.start()
        assert (await one.get("/stacks")).status_code == 200
        assert (await two.get("/stacks")).status_code == 200
        assert "session store responds again" in caplog.text


async def test_postgresql_that_is_gone_leads_to_an_error_page(postgres_server: PostgresServer) -> None:
    async with two_workers(postgres_server.create_database()) as (_, one, two, _stores):
        await one.log_in()
        postgres_server.stop()
        for browser in (one, two):
            assert (await browser.get("/stacks")).status_code == 503
        postgres_server.start()
        for browser in (one, two):
            assert (await browser.get("/stacks")).status_code == 200


async def test_redis_that_is_frozen(redis_server: RedisServer) -> None:
    async with two_workers(redis_server.url) as (_, one, two, _stores):
        await one.log_in()
        redis_server.freeze()
        assert (await one.get("/stacks")).status_code == 503
        redis_server.thaw()
        assert (await one.get("/stacks")).status_code == 200
        assert (await two.get("/stacks")).status_code == 200


async def test_callback_works_once_redis_is_back(redis_server: RedisServer) -> None:
    async with two_workers(redis_server.patient_url) as (fake, one, two, _):
        callback = await fake.consent(await one.start_login())
        redis_server.stop()
        assert (await one.get(callback)).status_code == 503
        assert fake.calls("oauth.token") == 0
        redis_server.start()
        assert (await two.get(callback)).status_code == 303
        assert (await one.get("/stacks")).status_code == 200


async def test_redis_that_fails_during_the_exchange(redis_server: RedisServer) -> None:
    async with two_workers(redis_server.patient_url) as (fake, one, _, stores):
        callback = await fake.consent(await one.start_login())

        async def save(*_: object) -> None:
            redis_server.stop()
            await RedisSessions(redis_server.patient_url).load("key")

        stores[0].save = save
        assert (await one.get(callback)).status_code == 503
        assert fake.calls("oauth.token") == 1
        assert one.session is None
        redis_server.start()


async def test_refused_token_while_redis_is_gone(redis_server: RedisServer) -> None:
    async with two_workers(redis_server.patient_url) as (fake, one, _, stores):
        await one.log_in()
        fake.revoke(fake.tokens[-1].token)

        async def take(_: str) -> None:
            redis_server.stop()
            await RedisSessions(redis_server.patient_url).load("key")

        stores[0].take = take
        assert (await one.get("/stacks")).status_code == 503
        redis_server.start()


async def test_websocket_while_redis_is_gone(redis_server: RedisServer) -> None:
    async with two_workers(redis_server.patient_url) as (_, one, _two, _stores):
        await one.log_in()
        redis_server.stop()
        app = one.http._transport.app  # type: ignore[attr-defined]
        for path in ("/page", "/api", "/current"):
            assert await connect(app, path, {"cookie": f"__Host-cloud66_session={one.session}", "origin": ORIGIN}) == [
                1013
            ]
        redis_server.start()


# --- other stores --------------------------------------------------------------------------------


class PlainSessions:
    """Store with the three methods that every store has, and one for the end."""

    def __init__(self, store: Any) -> None:
        self.load, self.save, self.delete = store.load, store.save, store.delete
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_store_without_claims(redis_server: RedisServer) -> None:
    fake = FakeCloud66(provider=ProviderSettings(revoke_on_reuse=True))
    shared = RedisSessions(redis_server.patient_url, clock=fake.clock)
    store = PlainSessions(shared)
    login = web_login(fake, sessions=store)
    async with login.lifespan():
        browser = Browser(make_app(login), fake)
        async with browser.http:
            callback = await fake.consent(await browser.start_login())
            requests = [browser.http.build_request("GET", callback) for _ in range(3)]
            responses = await asyncio.gather(*map(browser.http.send, requests))
            assert [response.status_code for response in responses] == [303] * 3
            assert (await browser.http.send(requests[0])).status_code == 303
            assert fake.calls("oauth.token") == 1
            assert (await browser.get("/stacks")).status_code == 200
            await browser.post("/logout")
            assert (await browser.get("/api/stacks")).status_code == 401
            assert fake.tokens[-1].revoked
    assert store.closed == 1
    await shared.aclose()


async def test_outcome_in_the_store_is_a_secret(redis_server: RedisServer) -> None:
    async with two_workers(redis_server.patient_url) as (fake, one, _, stores):
        outcomes: list[Secret] = []
        settle = stores[0].settle

        async def record(key: str, outcome: Secret, lifetime: timedelta) -> None:
            outcomes.append(outcome)
            await settle(key, outcome, lifetime)

        stores[0].settle = record
        await one.log_in()
        assert one.session is not None
        assert one.session in json.loads(outcomes[0].reveal())
        assert one.session not in repr(outcomes)
        client: Any = stores[0]._connection.client()
        stored = [await client.get(name) for name in await client.keys("*")] + await client.keys("*")
        assert len(stored) == 4
        for value in stored:
            assert one.session.encode() not in value
            assert fake.tokens[-1].token.reveal().encode() not in value
