"""The rules of faults: which requests they choose, how often, and what reaches the wire."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloud66_async import Retry, ServerError
from cloud66_async._http.library import httpx
from cloud66_async.errors import NotFound
from cloud66_async.resources import operations
from cloud66_async.sandbox import FakeCloud66, Faults, SandboxServer
from cloud66_async.sandbox.names import OAUTH

ONCE = Retry(attempts=1)


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
