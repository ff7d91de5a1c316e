"""Observers: what they are told about each attempt, and what they cannot break."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from cloud66_async import Cloud66, NotFound, ResponseError, Retry, ServerError, TransportError, TransportTimeout
from cloud66_async.clock import SystemClock
from cloud66_async.observe import Attempt
from cloud66_async.operation import Call, Operation, get
from cloud66_async.resources import operations
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.transport import Request

from ..conftest import PoolName
from ..support import ONCE, RecordingClock, Script, client, make_error, make_response

QUICK = Retry(attempts=3, base=0)
LOGGER = "cloud66_async.requests"


async def test_each_attempt_is_observed(transport: PoolName) -> None:
    fake, found = FakeCloud66(clock=SystemClock()), list[Attempt]()
    stack = fake.add_stack("web")
    fake.faults.fail(503, times=1)
    with SandboxServer(fake) as server:
        options: dict[str, Any] = {"url": server.url, "pool": transport, "retry": QUICK}
        async with Cloud66(fake.add_token(), observer=found.append, **options) as c66:
            await c66.stacks.get(stack.uid)
    first, second = found
    assert (first.operation, first.method, first.path) == ("stacks.get", "GET", "/stacks/{stack}.json")
    assert (first.stack, first.number, first.status, first.pause) == (stack.uid, 1, 503, 0.0)
    assert isinstance(first.error, ServerError)
    assert first.error.request_id == first.request_id != second.request_id
    assert (second.stack, second.number, second.status, second.error) == (stack.uid, 2, 200, None)
    assert second.pause is None
    assert 0 < second.seconds < 60


LOST = TransportError("connection lost", sent=False)
TIMEOUT = TransportTimeout("timeout", phase="read")


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ([make_error(404)], [(404, NotFound, None)]),
        ([LOST, TIMEOUT], [(None, TransportError, 0.0), (None, TransportTimeout, 0.0), (None, TransportTimeout, None)]),
        ([make_response(b"<html>")], [(200, ResponseError, None)]),
        ([make_error(429, retry_after="7200")], [(429, None, None)]),
    ],
)
async def test_failures_are_observed(replies: list[Any], told: list[tuple[Any, Any, Any]]) -> None:
    found: list[Attempt] = []
    async with client(Script(*replies), observer=found.append, retry=QUICK) as c66:
        with pytest.raises(Exception) as caught:
            await c66.stacks.get("a")
    assert [(each.status, each.pause) for each in found] == [(status, pause) for status, _, pause in told]
    assert all(kind is None or type(each.error) is kind for each, (_, kind, _) in zip(found, told, strict=True))
    assert found[-1].error is caught.value


async def test_pause_is_that_of_the_retry(recorder: RecordingClock) -> None:
    found: list[Attempt] = []
    replies = (make_error(429, retry_after="7"), make_response({"response": {"uid": "a"}}))
    async with client(Script(*replies), observer=found.append, clock=recorder) as c66:
        await c66.stacks.get("a")
    assert [each.pause for each in found] == [*recorder.slept, None]
    assert recorder.slept[0] >= 7


async def test_views_share_the_observer() -> None:
    found: list[Attempt] = []
    async with client(Script(), observer=found.append) as c66:
        await c66.using(token="another-token-of-a-user", account=7).stacks.get("a")
    assert [each.operation for each in found] == ["stacks.get"]


async def test_cancelled_attempt_has_neither_status_nor_error() -> None:
    found: list[Attempt] = []
    sent = asyncio.Event()

    async def never(_request: Request) -> None:
        sent.set()
        await asyncio.Event().wait()

    async with client(Script(never), observer=found.append) as c66:
        task = asyncio.create_task(c66.stacks.get("a"))
        await sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [attempt] = found
        assert attempt.cancelled
        assert (attempt.operation, attempt.status, attempt.error, attempt.pause) == ("stacks.get", None, None, None)
        assert attempt.seconds > 0


# --- names of operations


def call_of(operation: Operation[Any]) -> Call[Any]:
    """Return a call with arbitrary parameters, which are not checked."""
    path = operation.path
    for name in operation.names:
        path = path.replace(f"{{{name}}}", "%6eame" if name == "stack" else "1")
    return Call(operation, path)


async def test_every_operation_and_variant_has_its_own_name() -> None:
    found: list[Attempt] = []
    known = list(operations(variants=True))
    async with client(Script(make_error(404)), observer=found.append, retry=ONCE) as c66:
        for _, operation in known:
            with pytest.raises(NotFound):
                await c66.send(call_of(operation))
    assert [each.operation for each in found] == [name for name, _ in known]
    assert len(found) > 150
    for attempt, (_, operation) in zip(found, known, strict=True):
        assert (attempt.method, attempt.path) == (operation.method, operation.path)
        assert attempt.stack == ("name" if "stack" in operation.names else None)


async def test_other_requests_have_a_name_without_values() -> None:
    found: list[Attempt] = []
    own = get("/stacks/{stack}/alarms/{alarm}.json", dict[str, Any])
    async with client(Script(), observer=found.append) as c66:
        await c66.request("GET", "/stacks/a/unknown/b.json")
        await c66.send(own.bind(stack="a", alarm="b"))
    assert [(each.operation, each.path, each.stack) for each in found] == [
        ("request", "", None),
        ("GET /stacks/{stack}/alarms/{alarm}.json", "/stacks/{stack}/alarms/{alarm}.json", "a"),
    ]


# --- headers


SHOWN = {
    "content-type": "application/json; charset=utf-8",
    "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
    "x-ratelimit-limit": "3600",
    "x-ratelimit-remaining": "12",
    "x-request-id": "7be8ef86-046c-43d6-ad89-0000cd67966d",
}


@pytest.mark.parametrize("status", [200, 404])
async def test_only_listed_headers_are_shown(status: int) -> None:
    found: list[Attempt] = []
    hidden = {"set-cookie": "a=b", "authorization": "Bearer x", "location": "https://x.example", "x-runtime": "1"}
    reply = make_response({"response": {"uid": "a"}}, status, **SHOWN, **hidden)
    async with client(Script(reply), observer=found.append, retry=ONCE) as c66:
        await c66.collect(c66.stacks.get, ["a"])
    assert dict(found[0].headers) == SHOWN


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("status", [200, 404])
async def test_headers_with_other_values_are_not_shown(name: str, status: int) -> None:
    found: list[Attempt] = []
    token = "0123456789abcdef" * 4
    for value in (token, f"7 {token}", f"application/{token}", ""):
        reply = make_response({"response": {"uid": "a"}}, status, **{name: value})
        async with client(Script(reply), token=token, observer=found.append, retry=ONCE) as c66:
            await c66.collect(c66.stacks.get, ["a"])
    assert [dict(each.headers) for each in found] == [{}] * 4


# --- observers that fail


class BrokenError(Exception):
    """What a broken observer raises."""


@pytest.mark.parametrize("replies", [(), (make_error(503), make_response({"response": {"uid": "a"}}))])
async def test_observer_that_raises_is_logged_once_and_changes_nothing(
    replies: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    class OtherError(BrokenError):
        """A new kind in each test: each kind is logged once per process."""

    calls: list[Attempt] = []

    def observe(attempt: Attempt) -> None:
        calls.append(attempt)
        raise OtherError(len(calls))

    OtherError.__qualname__ = f"{len(replies)} replies"
    script = Script(*replies)
    async with client(script, observer=observe, retry=QUICK) as c66:
        for _ in range(3):
            assert (await c66.stacks.get("a")).uid == "a"
    assert len(calls) == len(script.requests) == max(3, len(replies) + 2)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.name for record in errors] == [LOGGER]
    assert errors[0].getMessage().startswith(f"observer {observe.__qualname__} failed")
    assert errors[0].exc_info is not None
    assert isinstance(errors[0].exc_info[1], OtherError)


async def asynchronous(attempt: Attempt) -> None:
    """An observer that nobody would await."""


class AsynchronousObserver:
    """An object with an observer that nobody would await."""

    async def __call__(self, attempt: Attempt) -> None:
        """Do nothing."""


INVALID: list[Callable[..., Any] | object] = [asynchronous, AsynchronousObserver(), object(), "print", 1]


@pytest.mark.parametrize("observer", INVALID)
def test_observer_that_cannot_be_called_is_rejected(observer: Any) -> None:
    with pytest.raises(TypeError, match="invalid observer: expected a function that is not async"):
        client(Script(), observer=observer)
