"""A client that the code under test creates itself: it needs the clock of the sandbox, or says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from cloud66_async import ActionUnfinished, BadRequest, Cloud66, Cloud66OAuth2Client
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import ClockFrozen, FakeClock, FakeCloud66, SandboxServer, polling
from cloud66_async.transport import Request

from ..support import ONCE
from .conftest import QuickClock

GUARD = 20  # real seconds, in case a client does wait in real time


class Delegating:
    """A transport of the caller's around the sandbox's."""

    def __init__(self, fake: FakeCloud66) -> None:
        self._inner = fake.transport()

    async def send(self, request: Request) -> Any:
        return await self._inner.send(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.parametrize("transport", [FakeCloud66.transport, FakeCloud66.httpx_transport], ids=["own", "httpx"])
async def test_client_takes_the_clock_of_its_transport(transport: Any) -> None:
    fake = FakeCloud66(action_seconds=3600)
    stack = fake.add_stack("web")
    async with asyncio.timeout(GUARD), Cloud66(fake.add_token(), transport=transport(fake)) as c66:
        assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded


async def test_login_takes_the_clock_of_its_transport() -> None:
    fake = FakeCloud66(clock=FakeClock())
    fake.clock.advance(timedelta(days=4000).total_seconds())
    application = fake.add_application(redirect_urls=["https://app.example/callback"])
    options: Any = {"client_id": application.client_id, "client_secret": application.client_secret}
    redirect = application.redirect_urls[0]
    async with Cloud66(**options, redirect_url=redirect, transport=fake.transport()) as c66:
        login = c66.login()
        assert login.created_at == fake.clock.now()
        assert (await c66.finish_login(login, await fake.consent(login))).reveal()
    async with Cloud66OAuth2Client(**options, redirect_url=redirect, transport=fake.httpx_transport()) as client:
        assert client.login().created_at == fake.clock.now()


async def test_clock_that_is_passed_has_precedence() -> None:
    fake, clock = FakeCloud66(), FakeClock()
    clock.advance(60)
    application = fake.add_application()
    async with Cloud66(
        client_id=application.client_id,
        client_secret=application.client_secret,
        redirect_url=application.redirect_urls[0],
        transport=fake.transport(),
        clock=clock,
    ) as c66:
        assert c66.login().created_at == clock.now()


async def test_transport_may_use_the_name_for_something_else() -> None:
    transport: Any = Delegating(FakeCloud66())
    transport.clock = "12:00"
    async with Cloud66("token", transport=transport) as c66:
        assert isinstance(c66._shared.clock, SystemClock)


# --- clients that do not share the clock -----------------------------------------------------------


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox notice at the third poll, however little real time has passed."""
    monkeypatch.setattr(polling, "_MIN_SECONDS", 0.0)


@pytest.mark.usefixtures("_impatient")
async def test_polling_in_real_time_fails_in_this_process() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    async with (
        asyncio.timeout(GUARD),
        Cloud66(fake.add_token(), transport=Delegating(fake), clock=QuickClock()) as c66,
    ):
        with pytest.raises(ClockFrozen, match=r"clock stood still; pass clock=cloud66\.clock to the client"):
            await c66.actions.wait(await c66.stacks.redeploy(stack.uid))


@pytest.mark.usefixtures("_impatient")
async def test_polling_in_real_time_fails_over_a_socket() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    with SandboxServer(fake) as server:
        async with (
            asyncio.timeout(GUARD),
            Cloud66(fake.add_token(), url=server.url, clock=QuickClock(), retry=ONCE) as c66,
        ):
            with pytest.raises(BadRequest, match=r"clock stood still; pass clock=cloud66\.clock to the client"):
                await c66.actions.wait(await c66.stacks.redeploy(stack.uid))


@pytest.mark.usefixtures("_impatient")
async def test_reading_an_action_repeatedly_is_no_mistake() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    async with fake.client() as c66:
        started = await c66.stacks.redeploy(stack.uid)
        assert started.async_action_id is not None
        for _ in range(10):  # the clock advances
            await c66.actions.get(stack.uid, started.async_action_id)
            fake.clock.advance(1)
        fake.clock.advance(60)
        for _ in range(10):  # nothing is running
            await c66.actions.get(stack.uid, started.async_action_id)
        await c66.stacks.redeploy(stack.uid)
        sleeper = asyncio.create_task(fake.clock.sleep(60))
        fake.clock.freeze()
        await asyncio.sleep(0)
        for _ in range(10):  # somebody waits for the clock
            await c66.actions.list(stack.uid)
        fake.clock.advance(60)
        await sleeper


async def test_few_seconds_of_real_time_are_no_mistake() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    async with fake.client() as c66:
        started = await c66.stacks.redeploy(stack.uid)
        assert started.async_action_id is not None
        for _ in range(50):
            assert not (await c66.actions.get(stack.uid, started.async_action_id)).finished


async def test_action_that_never_ends_fails_the_test() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    fake.faults.action_never_ends()
    async with asyncio.timeout(GUARD), fake.client() as c66:
        with pytest.raises(AssertionError, match=r"an action that never ends; pass timeout=\.\.\. to actions\.wait"):
            await c66.actions.wait(await c66.stacks.redeploy(stack.uid))


async def test_many_actions_that_never_end_fail_the_test() -> None:
    fake = FakeCloud66()
    stacks = [fake.add_stack(f"web-{number}") for number in range(60)]
    fake.faults.action_never_ends()
    async with asyncio.timeout(GUARD), fake.client() as c66:
        started = [await c66.stacks.redeploy(stack.uid) for stack in stacks]
        with pytest.raises(
            AssertionError, match=r"for an action that never ends; pass timeout=\.\.\. to actions\.wait"
        ):
            await asyncio.gather(*map(c66.actions.wait, started))


async def test_wait_with_a_timeout_ends_before() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    fake.faults.action_never_ends()
    async with asyncio.timeout(GUARD), fake.client() as c66:
        with pytest.raises(ActionUnfinished):
            await c66.actions.wait(await c66.stacks.redeploy(stack.uid), timeout=3 * 3600)


async def test_action_of_a_day_finishes() -> None:
    fake = FakeCloud66(action_seconds=86_400)
    stack = fake.add_stack("web")
    async with asyncio.timeout(GUARD), fake.client() as c66:
        assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded
