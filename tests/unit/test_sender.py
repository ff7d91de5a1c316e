from __future__ import annotations

import asyncio
import gc
import logging
import re
from datetime import timedelta
from typing import Any

import anyio
import pytest

from cloud66_async import (
    Cloud66,
    NotFound,
    QuotaError,
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
WRITE = post("/things.json", Stack, body=("name",))
POP = get("/queues/pop.json", repeatable=False)
GOOD = make_response({"response": {"uid": "a"}})
GONE = TransportError("gone", sent=True)
UNSENT = TransportError("nobody there", sent=False)


async def test_a_call_becomes_a_request_and_its_response_a_response() -> None:
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


async def test_each_request_has_an_id_of_its_own_in_the_form_of_a_uuid() -> None:
    transport = Script(make_error(500), GOOD)
    async with client(transport) as c66:
        for _ in range(50):
            await c66.send(READ.bind(thing=1))
    ids = [request.request_id for request in transport.requests]
    assert len(set(ids)) == 51
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", each) for each in ids)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(status: int) -> None:
    async with client(Script(make_response({"response": {"uid": "a"}}, status))) as c66:
        assert (await c66.send(READ.bind(thing=1))).status == status


@pytest.mark.parametrize("body", [b"", b"{}", b"not json"])
async def test_where_nothing_is_expected_any_body_will_do(body: bytes) -> None:
    async with client(Script(make_response(body))) as c66:
        response = await c66.send(POP.bind())
    assert response.data is None
    assert response.raw == body


# --- repeating -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [make_error(500), make_error(502), make_error(408), GONE, UNSENT, make_error(503, "odd")]
)
async def test_a_read_is_repeated_until_it_succeeds(trouble: Any, recorder: RecordingClock) -> None:
    transport = Script(trouble, trouble, trouble, GOOD)
    async with client(transport, clock=recorder) as c66:
        assert (await c66.send(READ.bind(thing=1))).data == Stack(uid="a")
    assert len(transport.requests) == 4
    assert len(recorder.slept) == 3
    assert all(0 <= pause <= 0.5 * 2**number for number, pause in enumerate(recorder.slept))


async def test_the_last_error_comes_out_when_all_tries_are_used_up(recorder: RecordingClock) -> None:
    transport = Script(make_error(500), make_error(502), GONE, make_error(504))
    async with client(transport, clock=recorder) as c66:
        with pytest.raises(ServerError, match="504"):
            await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 4


@pytest.mark.parametrize(
    "trouble",
    [make_error(500), make_error(408), GONE, make_error(503, "not_implemented"), make_error(404), make_error(409)],
)
@pytest.mark.parametrize("call", [WRITE.bind(name="x"), POP.bind()], ids=["write", "pop"])
async def test_a_write_that_may_have_arrived_is_never_repeated(trouble: Any, call: Any) -> None:
    transport = Script(trouble, GOOD)
    async with client(transport) as c66:
        with pytest.raises(errors.Cloud66Error):
            await c66.send(call)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "trouble", [UNSENT, make_error(429, retry_after="1"), make_error(503, "throttled", retry_after="1")]
)
@pytest.mark.parametrize("call", [WRITE.bind(name="x"), POP.bind()], ids=["write", "pop"])
async def test_a_write_that_did_nothing_is_repeated(trouble: Any, call: Any) -> None:
    transport = Script(trouble, GOOD)
    async with client(transport) as c66:
        await c66.send(call)
    assert len(transport.requests) == 2
    assert transport.requests[0].body == transport.requests[1].body


@pytest.mark.parametrize(
    "trouble", [make_error(503, "not_implemented"), make_error(404), make_error(401), make_error(400)]
)
async def test_what_asking_again_does_not_change_is_not_asked_again(trouble: Any) -> None:
    transport = Script(trouble, GOOD)
    async with client(transport) as c66:
        with pytest.raises(errors.APIError):
            await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 1


async def test_a_response_that_cannot_be_read_is_not_asked_for_again() -> None:
    transport = Script(make_response(b"<html>"), GOOD)
    async with client(transport) as c66:
        with pytest.raises(ResponseError) as caught:
            await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 1
    assert caught.value.request_id == transport.requests[0].request_id


async def test_retry_after_is_waited_for_to_the_second(recorder: RecordingClock) -> None:
    transport = Script(
        make_error(429, retry_after="17"), make_error(500, retry_after="Mon, 02 Mar 2026 09:13:00 GMT"), GOOD
    )
    async with client(transport, clock=recorder) as c66:
        await c66.send(READ.bind(thing=1))
    assert recorder.slept == [17.0, 13.0]


async def test_the_next_hour_is_waited_for_only_by_those_who_allow_it(recorder: RecordingClock) -> None:
    transport = Script(make_error(503, "throttled"), GOOD)
    async with client(transport, clock=recorder) as c66:
        with pytest.raises(Throttled) as caught:
            await c66.send(READ.bind(thing=1))
        assert caught.value.retry_at == START.replace(hour=10, minute=0, second=0)
        transport.replies = [make_error(503, "throttled"), GOOD]
        await c66.using(retry=Retry(max_pause=3600)).send(READ.bind(thing=1))
    assert recorder.slept == [47.5 * 60]


async def test_a_repeated_request_is_told_in_the_log_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with client(Script(make_error(500, "busy"), GOOD)) as c66:
            await c66.send(READ.bind(thing=1))
    (record,) = [record for record in caplog.records if record.name == "cloud66_async"]
    assert re.match(
        r"retrying GET /things/\{thing\}\.json in \d\.\d s \(attempt 1 failed\): 500 for .*busy.*", record.getMessage()
    )
    assert TOKEN not in caplog.text


# --- deadlines ----------------------------------------------------------------------------------------


async def test_a_pause_that_would_outlast_the_deadline_is_not_begun(recorder: RecordingClock) -> None:
    async with client(Script(make_error(429, "slow", retry_after="50"), GOOD), clock=recorder) as c66:
        with anyio.fail_after(40):
            with pytest.raises(Throttled, match="slow"):
                await c66.send(READ.bind(thing=1))
        with anyio.fail_after(60):
            await c66.send(READ.bind(thing=1))
    assert recorder.slept == []


async def test_a_deadline_that_is_far_away_stops_nothing(recorder: RecordingClock) -> None:
    async with client(Script(make_error(429, retry_after="50"), GOOD), clock=recorder) as c66:
        with anyio.fail_after(60):
            await c66.send(READ.bind(thing=1))
    assert recorder.slept == [50.0]


async def test_in_a_cancelled_scope_nothing_is_raised_and_the_next_await_ends_it() -> None:
    class Sleepy(RecordingClock):
        async def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)
            await asyncio.Event().wait()

    clock = Sleepy()
    came: list[str] = []

    def cancel(_: Request) -> Any:
        scope.cancel()
        return make_error(500)

    async with client(Script(cancel), clock=clock) as c66:
        with anyio.CancelScope() as scope:
            await c66.send(READ.bind(thing=1))
            came.append("past it")
    assert scope.cancelled_caught
    assert came == []
    assert len(clock.slept) == 1


# --- the gate -----------------------------------------------------------------------------------------


async def test_no_more_requests_are_in_flight_than_the_limit() -> None:
    async def slow(_: Request) -> Any:
        await iterations(3)
        return GOOD

    transport = Script(slow)
    async with client(transport, limit=3) as c66:
        await asyncio.gather(*(c66.send(READ.bind(thing=number)) for number in range(20)))
    assert transport.most_in_flight == 3
    assert len(transport.requests) == 20


async def test_who_pauses_holds_no_place() -> None:
    transport = Script(lambda request: make_error(500) if request.target.endswith("slow.json") else GOOD)
    woken = asyncio.Event()

    class Held(RecordingClock):
        async def sleep(self, seconds: float) -> None:
            await woken.wait()

    async with client(transport, limit=1, clock=Held(), retry=Retry(attempts=2)) as c66:
        pausing = asyncio.create_task(c66.send(READ.bind(thing="slow")))
        await iterations()
        await c66.send(READ.bind(thing="quick"))
        assert not pausing.done()
        woken.set()
        with pytest.raises(ServerError):
            await pausing


@pytest.mark.parametrize("trouble", [make_error(500), GONE, RuntimeError("of the transport")])
async def test_every_failure_gives_its_place_back(trouble: Any) -> None:
    transport = Script(trouble)
    async with client(transport, limit=2, retry=ONCE) as c66:
        for _ in range(5):
            with pytest.raises((errors.Cloud66Error, RuntimeError)):
                await c66.send(READ.bind(thing=1))
        transport.replies = [GOOD]
        await c66.send(READ.bind(thing=1))


async def test_a_cancelled_request_gives_its_place_back() -> None:
    async def never(_: Request) -> Any:
        await asyncio.Event().wait()

    transport = Script(never)
    async with client(transport, limit=2) as c66:
        running = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(5)]
        await iterations()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        transport.replies = [GOOD]
        await asyncio.gather(*(c66.send(READ.bind(thing=number)) for number in range(5)))
    assert transport.in_flight == 0


# --- quota --------------------------------------------------------------------------------------------


async def test_what_is_reserved_is_refused_before_it_is_sent(recorder: RecordingClock) -> None:
    transport = Script(make_response({"response": {"uid": "a"}}, x_ratelimit_remaining="5"))
    async with client(transport, reserve=5, clock=recorder) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(QuotaError):
            await c66.send(READ.bind(thing=1))
        assert len(transport.requests) == 1
        recorder.time += timedelta(hours=1)
        await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 2


async def test_errors_tell_the_quota_too() -> None:
    async with client(Script(make_error(404, x_ratelimit_remaining="5"))) as c66:
        with pytest.raises(NotFound):
            await c66.send(READ.bind(thing=1))
        assert c66.quota.remaining == 5


# --- the event loop, and the end -----------------------------------------------------------------------


def test_another_event_loop_is_refused_in_a_sentence_even_at_a_full_limiter() -> None:
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


async def test_who_waits_at_the_limiter_of_a_client_that_closes_is_told() -> None:
    held = asyncio.Event()

    async def wait(_: Request) -> Any:
        await held.wait()
        return GOOD

    transport = Script(wait)
    c66 = client(transport, limit=1)
    tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(3)]
    await iterations()
    await c66.aclose()
    held.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert [str(other) for other in others] == ["this client is closed; create a new one"] * 2
    assert len(transport.requests) == 1


async def test_an_error_makes_no_cycle() -> None:
    """What holds itself is freed late, and an error holds the whole body of its answer."""
    async with client(Script(make_error(404, "of this test"))) as c66:
        await _fail(c66)
        gc.collect()
        gc.disable()
        try:
            await _fail(c66)
            left = [thing for thing in gc.get_objects() if isinstance(thing, NotFound) and thing.code == "of this test"]
        finally:
            gc.enable()
    assert left == []


async def _fail(c66: Cloud66) -> None:
    try:
        await c66.send(READ.bind(thing=1))
    except NotFound:
        return
    raise AssertionError("it was found")
