"""Pauses before retries: deadlines of the caller, cancellation, and the hook."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from cloud66_async import Cloud66, NotFound, Retry, ServerError, Throttled, Timeouts, TransportError
from cloud66_async.operation import get
from cloud66_async.resources.stacks import Stack
from cloud66_async.transport import Request

from ..support import ONCE, RecordingClock, Script, client, make_error, make_response, packet, wire

READ = get("/things/{thing}.json", Stack)
SUCCESS = make_response({"response": {"uid": "a"}})


class EndlessPause(RecordingClock):
    """A clock whose pauses never end. At their start, the deadline `block` is moved to this time."""

    block: asyncio.Timeout | None = None

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.block is not None:
            self.block.reschedule(asyncio.get_running_loop().time())
        await asyncio.Event().wait()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it names as its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# --- deadlines ----------------------------------------------------------------------------------------


async def test_no_retry_if_the_pause_exceeds_the_deadline(recorder: RecordingClock) -> None:
    async with client(Script(make_error(429, "slow", retry_after="50"), SUCCESS), clock=recorder) as c66:
        with anyio.fail_after(40):
            with pytest.raises(Throttled, match="slow"):
                await c66.send(READ.bind(thing=1))
        with anyio.fail_after(60):
            await c66.send(READ.bind(thing=1))
    assert recorder.slept == []


async def test_retry_if_the_pause_ends_before_the_deadline(recorder: RecordingClock) -> None:
    async with client(Script(make_error(500, retry_after="50"), SUCCESS), clock=recorder) as c66:
        with anyio.fail_after(60):
            await c66.send(READ.bind(thing=1))
    assert recorder.slept == [50.0]


async def test_cancelled_scope_ends_at_the_next_await_without_an_error() -> None:
    clock = EndlessPause()
    reached: list[str] = []

    def cancel(_: Request) -> Any:
        scope.cancel()
        return make_error(500)

    async with client(Script(cancel), clock=clock) as c66:
        with anyio.CancelScope() as scope:
            await c66.send(READ.bind(thing=1))
            reached.append("end of the scope")
    assert scope.cancelled_caught
    assert reached == []
    assert len(clock.slept) == 1


async def test_timeout_during_a_pause_names_the_error() -> None:
    clock = EndlessPause()
    async with client(Script(make_error(500, "busy")), clock=clock) as c66:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(100) as clock.block:
                await c66.send(READ.bind(thing=1))
    (problem,) = [error for error in chain(caught.value) if isinstance(error, ServerError)]
    assert problem.code == "busy"


async def test_wait_for_that_ends_during_a_pause_names_the_error() -> None:
    retry = Retry(base=0)  # a pause that the deadline would allow
    async with client(Script(make_error(500, "busy")), clock=EndlessPause(), retry=retry) as c66:
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(c66.send(READ.bind(thing=1)), 0.2)
    assert any(isinstance(error, ServerError) for error in chain(caught.value))


@pytest.mark.parametrize("failure", [make_error(500, "busy"), TransportError("lost")], ids=["response", "transport"])
async def test_timeout_during_a_retry_names_the_error_of_the_first_attempt(failure: Any) -> None:
    started = asyncio.Event()

    async def never(_: Request) -> Any:
        started.set()
        await asyncio.Event().wait()

    async with client(Script(failure, never)) as c66:
        task = asyncio.create_task(c66.send(READ.bind(thing=1)))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert any(isinstance(error, ServerError | TransportError) for error in chain(caught.value))


# --- the hook -----------------------------------------------------------------------------------------


async def test_hook_sees_every_retry(recorder: RecordingClock) -> None:
    seen: list[tuple[str, str, int, float]] = []

    def hook(call: Any, error: Exception, attempt: int, pause: float) -> None:
        seen.append((str(call), type(error).__name__, attempt, pause))

    transport = Script(make_error(500), TransportError("lost"), make_error(404))
    async with client(transport, clock=recorder, retry=Retry(before_retry=hook)) as c66:
        with pytest.raises(Exception, match="404"):
            await c66.send(READ.bind(thing=1))
    assert [row[:3] for row in seen] == [
        ("GET /things/1.json", "ServerError", 1),
        ("GET /things/1.json", "TransportError", 2),
    ]
    assert [row[3] for row in seen] == recorder.slept


async def test_hook_vetoes_a_retry(recorder: RecordingClock) -> None:
    def veto(*_: object) -> bool:
        return False

    transport = Script(make_error(500), SUCCESS)
    async with client(transport, clock=recorder, retry=Retry(before_retry=veto)) as c66:
        with pytest.raises(ServerError):
            await c66.send(READ.bind(thing=1))
    assert (len(transport.requests), recorder.slept) == (1, [])


async def test_hook_is_not_called_if_there_is_no_retry() -> None:
    def hook(*_: Any) -> bool:
        raise AssertionError

    async with client(Script(make_error(500, retry_after="50")), retry=Retry(before_retry=hook)) as c66:
        with anyio.fail_after(40):
            with pytest.raises(ServerError):
                await c66.send(READ.bind(thing=1))


async def test_error_of_the_hook_propagates() -> None:
    def hook(*_: Any) -> bool:
        raise LookupError("of the hook")

    reported: list[Any] = []
    transport = Script(make_error(500, "busy"))
    async with client(transport, retry=Retry(before_retry=hook), limit=2, observer=reported.append) as c66:
        with pytest.raises(LookupError, match="of the hook") as caught:
            await c66.send(READ.bind(thing=1))
        assert c66._shared.limiter.free == c66._shared.limiter.limit
    assert any(isinstance(error, ServerError) for error in chain(caught.value))
    assert [(attempt.status, attempt.pause) for attempt in reported] == [(500, None)]


# --- the observer -------------------------------------------------------------------------------------


async def test_observer_sees_every_attempt(recorder: RecordingClock) -> None:
    seen: list[Any] = []
    transport = Script(make_error(500), TransportError("lost"), make_response(b"<html>"))
    async with client(transport, clock=recorder, observer=seen.append) as c66:
        with pytest.raises(Exception, match="invalid response"):
            await c66.send(READ.bind(thing=1))
        transport.replies = [make_response({"response": {"uid": "a"}}, x_ratelimit_remaining="7")]
        await c66.send(READ.bind(thing=1))
    assert [(each.number, each.status, type(each.error).__name__) for each in seen] == [
        (1, 500, "ServerError"),
        (2, None, "TransportError"),
        (3, 200, "ResponseError"),
        (1, 200, "NoneType"),
    ]
    assert [each.pause for each in seen] == [*recorder.slept, None, None]
    assert [each.request_id for each in seen] == [request.request_id for request in transport.requests]
    assert seen[3].headers["x-ratelimit-remaining"] == "7"
    assert all(0 <= each.seconds < 100 for each in seen)


async def test_observer_sees_a_cancelled_attempt_and_not_one_that_was_not_sent() -> None:
    seen: list[Any] = []

    async def never(_: Request) -> Any:
        await asyncio.Event().wait()

    async with client(Script(never), limit=1, observer=seen.append) as c66:
        tasks = [asyncio.create_task(c66.send(READ.bind(thing=number))) for number in range(2)]
        for _ in range(5):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert [(each.number, each.status, each.error, each.pause) for each in seen] == [(1, None, None, None)]


async def test_observer_sees_a_wait_for_the_limiter_that_took_too_long() -> None:
    seen: list[Any] = []
    release = asyncio.Event()

    async def slow(_: Request) -> Any:
        await release.wait()
        return SUCCESS

    async with client(Script(slow), limit=1, observer=seen.append, retry=ONCE, timeout=Timeouts(pool=0)) as c66:
        first = asyncio.create_task(c66.send(READ.bind(thing=1)))
        await asyncio.sleep(0)
        with pytest.raises(TransportError):
            await c66.send(READ.bind(thing=2))
        release.set()
        await first
    assert [(type(each.error).__name__, each.status, each.seconds == 0) for each in seen] == [
        ("TransportTimeout", None, True),
        ("NoneType", 200, False),
    ]


async def test_observer_sees_streamed_requests_when_their_headers_have_arrived() -> None:
    seen: list[Any] = []
    replies = iter(["200 OK", "404 Not Found", "200 OK"])
    async with wire(lambda _: packet(b"abc", next(replies))) as server:
        async with Cloud66("t", url=server.url, observer=seen.append) as c66:
            async with c66.stream("GET", "/a.json"):
                assert [(each.status, each.error) for each in seen] == [(200, None)]
            with pytest.raises(NotFound):
                async with c66.stream("GET", "/b.json"):
                    raise AssertionError
            with pytest.raises(TransportError, match="of the program"):
                async with c66.stream("GET", "/c.json"):
                    raise TransportError("of the program")
        url = server.url
    async with Cloud66("t", url=url, observer=seen.append) as c66:
        with pytest.raises(TransportError):
            async with c66.stream("GET", "/d.json"):
                raise AssertionError
    assert [each.status for each in seen] == [200, 404, 200, None]
    assert [seen[0].error, seen[2].error] == [None, None]
    assert isinstance(seen[1].error, NotFound)
    assert isinstance(seen[3].error, TransportError)
