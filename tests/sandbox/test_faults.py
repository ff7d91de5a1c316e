"""Faults that a client meets: in this process, and over a socket with each of the two pools."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

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
from cloud66_async.errors import NotFound, TransportTimeout
from cloud66_async.resources import operations
from cloud66_async.sandbox import FakeCloud66, Faults, SandboxServer
from cloud66_async.sandbox.names import OAUTH
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
            assert len(await impatient.stacks.list()) == 1


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


# --- rules ---------------------------------------------------------------------------------------


def decisions(fake: FakeCloud66) -> list[bool]:
    """Return to which of 40 requests the rules apply."""
    return [fake.faults.take(["stacks.get"]) is not None for _ in range(40)]


def test_probability_makes_the_same_decisions_with_the_same_seed() -> None:
    found: dict[int, list[bool]] = {}
    for seed in (7, 8):
        fake = FakeCloud66()
        fake.faults.seed(seed)
        fake.faults.fail(500, probability=0.3, times=1000)
        found[seed] = decisions(fake)
        assert 3 < sum(found[seed]) < 25
        again = FakeCloud66()
        again.faults.seed(seed)
        again.faults.fail(500, probability=0.3, times=1000)
        assert decisions(again) == found[seed]
    assert found[7] != found[8]


def test_decisions_about_one_rule_do_not_depend_on_others() -> None:
    alone, beside = FakeCloud66(), FakeCloud66()
    alone.faults.fail(500, probability=0.5, times=1000)
    beside.faults.fail(500, probability=0.5, times=1000)
    beside.faults.fail(502, operation="stacks.list", probability=0.5, times=1000)
    for _ in range(5):
        beside.faults.take(["stacks.list"])
        alone.faults.take(["stacks.list"])
    assert decisions(alone) == decisions(beside)


def test_probability_limits_how_often_a_rule_applies() -> None:
    fake = FakeCloud66()
    fake.faults.fail(500, probability=0.5, times=2)
    assert sum(decisions(fake)) == 2


def test_seed_is_shown_if_it_matters() -> None:
    fake = FakeCloud66()
    fake.faults.seed(7)
    fake.faults.fail(500, operation="stacks.get")
    assert "seed" not in fake.describe_calls()
    fake.faults.fail(500, operation="stacks.get", probability=0.1)
    assert "seed of the fault rules: 7" in fake.describe_calls()
    with pytest.raises(AssertionError, match=r"\(seed 7\)"):
        fake.faults.assert_used()
    assert Faults(seed=3).seed_in_use is None


async def test_rule_that_never_applied_fails_the_test(fake: FakeCloud66) -> None:
    fake.faults.fail(500, operation=["stacks.get", "stacks.list"])
    fake.faults.drop(operation="jobs.list", allow_unused=True)
    fake.faults.action_fails(action="stack_create")
    assert fake.faults.unused() == (
        "fail(operation='stacks.get' or 'stacks.list')",
        "action_fails(action='stack_create')",
    )
    with pytest.raises(AssertionError, match=r"fault rules that never applied: fail.*allow_unused=True"):
        fake.verify()
    async with fake.client(retry=ONCE) as c66:
        with pytest.raises(ServerError):
            await c66.stacks.list()
    assert fake.faults.unused() == ("action_fails(action='stack_create')",)
    fake.faults.clear()
    fake.verify()


@pytest.mark.parametrize("name", ["stack.list", "stacks.lists"])
def test_unknown_operation_is_rejected_with_the_nearest_names(fake: FakeCloud66, name: str) -> None:
    for use in (
        lambda: fake.faults.drop(operation=name),
        lambda: fake.faults.fail(500, operation=["stacks.get", name]),
        lambda: fake.calls(name),
        lambda: fake.requests_to(name),
        lambda: fake.assert_called(name),
        lambda: fake.expect_writes(name),
    ):
        with pytest.raises(ValueError, match=f"unknown operation '{name}'.*did you mean.*'stacks.list'"):
            use()


def test_name_that_resembles_none_is_rejected_with_examples(fake: FakeCloud66) -> None:
    with pytest.raises(ValueError, match=r"it must be one of accounts\.get, .*, \.\.\."):
        fake.calls("?")


async def test_every_name_is_known(fake: FakeCloud66) -> None:
    for name in (*dict(operations()), *OAUTH, "storage.get", "stacks.redeploy_by_hook"):
        assert fake.calls(name) == 0
    assert {name for name, _ in fake.provider._endpoints.values()} == set(OAUTH)


INVALID: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda faults: faults.drop(times=0), ValueError, "invalid times 0: must be at least 1"),
    (lambda faults: faults.drop(times="2"), TypeError, "invalid times: expected an integer"),
    (lambda faults: faults.drop(probability=0), ValueError, "invalid probability 0: must be greater than 0"),
    (lambda faults: faults.drop(probability=1.5), ValueError, "invalid probability 1.5: .* at most 1"),
    (lambda faults: faults.drop(probability=float("nan")), ValueError, "invalid probability nan"),
    (lambda faults: faults.drop(operation=[]), ValueError, "invalid operation: must not be empty"),
    (lambda faults: faults.cut("middle"), ValueError, "invalid where .'middle'.: expected 'before', 'inside'"),
    (lambda faults: faults.slow(-1), ValueError, "invalid seconds -1: must not be negative"),
    (lambda faults: faults.action_fails(after=float("nan")), ValueError, "invalid after nan"),
    (lambda faults: faults.seed("7"), TypeError, "invalid seed: expected an integer"),
]


@pytest.mark.parametrize(("use", "error", "message"), INVALID)
def test_invalid_rules(fake: FakeCloud66, use: Callable[[Any], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use(fake.faults)
    assert fake.faults.unused() == ()


# --- the wire ------------------------------------------------------------------------------------


def read_all(url: str, token: str) -> bytes | type[ConnectionResetError]:
    """Send a request over a plain socket and return what arrives before the connection ends."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
        connection.sendall(
            f"GET /api/3/stacks.json HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            return ConnectionResetError
    return received


async def test_what_the_server_sends() -> None:
    with SandboxServer() as server:
        server.fake.add_stack("web")
        token, faults = server.fake.add_token().reveal(), server.fake.faults

        async def received() -> bytes | type[ConnectionResetError]:
            return await asyncio.to_thread(read_all, server.url, token)

        faults.cut("before")
        assert await received() == b""
        faults.reset()
        assert await received() is ConnectionResetError
        faults.cut("inside")
        inside = await received()
        assert isinstance(inside, bytes)
        assert inside.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\n\r\n" not in inside
        faults.cut()
        after = await received()
        assert isinstance(after, bytes)
        headers, _, body = after.partition(b"\r\n\r\n")
        [length] = [line for line in headers.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        assert 0 < len(body) < int(length.partition(b":")[2])


async def test_faults_of_downloads_end_the_stream() -> None:
    fake = FakeCloud66()
    async with httpx.AsyncClient(transport=fake.httpx_transport(), base_url="https://x") as browser:
        fake.faults.cut()
        with pytest.raises(httpx.RemoteProtocolError, match="closed before the response was complete"):
            await browser.get("/api/3/ping.json")
        fake.faults.reset()
        with pytest.raises(httpx.ReadError, match="reset"):
            await browser.get("/api/3/ping.json")


async def test_missing_record_stays_missing(fake: FakeCloud66) -> None:
    fake.faults.unknown_codes()
    async with fake.client(retry=ONCE) as c66:
        with pytest.raises(NotFound):
            await c66.stacks.get("gone")
