"""The requests in flight adapt to what the server can take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cloud66_async import Cloud66, Cloud66Error, Retry, TransportError, TransportTimeout
from cloud66_async.operation import get
from cloud66_async.resources.stacks import Stack
from cloud66_async.transport import Request

from ..support import ONCE, PausedClock, RecordingClock, Script, client, iterations, make_error, make_response

READ = get("/things/{thing}.json", Stack)
SUCCESS = make_response({"response": {"uid": "a"}})


async def fetch(c66: Cloud66, count: int) -> None:
    """Send this many requests concurrently, whatever becomes of them."""
    await asyncio.gather(*(c66.send(READ.bind(thing=number)) for number in range(count)), return_exceptions=True)


def limit(c66: Cloud66) -> int:
    limiter = c66._shared.limiter
    assert limiter.free == limiter.limit  # nothing is in flight
    return limiter.limit


OVERLOADED: dict[str, Any] = {
    "500": make_error(500),
    "502": make_error(502),
    "503": make_error(503),
    "504": make_error(504),
    "408": make_error(408),
    "read timeout": TransportTimeout("slow", phase="read"),
    "connect timeout": TransportTimeout("slow", phase="connect", sent=False),
}
OTHER: dict[str, Any] = {
    "200": SUCCESS,
    "404": make_error(404),
    "not implemented": make_error(503, "not_implemented"),
    "throttled": make_error(503, "throttled"),
    "connection lost": TransportError("lost"),
    "malformed": make_response(b"<html>"),
}


@pytest.mark.parametrize("failure", OVERLOADED.values(), ids=OVERLOADED)
async def test_overloaded_server_halves_the_limit_once_in_each_round_trip(failure: Any) -> None:
    async def fail(_: Request) -> Any:
        await iterations(2)
        return failure

    async with client(Script(fail), limit=32, retry=ONCE) as c66:
        found: list[int] = []
        for _ in range(7):
            await fetch(c66, limit(c66))
            found.append(limit(c66))
    assert found == [16, 8, 4, 2, 1, 1, 1]


@pytest.mark.parametrize("reply", OTHER.values(), ids=OTHER)
async def test_other_responses_leave_the_limit(reply: Any) -> None:
    async with client(Script(reply), limit=8, retry=ONCE) as c66:
        await fetch(c66, 20)
        assert limit(c66) == 8


async def test_wait_for_the_limiter_says_nothing_about_the_server() -> None:
    released = asyncio.Event()

    async def wait(_: Request) -> Any:
        await released.wait()
        return SUCCESS

    async with client(Script(wait), limit=4, retry=ONCE, timeout=60) as c66:
        tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(4)]
        await iterations()
        with pytest.raises(TransportTimeout):
            await c66.using(timeout=0.001).send(READ.bind(thing=5))
        released.set()
        await asyncio.gather(*tasks)
        assert limit(c66) == 4


@pytest.mark.parametrize("reply", [SUCCESS, make_error(404)], ids=["200", "404"])
async def test_limit_grows_with_responses_of_a_server_that_works(reply: Any) -> None:
    transport = Script(make_error(500), make_error(500))
    async with client(transport, limit=4, retry=ONCE) as c66:
        await fetch(c66, 1)
        await fetch(c66, 1)
        assert limit(c66) == 1
        transport.replies = [reply]
        found: list[int] = []
        for _ in range(4):
            await fetch(c66, limit(c66))
            found.append(limit(c66))
    assert found == [2, 3, 4, 4]


async def test_no_more_requests_in_flight_than_the_reduced_limit() -> None:
    async def slow(_: Request) -> Any:
        await iterations(3)
        return SUCCESS

    transport = Script(make_error(500))
    async with client(transport, limit=8, retry=ONCE) as c66:
        await fetch(c66, 1)
        transport.replies = [slow]
        tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(20)]
        await iterations(2)
        assert transport.in_flight == 4
        await asyncio.gather(*tasks)


# --- throttled tokens ---------------------------------------------------------------------------------


class Quota:
    """A server that throttles requests until a time, and records how many are in flight afterwards."""

    def __init__(self, clock: RecordingClock, open_from: float) -> None:
        self.opens = clock.now().timestamp() + open_from
        self.clock = clock
        self.concurrent: list[int] = []
        self.transport = Script(self.reply)

    async def reply(self, _: Request) -> Any:
        missing = self.opens - self.clock.now().timestamp()
        if missing > 0:
            await iterations(3)
            return make_error(503, "throttled", retry_after=str(int(missing)))
        self.concurrent.append(self.transport.in_flight)
        await iterations(3)
        return SUCCESS


async def test_throttled_requests_continue_one_by_one_at_first() -> None:
    clock = PausedClock()
    server = Quota(clock, 30)
    async with client(server.transport, limit=8, clock=clock) as c66:
        requests = asyncio.create_task(fetch(c66, 40))
        while len(clock.slept) < 40:
            await asyncio.sleep(0)
        clock.time += timedelta(seconds=32)
        clock.resumed.set()
        await requests
        assert len(server.concurrent) == 40
        assert server.concurrent[:7] == [1, 1, 2, 1, 2, 3, 4]  # one round trip after another
        assert max(server.concurrent) == 8
        assert limit(c66) == 8
        await fetch(c66, 8)
        assert server.concurrent[-1] == 8
        assert c66._sender._find_identity().allowance.slow_start is None


async def test_requests_of_a_throttled_hour_are_not_delayed(recorder: RecordingClock) -> None:
    server = Quota(recorder, 1800)
    async with client(server.transport, limit=8, clock=recorder, retry=ONCE) as c66:
        await fetch(c66, 8)
        tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(8)]
        await iterations(2)
        assert server.transport.in_flight == 8
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_throttled_token_does_not_slow_down_others(recorder: RecordingClock) -> None:
    async def reply(request: Request) -> Any:
        await iterations(3)
        return SUCCESS if request.headers.token == "other" else make_error(429, retry_after="0")

    transport = Script(reply)
    async with client(transport, limit=8, clock=recorder, retry=ONCE) as c66:
        await fetch(c66, 8)
        throttled = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(8)]
        await iterations(2)
        assert transport.in_flight == 1
        other = c66.using(token="other")
        tasks = [asyncio.create_task(other.send(READ.bind(thing=number))) for number in range(8)]
        await iterations(2)
        assert transport.in_flight >= 7
        await asyncio.gather(*throttled, *tasks, return_exceptions=True)
        assert limit(c66) == 8


async def test_cancelled_requests_of_a_slow_start_release_their_slots(recorder: RecordingClock) -> None:
    transport = Script(make_error(429, retry_after="0"))
    async with client(transport, limit=4, clock=recorder, retry=ONCE) as c66:
        await fetch(c66, 1)
        for count in range(12):

            async def slow(_: Request) -> Any:
                await iterations(5)
                return make_error(429, retry_after="0")

            transport.replies = [slow]
            tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(6)]
            await iterations(count)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert limit(c66) == 4
            slow_start = c66._sender._find_identity().allowance.slow_start
            assert slow_start is not None
            assert slow_start.free == slow_start.limit == 1


@pytest.mark.parametrize("limit_", [1, 2, 5])
async def test_every_request_ends_with_any_mix_of_failures(limit_: int, recorder: RecordingClock) -> None:
    kinds: list[Callable[[], Any]] = [
        lambda: SUCCESS,
        lambda: make_error(500),
        lambda: make_error(429, retry_after="1"),
        lambda: TransportTimeout("slow", phase="read"),
        lambda: make_error(404),
    ]

    async def reply(request: Request) -> Any:
        await iterations(1 + len(transport.requests) % 4)
        return kinds[len(transport.requests) % len(kinds)]()

    transport = Script(reply)
    async with client(transport, limit=limit_, clock=recorder, retry=Retry(attempts=6, seed=1)) as c66:
        results = await asyncio.gather(
            *(c66.send(READ.bind(thing=number)) for number in range(40)), return_exceptions=True
        )
        assert limit(c66) <= limit_
    assert all(isinstance(each, Cloud66Error) or not isinstance(each, BaseException) for each in results)
    assert transport.in_flight == 0
    assert transport.most_in_flight <= limit_


async def test_throttled_again_starts_again_at_a_later_time(recorder: RecordingClock) -> None:
    transport = Script(make_error(429, retry_after="0"), SUCCESS, SUCCESS, make_error(429, retry_after="20"))
    async with client(transport, limit=8, clock=recorder, retry=ONCE) as c66:
        for _ in range(3):
            await fetch(c66, 1)
        slow_start = c66._sender._find_identity().allowance.slow_start
        assert slow_start is not None
        assert slow_start.limit == 3
        await fetch(c66, 1)
        assert (slow_start.limit, slow_start.until) == (1, recorder.now() + timedelta(seconds=20))
