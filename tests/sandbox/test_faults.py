"""Faults that a client meets: in this process, and over a socket with each of the two pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import NamedTuple

import pytest

from cloud66_async import (
    ActionFailed,
    ActionUnfinished,
    Cloud66,
    Conflict,
    Forbidden,
    ResponseError,
    Retry,
    ServerError,
    Throttled,
    TransportError,
    Unauthenticated,
)
from cloud66_async._http.library import httpx
from cloud66_async.clock import SystemClock
from cloud66_async.errors import TransportTimeout
from cloud66_async.sandbox import FakeCloud66, Faults, SandboxServer
from cloud66_async.transport import Timeouts

from ..conftest import PoolName

ONCE = Retry(attempts=1)
AddRule = Callable[[Faults], None]


class Entrance(NamedTuple):
    """A sandbox, and the way to it: `client()` returns a new client, whose connections are new."""

    fake: FakeCloud66
    client: Callable[[], AbstractAsyncContextManager[Cloud66]]


@pytest.fixture(params=["in process", "own", "httpx", "httpx transport"])
def entrance(request: pytest.FixtureRequest) -> Iterator[Entrance]:
    """A sandbox in this process, served to each of the two pools, and as a transport of the HTTP library."""
    if request.param == "in process":
        fake = FakeCloud66()
        yield Entrance(fake, lambda: fake.client(retry=ONCE))
    elif request.param == "httpx transport":
        fake = FakeCloud66()
        token = fake.add_token()
        yield Entrance(fake, lambda: Cloud66(token, transport=fake.httpx_transport(), clock=fake.clock, retry=ONCE))
    else:
        pool: PoolName = request.param
        with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.2)) as server:
            token = server.fake.add_token()
            yield Entrance(server.fake, lambda: Cloud66(token, url=server.url, pool=pool, retry=ONCE))


FAULTS: list[tuple[AddRule, type[Exception]]] = [
    (lambda faults: faults.throttle(), Throttled),
    (lambda faults: faults.fail(500), ServerError),
    (lambda faults: faults.fail(503), ServerError),
    (lambda faults: faults.html(status=500), ServerError),
    (lambda faults: faults.html(), ServerError),
    (lambda faults: faults.html(status=503), ServerError),
    (lambda faults: faults.html(status=200), ResponseError),
    (lambda faults: faults.empty(), ResponseError),
    (lambda faults: faults.truncate(), ResponseError),
    (lambda faults: faults.truncate(compressed=True), TransportError),
    (lambda faults: faults.invalid_json(), ResponseError),
    (lambda faults: faults.not_an_object(), ResponseError),
    (lambda faults: faults.wrong_shape(), ResponseError),
    (lambda faults: faults.drop(), TransportError),
    (lambda faults: faults.cut("before"), TransportError),
    (lambda faults: faults.cut("inside"), TransportError),
    (lambda faults: faults.cut(), TransportError),
    (lambda faults: faults.reset(), TransportError),
    (lambda faults: faults.busy(), Conflict),
    (lambda faults: faults.missing_scope(), Forbidden),
]


async def test_each_fault_is_an_error_of_its_own_kind(entrance: Entrance) -> None:
    fake, client = entrance
    uid = fake.add_stack("web").uid
    for add_rule, error in FAULTS:
        add_rule(fake.faults)
        async with client() as c66:
            with pytest.raises(error) as caught:
                await c66.stacks.get(uid)
            assert type(caught.value) is error or issubclass(type(caught.value), TransportError), caught.value
            assert getattr(caught.value, "sent", True)
            assert (await c66.stacks.get(uid)).name == "web"
    fake.faults.assert_used()


async def test_cut_response_without_a_body_is_incomplete(entrance: Entrance) -> None:
    fake, client = entrance
    stack = fake.add_stack("web")
    variables = fake.world.table("environment variable", stack)
    for key in ("A", "B"):
        variables.create({"key": key, "value": "1"})
    async with client() as c66:
        await c66.environment_variables.delete(stack.uid, "A")
        fake.faults.cut()
        with pytest.raises(TransportError):
            await c66.environment_variables.delete(stack.uid, "B")
    found = [entry.outcome for entry in fake.requests_to("environment_variables.delete")]
    assert found == ["200", "200 (incomplete)"]


async def test_slow_responses_are_timeouts(entrance: Entrance) -> None:
    fake, client = entrance
    fake.add_stack("web")
    for body in (False, True):
        fake.faults.slow(0.3, body=body)
        fake.faults.slow(0.01, body=body)
        async with client() as c66:
            impatient = c66.using(timeout=Timeouts(read=0.15))
            with pytest.raises(TransportTimeout) as caught:
                await impatient.stacks.list()
            assert caught.value.phase == "read"
            assert len(await c66.stacks.list()) == 1


async def test_slow_write_is_processed_although_the_client_gave_up(entrance: Entrance) -> None:
    fake, client = entrance
    stack = fake.add_stack("web")
    before = len(stack.actions)
    fake.faults.slow(0.3, operation="actions.run")
    async with client() as c66:
        with pytest.raises(TransportTimeout):
            await c66.using(timeout=Timeouts(read=0.1)).stacks.restart(stack.uid)
    assert len(stack.actions) == before + 1


async def test_users_of_the_sdk_tolerate_unknown_fields_codes_and_content_types(entrance: Entrance) -> None:
    fake, client = entrance
    stack = fake.add_stack("web")
    fake.faults.unknown_fields(operation=["stacks.list", "stacks.get"], times=2)
    fake.faults.unknown_codes(operation="stacks.get")
    fake.faults.wrong_content_type(operation="stacks.get")
    async with client() as c66:
        [listed] = await c66.stacks.list()
        extended = await c66.stacks.get(stack.uid)
        assert (listed.uid, listed.status, listed.health) == (extended.uid, extended.status, extended.health)
        unknown = await c66.stacks.get(stack.uid)
        assert unknown.status is not None
        assert unknown.health is not None
        assert (unknown.status.known, unknown.health.known) == (False, False)
        assert unknown.name == "web"
        assert (await c66.stacks.get(stack.uid)).status == listed.status
    assert not fake.faults.unused()


async def test_token_is_revoked_while_it_is_used(entrance: Entrance) -> None:
    fake, client = entrance
    fake.faults.revoke_token(operation="stacks.get")
    stack = fake.add_stack("web")
    async with client() as c66:
        await c66.stacks.list()
        for _ in range(2):
            with pytest.raises(Unauthenticated, match="revoked"):
                await c66.stacks.get(stack.uid)


async def test_scope_is_missing_for_one_request(entrance: Entrance) -> None:
    fake, client = entrance
    stack = fake.add_stack("web")
    fake.faults.missing_scope(operation="stacks.redeploy")
    async with client() as c66:
        with pytest.raises(Forbidden) as caught:
            await c66.stacks.redeploy(stack.uid)
        assert caught.value.scope == "redeploy"
        assert (await c66.stacks.redeploy(stack.uid)).async_action_id


async def test_duplicate_delivery_is_processed_twice(entrance: Entrance) -> None:
    fake, client = entrance
    stack = fake.add_stack("web")
    before = len(stack.deployments)
    fake.faults.duplicate(operation="stacks.redeploy")
    async with client() as c66:
        await c66.stacks.redeploy(stack.uid)
    assert len(stack.deployments) == before + 2
    assert fake.calls("stacks.redeploy") == 2


async def test_page_moves_while_the_list_is_read(entrance: Entrance) -> None:
    fake, client = entrance
    fake.seed(45)
    fake.faults.page_moves()
    async with client() as c66:
        uids = [stack.uid async for stack in c66.stacks.list()]
    assert len(fake.world.stacks) == 46
    assert len(uids) == 46
    assert len(set(uids)) == 45  # the last stack of the first page was returned again
    assert uids[29] == uids[30]


async def test_page_of_another_list_moves(entrance: Entrance) -> None:
    fake, client = entrance
    fake.seed(31)
    with pytest.raises(ValueError, match="missing insert: only stacks are inserted by default"):
        fake.faults.page_moves(operation="jobs.list")
    called: list[int] = []
    fake.faults.page_moves(lambda: called.append(1), operation=["stacks.list", "jobs.list"])
    async with client() as c66:
        await c66.stacks.list().page(1)
        assert called == []
        await c66.stacks.list().page(2)
    assert called == [1]


async def test_clock_of_the_server_is_ahead(entrance: Entrance) -> None:
    fake, client = entrance
    stack = fake.add_stack("web")
    async with client() as c66:
        await c66.stacks.redeploy(stack.uid)
        exact = await c66.deployments.list(stack.uid).first()
        fake.faults.clock_skew(7200)
        skewed = await c66.deployments.list(stack.uid).first()
        assert exact is not None
        assert skewed is not None
        assert exact.started_at is not None
        assert skewed.started_at == exact.started_at + timedelta(hours=2)
        stacks = (await c66.stacks.get(stack.uid)).created_at
        fake.faults.clock_skew(-60)
        earlier = (await c66.stacks.get(stack.uid)).created_at
        assert stacks is not None
        assert earlier == stacks - timedelta(minutes=1)


async def test_date_of_a_response_is_that_of_the_sandbox() -> None:
    fake = FakeCloud66()
    headers = {"Authorization": f"Bearer {fake.add_token().reveal()}"}
    with SandboxServer(fake) as server:
        async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as browser:
            now = fake.clock.now()
            exact = await browser.get("/api/3/stacks.json")
            fake.faults.clock_skew(60)
            skewed = await browser.get("/api/3/stacks.json")
    assert exact.headers.get_list("date") == [f"{now:%a, %d %b %Y %H:%M:%S} GMT"]
    assert skewed.headers.get_list("date") == [f"{now + timedelta(minutes=1):%a, %d %b %Y %H:%M:%S} GMT"]


# --- time and actions ----------------------------------------------------------------------------


async def test_throttled_until_the_hour_turns() -> None:
    fake = FakeCloud66()
    fake.faults.throttle_until_next_hour(operation="stacks.list")
    start = fake.clock.now()
    async with fake.client(retry=ONCE) as c66:
        await c66.servers.list(fake.add_stack("web").uid)
        for _ in range(3):
            with pytest.raises(Throttled):
                await c66.stacks.list()
    async with fake.client() as patient, fake.clock.running():
        await patient.stacks.list()
    hour = start.replace(minute=0, second=0) + timedelta(hours=1)
    assert timedelta(0) <= fake.clock.now() - hour < timedelta(minutes=5)
    fake.faults.assert_used()


async def test_action_fails_after_three_minutes() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    fake.faults.action_fails(after=180, message="the build broke")
    start = fake.clock.now()
    async with fake.client() as c66, fake.clock.running():
        with pytest.raises(ActionFailed, match="the build broke"):
            await c66.actions.wait(await c66.stacks.redeploy(stack.uid))
        assert timedelta(seconds=180) <= fake.clock.now() - start < timedelta(seconds=240)
        assert (await c66.actions.wait(await c66.stacks.redeploy(stack.uid))).succeeded


async def test_action_never_ends() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    fake.faults.action_never_ends(action="application_deployment")
    async with fake.client() as c66, fake.clock.running():
        started = await c66.stacks.redeploy(stack.uid)
        assert (await c66.actions.wait(await c66.stacks.restart(stack.uid))).succeeded
        with pytest.raises(ActionUnfinished):
            await c66.actions.wait(started, timeout=86_400)
        await c66.stacks.redeploy(stack.uid)  # queued behind it
        assert fake.world.stacks[stack.uid].busy
