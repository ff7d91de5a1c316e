from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from cloud66_async import (
    Action,
    ActionFailed,
    ActionUnfinished,
    Cloud66,
    Cloud66Error,
    ConfigError,
    NotFound,
    Redeployment,
    ServerError,
)
from cloud66_async.sandbox.clock import FakeClock
from cloud66_async.transport import BufferedResponse

from ..support import ONCE, Script, answer, client, refusal, tasks_left, turns


class Work:
    """Actions of stacks that end when they are told to; `asked` has every request."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ended: dict[int, dict[str, Any]] = {}
        self.known = set(range(1, 10))
        self.transport = Script(self.reply)
        self.troubles: dict[str, BufferedResponse] = {}

    @property
    def asked(self) -> list[str]:
        return [target.removesuffix(".json") for target in self.transport.targets]

    def fields(self, number: int) -> dict[str, Any]:
        return {"id": number, "action": "deploy", **self.ended.get(number, {"finished_at": None})}

    def reply(self, request: Any) -> BufferedResponse:
        path = request.target.removeprefix("/api/3").partition("?")[0].removesuffix(".json")
        if path in self.troubles:
            return self.troubles[path]
        if path.endswith("/actions"):
            return answer({"response": [self.fields(number) for number in sorted(self.known)]})
        number = int(path.rpartition("/")[2])
        return answer({"response": self.fields(number)}) if number in self.known else refusal(404, "not_found")

    def end(self, number: int, success: object = True, message: str | None = None) -> None:
        self.ended[number] = {
            "finished_at": "2026-03-02T09:13:00Z",
            "finished_success": success,
            "finished_message": message,
        }

    async def after(self, seconds: float) -> None:
        """So many seconds pass, a quarter at a time, so that everybody sees each."""
        for _ in range(int(seconds * 4)):
            await turns(8)
            self.clock.advance(0.25)
        await turns()


def started(number: int | None = 1, stack: str | None = "a") -> Redeployment:
    return Redeployment(ok=True, async_action_id=number, stack=stack)


Start = Callable[[Coroutine[Any, Any, Action]], "asyncio.Task[Action]"]


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    before = tasks_left()
    yield Work()
    await turns()
    assert tasks_left() <= before


@pytest.fixture
async def c66(work: Work) -> AsyncIterator[Cloud66]:
    async with client(work.transport, clock=work.clock, retry=ONCE) as opened:
        yield opened


def begin(coroutine: Coroutine[Any, Any, Action]) -> asyncio.Task[Action]:
    return asyncio.create_task(coroutine)


# --- one who waits ---------------------------------------------------------------------------------------


async def test_it_asks_gently_until_the_action_has_ended(work: Work, c66: Cloud66) -> None:
    waiting = begin(c66.actions.wait(started()))
    moments: list[float] = []
    start = work.clock.now()
    for _ in range(400):
        before = len(work.asked)
        await turns()
        work.clock.advance(0.25)
        await turns()
        if len(work.asked) > before:
            moments.append((work.clock.now() - start).total_seconds())
    pauses = [later - earlier for earlier, later in zip([0.0, *moments], moments, strict=False)]
    assert pauses[0] == 1.0
    assert all(later >= earlier - 0.25 for earlier, later in itertools.pairwise(pauses))
    assert pauses[-1] == 15.0
    work.end(1, message="All done")
    await work.after(15)
    action = await waiting
    assert (action.succeeded, action.finished_message, action.stack) == (True, "All done", "a")
    assert set(work.asked) == {"/stacks/a/actions/1"}


async def test_progress_is_told_each_state_that_is_seen(work: Work, c66: Cloud66) -> None:
    seen: list[bool] = []
    waiting = begin(c66.actions.wait(started(), progress=lambda action: seen.append(action.finished)))
    await work.after(4)
    work.end(1)
    await work.after(15)
    await waiting
    assert len(seen) >= 3
    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize(
    ("success", "message", "text"),
    [
        (False, "Out of disk", "Out of disk"),
        ("false", None, "no reason was given"),
        (None, None, "no reason was given"),
        (False, "line\nforged ERROR line", "line forged ERROR line"),
    ],
)
async def test_an_action_that_failed_is_an_error_that_has_it(
    work: Work, c66: Cloud66, success: object, message: str | None, text: str
) -> None:
    work.end(1, success, message)
    waiting = begin(c66.actions.wait(started()))
    await work.after(1)
    with pytest.raises(ActionFailed) as caught:
        await waiting
    assert str(caught.value) == f"action 1 (deploy) of stack a failed: {text}"
    assert caught.value.action.id == 1
    assert caught.value.action.stack == "a"


@pytest.mark.parametrize("success", [True, "true", 1])
async def test_success_may_be_spelt_in_several_ways(work: Work, c66: Cloud66, success: object) -> None:
    work.end(1, success)
    waiting = begin(c66.actions.wait(started()))
    await work.after(1)
    assert (await waiting).succeeded


@pytest.mark.parametrize("within", [0, 0.5, 1, 2, 10, 40])
async def test_within_is_the_longest_wait(work: Work, c66: Cloud66, within: float) -> None:
    start = work.clock.now()
    waiting = begin(c66.actions.wait(started(), timeout=within))
    while not waiting.done():
        await turns()
        work.clock.advance(0.25)
        await turns()
    assert within <= (work.clock.now() - start).total_seconds() <= within + 0.5
    with pytest.raises(ActionUnfinished, match=r"action 1 \(deploy\) has not ended in time") as caught:
        await waiting
    assert caught.value.action == Action(id=1, action="deploy", stack="a")


async def test_an_action_that_ends_at_the_last_moment_has_ended(work: Work, c66: Cloud66) -> None:
    waiting = begin(c66.actions.wait(started(), timeout=10))
    await work.after(9.5)
    work.end(1)
    await work.after(1)
    assert (await waiting).succeeded


async def test_the_answer_may_be_an_action_itself(work: Work, c66: Cloud66) -> None:
    work.end(7)
    waiting = begin(c66.actions.wait(Action(id=7), stack="b"))
    await work.after(1)
    assert (await waiting).stack == "b"
    assert work.asked == ["/stacks/b/actions/7"]


async def test_without_a_stack_or_an_action_there_is_nothing_to_wait_for(work: Work, c66: Cloud66) -> None:
    with pytest.raises(ConfigError, match=r"name it with stack=\.\.\."):
        await c66.actions.wait(started(stack=None))
    with pytest.raises(ConfigError, match=r"follow `deployments\.list` instead"):
        await c66.actions.wait(started(None))
    assert work.asked == []


async def test_an_error_of_the_api_is_the_waiters(work: Work, c66: Cloud66) -> None:
    with pytest.raises(NotFound):
        waiting = begin(c66.actions.wait(started(99)))
        await work.after(1)
        await waiting
    assert not c66.actions._pollers


async def test_one_who_stops_waiting_stops_the_asking(work: Work, c66: Cloud66) -> None:
    waiting = begin(c66.actions.wait(started()))
    await work.after(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    asked = len(work.asked)
    await work.after(60)
    assert len(work.asked) == asked
    assert not c66.actions._pollers
    assert work.clock.sleepers == 0


async def test_one_can_wait_again_afterwards(work: Work, c66: Cloud66) -> None:
    work.end(1)
    for _ in range(3):
        waiting = begin(c66.actions.wait(started()))
        await work.after(1)
        assert (await waiting).succeeded


# --- several who wait ---------------------------------------------------------------------------------------


async def test_all_who_wait_for_one_stack_share_the_requests(work: Work, c66: Cloud66) -> None:
    waiting = [begin(c66.actions.wait(started(number))) for number in (1, 2, 3, 3)]
    await work.after(1)
    assert work.asked == ["/stacks/a/actions.json?page=1"]
    for number in (1, 2, 3):
        work.end(number)
    await work.after(2)
    assert [action.id for action in await asyncio.gather(*waiting)] == [1, 2, 3, 3]
    assert work.asked == ["/stacks/a/actions.json?page=1"] * 2


async def test_two_who_wait_for_one_action_ask_for_it_alone(work: Work, c66: Cloud66) -> None:
    waiting = [begin(c66.actions.wait(started(1))) for _ in range(50)]
    await work.after(1)
    work.end(1)
    await work.after(2)
    assert len(await asyncio.gather(*waiting)) == 50
    assert work.asked == ["/stacks/a/actions/1"] * 2


async def test_stacks_are_asked_for_separately(work: Work, c66: Cloud66) -> None:
    work.end(1)
    waiting = [begin(c66.actions.wait(started(1, stack))) for stack in ("a", "b")]
    await work.after(1)
    await asyncio.gather(*waiting)
    assert sorted(work.asked) == ["/stacks/a/actions/1", "/stacks/b/actions/1"]


async def test_an_action_that_is_not_among_the_newest_is_read_by_its_id(work: Work, c66: Cloud66) -> None:
    work.troubles["/stacks/a/actions"] = answer({"response": [work.fields(2)]})
    work.end(1)
    waiting = [begin(c66.actions.wait(started(number))) for number in (1, 2)]
    await work.after(1)
    assert (await waiting[0]).succeeded
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    assert work.asked == ["/stacks/a/actions.json?page=1", "/stacks/a/actions/1"]


async def test_one_who_is_cancelled_takes_nothing_from_the_others(work: Work, c66: Cloud66) -> None:
    waiting = [begin(c66.actions.wait(started(number))) for number in (1, 2, 3)]
    await work.after(0.5)
    waiting[0].cancel()
    await work.after(1)
    waiting[1].cancel()
    await work.after(1)
    work.end(3)
    await work.after(15)
    assert (await waiting[2]).id == 3
    assert all(task.cancelled() for task in waiting[:2])


async def test_one_who_was_cancelled_in_the_moment_of_success_is_no_trouble(work: Work, c66: Cloud66) -> None:
    work.end(1)

    def leave(_: Action) -> None:
        waiting.cancel()

    waiting = begin(c66.actions.wait(started(), progress=leave))
    other = begin(c66.actions.wait(started()))
    await work.after(1)
    assert (await other).succeeded
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_unknown_action_is_the_trouble_of_those_who_wait_for_it(work: Work, c66: Cloud66) -> None:
    waiting = [begin(c66.actions.wait(started(number))) for number in (1, 99)]
    await work.after(1)
    with pytest.raises(NotFound):
        await waiting[1]
    work.end(1)
    await work.after(15)
    assert (await waiting[0]).succeeded


async def test_a_progress_that_raises_is_the_trouble_of_the_one_who_gave_it(work: Work, c66: Cloud66) -> None:
    def odd(_: Action) -> None:
        raise ValueError("of the progress")

    waiting = [begin(c66.actions.wait(started(), progress=progress)) for progress in (odd, None)]
    await work.after(1)
    with pytest.raises(ValueError, match="of the progress"):
        await waiting[0]
    work.end(1)
    await work.after(15)
    assert (await waiting[1]).succeeded


async def test_an_odd_action_in_the_list_makes_it_read_each_by_itself(work: Work, c66: Cloud66) -> None:
    work.troubles["/stacks/a/actions"] = answer({"response": [{"action": "no id"}]})
    work.end(1)
    work.end(2)
    waiting = [begin(c66.actions.wait(started(number))) for number in (1, 2)]
    await work.after(1)
    assert [action.id for action in await asyncio.gather(*waiting)] == [1, 2]


@pytest.mark.parametrize("trouble", [refusal(500), refusal(401)])
async def test_a_list_that_cannot_be_had_is_everybodys_trouble(
    work: Work, c66: Cloud66, trouble: BufferedResponse
) -> None:
    work.troubles["/stacks/a/actions"] = trouble
    waiting = [begin(c66.actions.wait(started(number))) for number in (1, 2)]
    await work.after(1)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, Cloud66Error) for error in found)
    assert len(work.asked) == 1


async def test_a_newcomer_does_not_wait_out_the_pause_of_the_others(work: Work, c66: Cloud66) -> None:
    first = begin(c66.actions.wait(started(1)))
    await work.after(120)
    work.end(2)
    second = begin(c66.actions.wait(started(2)))
    await work.after(1.25)
    assert second.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_newcomers_deadline_is_kept_too(work: Work, c66: Cloud66) -> None:
    first = begin(c66.actions.wait(started(1)))
    await work.after(120)
    second = begin(c66.actions.wait(started(2), timeout=0.5))
    await work.after(0.75)
    with pytest.raises(ActionUnfinished):
        await second
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_newcomers_do_not_put_off_the_request_for_ever(work: Work, c66: Cloud66) -> None:
    waiting: list[asyncio.Task[Action]] = []
    for _ in range(16):
        waiting.append(begin(c66.actions.wait(started(1))))
        await work.after(0.5)
    assert len(work.asked) >= 5
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_each_deadline_is_its_own(work: Work, c66: Cloud66) -> None:
    short = begin(c66.actions.wait(started(1), timeout=3))
    long = begin(c66.actions.wait(started(1), timeout=30))
    await work.after(3.25)
    with pytest.raises(ActionUnfinished):
        await short
    work.end(1)
    await work.after(15)
    assert (await long).succeeded


async def test_a_closed_client_tells_those_who_wait(work: Work) -> None:
    c66 = client(work.transport, clock=work.clock, retry=ONCE)
    waiting = begin(c66.actions.wait(started()))
    await work.after(1)
    await c66.aclose()
    await work.after(15)
    with pytest.raises(ConfigError, match="closed"):
        await waiting


# --- reading -----------------------------------------------------------------------------------------------


async def test_actions_know_their_stack(work: Work, c66: Cloud66) -> None:
    assert (await c66.actions.get("a", 3)).stack == "a"
    assert {action.stack for action in await c66.actions.list("b")} == {"b"}
    assert work.asked == ["/stacks/a/actions/3", "/stacks/b/actions.json?page=1"]


async def test_an_action_in_either_envelope_is_read() -> None:
    for body in ({"response": {"id": 5, "resource_id": 7}}, {"id": 5, "resource_id": "7"}):
        async with client(Script(answer(body))) as c66:
            assert await c66.actions.get("a", 5) == Action(id=5, resource_id="7", stack="a")


async def test_a_failing_server_is_told_after_the_tries(work: Work) -> None:
    work.troubles["/stacks/a/actions/1"] = refusal(500)
    async with client(work.transport, clock=work.clock) as c66:
        waiting = begin(c66.actions.wait(started()))
        await work.after(10)
        with pytest.raises(ServerError):
            await waiting
    assert len(work.asked) == 4


def test_an_action_that_ended_without_a_word_has_not_succeeded() -> None:
    at = FakeClock().now()
    assert not Action(id=1, finished_success=True).finished
    assert not Action(id=1, finished_success=True).succeeded
    assert Action(id=1, finished_at=at).finished
    assert not Action(id=1, finished_at=at).succeeded
    assert Action(id=1, finished_at=at, finished_success=True).succeeded
