from __future__ import annotations

import asyncio
import gc
import logging
import re
from typing import Any

import pytest

from cloud66_async import (
    Cloud66,
    NotFound,
    ResponseError,
    Retry,
    ServerError,
    Throttled,
    TransportError,
    errors,
)
from cloud66_async.operation import get, post
from cloud66_async.resources.stacks import Stack
from cloud66_async.transport import Request

from ..support import ONCE, START, TOKEN, RecordingClock, Script, client, iterations, make_error, make_response

READ = get("/things/{thing}.json", Stack)
WRITE = post("/things.json", Stack, body={"name": str | None})
POP = get("/queues/pop.json", repeatable=False)
SUCCESS = make_response({"response": {"uid": "a"}})
LOST = TransportError("connection lost", sent=True)
REFUSED = TransportError("connection refused", sent=False)


async def test_send_builds_a_request_and_decodes_the_response() -> None:
    transport = Script(make_response({"response": {"uid": "a"}}, x_ratelimit_limit="3600", x_ratelimit_remaining="7"))
    async with client(transport, account=42) as c66:
        response = await c66.send(READ.bind(thing="a b"))
    (request,) = transport.requests
    assert (request.method, request.target, request.body) == ("GET", "/api/3/things/a%20b.json", None)
    assert dict(request.headers.pairs) == {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": dict(request.headers.pairs)["User-Agent"],
        "Authorization": f"Bearer {TOKEN}",
        "X-Account": "42",
    }
    assert response.data == Stack(uid="a")
    assert (response.status, response.quota.remaining, response.request_id) == (200, 7, request.request_id)


async def test_every_attempt_has_a_unique_uuid_as_request_id() -> None:
    transport = Script(make_error(500), SUCCESS)
    async with client(transport) as c66:
        for _ in range(50):
            await c66.send(READ.bind(thing=1))
    ids = [request.request_id for request in transport.requests]
    assert len(set(ids)) == 51
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", each) for each in ids)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_status_is_success(status: int) -> None:
    async with client(Script(make_response({"response": {"uid": "a"}}, status))) as c66:
        assert (await c66.send(READ.bind(thing=1))).status == status


@pytest.mark.parametrize("body", [b"", b"{}", b"not json"])
async def test_body_is_ignored_if_no_result_is_expected(body: bytes) -> None:
    async with client(Script(make_response(body))) as c66:
        response = await c66.send(POP.bind())
    assert response.data is None
    assert response.raw == body


# --- retries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [make_error(500), make_error(502), make_error(408), LOST, REFUSED, make_error(503, "unknown")]
)
async def test_read_is_retried_until_it_succeeds(failure: Any, recorder: RecordingClock) -> None:
    transport = Script(failure, failure, failure, SUCCESS)
    async with client(transport, clock=recorder) as c66:
        assert (await c66.send(READ.bind(thing=1))).data == Stack(uid="a")
    assert len(transport.requests) == 4
    assert len(recorder.slept) == 3
    assert all(0 <= pause <= 0.5 * 2**number for number, pause in enumerate(recorder.slept))


async def test_last_error_is_raised_after_all_attempts(recorder: RecordingClock) -> None:
    transport = Script(make_error(500), make_error(502), LOST, make_error(504))
    async with client(transport, clock=recorder) as c66:
        with pytest.raises(ServerError, match="504"):
            await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 4


@pytest.mark.parametrize(
    "failure",
    [make_error(500), make_error(408), LOST, make_error(503, "not_implemented"), make_error(404), make_error(409)],
)
@pytest.mark.parametrize("call", [WRITE.bind(name="x"), POP.bind()], ids=["write", "pop"])
async def test_write_that_may_have_arrived_is_never_retried(failure: Any, call: Any) -> None:
    transport = Script(failure, SUCCESS)
    async with client(transport) as c66:
        with pytest.raises(errors.Cloud66Error):
            await c66.send(call)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "failure", [REFUSED, make_error(429, retry_after="1"), make_error(503, "throttled", retry_after="1")]
)
@pytest.mark.parametrize("call", [WRITE.bind(name="x"), POP.bind()], ids=["write", "pop"])
async def test_write_that_had_no_effect_is_retried(failure: Any, call: Any) -> None:
    transport = Script(failure, SUCCESS)
    async with client(transport) as c66:
        await c66.send(call)
    assert len(transport.requests) == 2
    assert transport.requests[0].body == transport.requests[1].body


@pytest.mark.parametrize(
    "failure", [make_error(503, "not_implemented"), make_error(404), make_error(401), make_error(400)]
)
async def test_no_retry_after_permanent_errors(failure: Any) -> None:
    transport = Script(failure, SUCCESS)
    async with client(transport) as c66:
        with pytest.raises(errors.APIError):
            await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 1


async def test_no_retry_after_malformed_response() -> None:
    transport = Script(make_response(b"<html>"), SUCCESS)
    async with client(transport) as c66:
        with pytest.raises(ResponseError) as caught:
            await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 1
    assert caught.value.request_id == transport.requests[0].request_id


async def test_retry_after_sets_the_pause(recorder: RecordingClock) -> None:
    transport = Script(
        make_error(500, retry_after="Mon, 02 Mar 2026 09:13:00 GMT"), make_error(429, retry_after="17"), SUCCESS
    )
    async with client(transport, clock=recorder) as c66:
        await c66.send(READ.bind(thing=1))
    assert recorder.slept[0] == 30.0
    assert 17.0 <= recorder.slept[1] <= 17.85


async def test_waiting_for_the_next_hour_requires_a_larger_max_pause(recorder: RecordingClock) -> None:
    transport = Script(make_error(503, "throttled"), SUCCESS)
    async with client(transport, clock=recorder) as c66:
        with pytest.raises(Throttled) as caught:
            await c66.send(READ.bind(thing=1))
        assert caught.value.retry_at == START.replace(hour=10, minute=0, second=0)
        transport.replies = [make_error(503, "throttled"), SUCCESS]
        await c66.using(retry=Retry(max_pause=3600)).send(READ.bind(thing=1))
    assert len(recorder.slept) == 1
    assert 47.5 * 60 <= recorder.slept[0] <= 48.5 * 60


async def test_every_attempt_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with client(Script(make_error(500, "busy"), SUCCESS)) as c66:
            await c66.send(READ.bind(thing=1))
    failed, succeeded = [record for record in caplog.records if record.name.startswith("cloud66_async")]
    assert (failed.levelno, succeeded.levelno) == (logging.WARNING, logging.DEBUG)
    for text in ("status=500", "attempt=1", "error=ServerError", "retry_in=0.", "busy"):
        assert text in failed.getMessage()
    assert "status=200 attempt=2" in succeeded.getMessage()
    assert TOKEN not in caplog.text


# --- limiter ------------------------------------------------------------------------------------------


async def test_at_most_limit_requests_are_in_flight() -> None:
    async def slow(_: Request) -> Any:
        await iterations(3)
        return SUCCESS

    transport = Script(slow)
    async with client(transport, limit=3) as c66:
        await asyncio.gather(*(c66.send(READ.bind(thing=number)) for number in range(20)))
    assert transport.most_in_flight == 3
    assert len(transport.requests) == 20


async def test_pause_before_a_retry_holds_no_limiter_slot() -> None:
    transport = Script(lambda request: make_error(500) if request.target.endswith("slow.json") else SUCCESS)
    resumed = asyncio.Event()

    class PausedClock(RecordingClock):
        async def sleep(self, seconds: float) -> None:
            await resumed.wait()

    async with client(transport, limit=1, clock=PausedClock(), retry=Retry(attempts=2)) as c66:
        pausing = asyncio.create_task(c66.send(READ.bind(thing="slow")))
        await iterations()
        await c66.send(READ.bind(thing="quick"))
        assert not pausing.done()
        resumed.set()
        with pytest.raises(ServerError):
            await pausing


@pytest.mark.parametrize("failure", [make_error(500), LOST, RuntimeError("from the transport")])
async def test_every_failure_releases_its_limiter_slot(failure: Any) -> None:
    transport = Script(failure)
    async with client(transport, limit=2, retry=ONCE) as c66:
        for _ in range(5):
            with pytest.raises((errors.Cloud66Error, RuntimeError)):
                await c66.send(READ.bind(thing=1))
        transport.replies = [SUCCESS]
        await c66.send(READ.bind(thing=1))


async def test_cancelled_request_releases_its_limiter_slot() -> None:
    async def never(_: Request) -> Any:
        await asyncio.Event().wait()

    transport = Script(never)
    async with client(transport, limit=2) as c66:
        running = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(5)]
        await iterations()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        transport.replies = [SUCCESS]
        await asyncio.gather(*(c66.send(READ.bind(thing=number)) for number in range(5)))
    assert transport.in_flight == 0


# --- event loops and closing --------------------------------------------------------------------------


def test_another_event_loop_raises_config_error_even_if_the_limiter_is_full() -> None:
    async def never(_: Request) -> Any:
        await asyncio.Event().wait()

    transport = Script(never)
    c66 = client(transport, limit=1)

    async def fill() -> None:
        tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(3)]
        await iterations()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(fill())
    for number in range(3):
        with pytest.raises(errors.ConfigError, match="belongs to another event loop; create one client per event loop"):
            asyncio.run(c66.send(READ.bind(thing=number)))
    asyncio.run(c66.aclose())


async def test_closing_fails_requests_that_wait_for_the_limiter() -> None:
    released = asyncio.Event()

    async def wait(_: Request) -> Any:
        await released.wait()
        return SUCCESS

    transport = Script(wait)
    c66 = client(transport, limit=1)
    tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(3)]
    await iterations()
    await c66.aclose()
    released.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert [str(other) for other in others] == ["this client is closed; create a new one"] * 2
    assert len(transport.requests) == 1


async def test_error_leaves_no_reference_cycle() -> None:
    """Reference cycles are freed late, and an error holds the whole response body."""
    async with client(Script(make_error(404, "cycle_test"))) as c66:
        await _raise_not_found(c66)
        gc.collect()
        gc.disable()
        try:
            await _raise_not_found(c66)
            remaining = [each for each in gc.get_objects() if isinstance(each, NotFound) and each.code == "cycle_test"]
        finally:
            gc.enable()
    assert remaining == []


async def _raise_not_found(c66: Cloud66) -> None:
    try:
        await c66.send(READ.bind(thing=1))
    except NotFound:
        return
    raise AssertionError("NotFound was not raised")
