"""Requests wait for the hourly quota, or are refused, before they are sent."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from cloud66_async import ConfigError, NotFound, QuotaError, Retry, Throttled
from cloud66_async.operation import get
from cloud66_async.resources.stacks import Stack

from ..support import PausedClock, RecordingClock, Script, client, iterations, make_error, make_response

READ = get("/things/{thing}.json", Stack)
SUCCESS = make_response({"response": {"uid": "a"}})
HOUR = datetime(2026, 3, 2, 10, tzinfo=UTC)


def left(remaining: int) -> Any:
    """Return a response with this many remaining requests."""
    return make_response({"response": {"uid": "a"}}, x_ratelimit_remaining=str(remaining))


@pytest.fixture
def late(recorder: RecordingClock) -> RecordingClock:
    """A clock at 20 seconds before the full hour."""
    recorder.time = HOUR - timedelta(seconds=20)
    return recorder


async def test_reserved_quota_raises_quota_error_before_sending(recorder: RecordingClock) -> None:
    transport = Script(make_response({"response": {"uid": "a"}}, x_ratelimit_remaining="5"))
    async with client(transport, reserve=5, clock=recorder) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(QuotaError):
            await c66.send(READ.bind(thing=1))
        assert len(transport.requests) == 1
        recorder.time += timedelta(hours=1)
        await c66.send(READ.bind(thing=1))
    assert len(transport.requests) == 2


async def test_error_responses_update_the_quota() -> None:
    async with client(Script(make_error(404, x_ratelimit_remaining="5"))) as c66:
        with pytest.raises(NotFound):
            await c66.send(READ.bind(thing=1))
        assert c66.quota.remaining == 5


async def test_request_waits_for_a_quota_that_resets_soon(late: RecordingClock) -> None:
    transport = Script(left(5), left(3599))
    async with client(transport, reserve=5, clock=late) as c66:
        await c66.send(READ.bind(thing=1))
        await c66.send(READ.bind(thing=2))
        assert c66.quota.remaining == 3599
    assert len(late.slept) == 1
    assert 20 <= late.slept[0] <= 21  # a random part of at most 5 %


async def test_request_is_refused_if_the_quota_resets_after_max_pause(late: RecordingClock) -> None:
    transport = Script(left(5))
    async with client(transport, reserve=5, clock=late, retry=Retry(max_pause=19)) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(QuotaError) as caught:
            await c66.send(READ.bind(thing=2))
        assert caught.value.retry_at == HOUR
        await c66.using(retry=Retry(max_pause=20)).send(READ.bind(thing=2))
    assert late.slept == [20.0]


async def test_refuse_raises_at_once(late: RecordingClock) -> None:
    transport = Script(left(5))
    async with client(transport, reserve=5, when_exhausted="refuse", clock=late) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(QuotaError, match="not sent: 5 requests remain until 10:00 UTC, and 5 are reserved"):
            await c66.send(READ.bind(thing=2))
    assert (late.slept, len(transport.requests)) == ([], 1)


async def test_refuse_without_a_reserve_uses_the_whole_quota(late: RecordingClock) -> None:
    transport = Script(left(1), left(0))
    async with client(transport, when_exhausted="refuse", clock=late) as c66:
        await c66.send(READ.bind(thing=1))
        await c66.send(READ.bind(thing=2))
        with pytest.raises(QuotaError):
            await c66.send(READ.bind(thing=3))
    assert len(transport.requests) == 2


async def test_wait_without_a_reserve_leaves_the_decision_to_the_server(late: RecordingClock) -> None:
    transport = Script(left(0), left(0), make_error(503, "throttled", retry_after="90"))
    async with client(transport, when_exhausted="wait", clock=late) as c66:
        await c66.send(READ.bind(thing=1))
        await c66.send(READ.bind(thing=2))
        with pytest.raises(Throttled):
            await c66.send(READ.bind(thing=3))
    assert late.slept == []


async def test_deadline_of_the_caller_counts(late: RecordingClock) -> None:
    transport = Script(left(5))
    async with client(transport, reserve=5, clock=late) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(QuotaError):
            async with asyncio.timeout(15):
                await c66.send(READ.bind(thing=2))
        with anyio.fail_after(15), pytest.raises(QuotaError):
            await c66.send(READ.bind(thing=2))
        async with asyncio.timeout(30):
            await c66.send(READ.bind(thing=2))
    assert len(late.slept) == 1


async def test_requests_that_wait_hold_no_slot_and_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = PausedClock()
    clock.time = HOUR - timedelta(seconds=20)
    async with client(Script(left(5)), reserve=5, limit=1, clock=clock) as c66:
        await c66.send(READ.bind(thing=1))
        with caplog.at_level(logging.INFO, "cloud66_async"):
            tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(5)]
            await iterations()
            assert len(clock.slept) == 5
            assert c66._shared.limiter.free == 1
            clock.time = HOUR
            clock.resumed.set()
            await asyncio.gather(*tasks)
    (record,) = [each for each in caplog.records if each.name == "cloud66_async"]
    assert record.levelname == "INFO"
    assert record.getMessage().startswith(("waiting 20.", "waiting 21.0"))  # with the random part
    assert "5 requests remain until 10:00 UTC" in record.getMessage()


async def test_timeout_while_waiting_names_the_quota() -> None:
    class EndlessPause(RecordingClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    clock = EndlessPause()
    clock.time = HOUR - timedelta(milliseconds=1)
    async with client(Script(left(0)), reserve=0, clock=clock) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await c66.send(READ.bind(thing=2))
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert isinstance(caught.value.__cause__.__cause__, QuotaError)


async def test_retries_wait_for_the_quota_too(late: RecordingClock) -> None:
    transport = Script(make_error(500, x_ratelimit_remaining="0"), SUCCESS)
    async with client(transport, reserve=0, clock=late, retry=Retry(base=0)) as c66:
        await c66.send(READ.bind(thing=1))
    assert len(late.slept) == 2
    assert late.slept[0] == 0
    assert 20 <= late.slept[1] <= 21


async def test_streamed_requests_are_refused_too(late: RecordingClock) -> None:
    async with client(Script(left(0)), when_exhausted="refuse", clock=late) as c66:
        await c66.send(READ.bind(thing=1))
        with pytest.raises(QuotaError):
            async with c66.stream("GET", "/things/1.json"):
                pass


@pytest.mark.parametrize("value", ["", "Wait", "ignore"])
def test_invalid_when_exhausted(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"invalid when_exhausted .*: must be 'wait' or 'refuse'"):
        client(Script(), when_exhausted=value)
