"""Rollouts that have ended early: why, and how they are taken up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloud66_async import (
    Cloud66Error,
    ConfigError,
    QuotaError,
    ResponseError,
    Retry,
    ServerError,
    Throttled,
    TransportError,
    Unauthenticated,
)
from cloud66_async.rollout import Rollout
from cloud66_async.sandbox.serving.transport import SandboxTransport
from cloud66_async.transport import BufferedResponse, RawResponse, Request

from .fleet import Fleet, as_json, counts, references, states


class Changing:
    """A transport that changes requests, and the actions in responses."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        target: Callable[[str], str] = str,
        actions: Callable[[dict[str, Any]], None] = lambda _: None,
        after_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.targets: list[str] = []
        self._inner = SandboxTransport(fleet.fake)
        self._target = target
        self._actions = actions
        self._after_start = after_start

    async def send(self, request: Request) -> RawResponse:
        self.targets.append(request.target)
        changed = Request(
            request.method,
            self._target(request.target),
            request.headers,
            request.request_id,
            request.body,
            request.repeatable,
            request.timeouts,
        )
        try:
            response = await self._inner.send(changed)
        finally:
            if request.method == "POST":
                self._after_start()
        if "/actions.json" not in request.target:
            return response
        data = json.loads(response.body)
        for action in data["response"]:
            self._actions(action)
        return BufferedResponse(response.status, json.dumps(data).encode(), response.headers)

    async def aclose(self) -> None:
        pass


def without_filter(target: str) -> str:
    return target.replace("user_reference=", "ignored=")


def without_metadata(action: dict[str, Any]) -> None:
    action["metadata"] = None


# --- lost responses ------------------------------------------------------------------------------


@pytest.mark.parametrize("lose", ["drop", "reset", "empty", "invalid_json", "html"])
async def test_lost_response_deploys_nothing_twice(lose: str) -> None:
    fleet = Fleet(3)
    getattr(fleet.fake.faults, lose)(operation="stacks.redeploy")
    async with fleet.client() as c66:
        assert states(await c66.stacks.rollout(fleet.uids)) == ["succeeded"] * 3
    assert fleet.deployed == [1] * 3


async def test_request_is_sent_again_when_it_can_no_longer_be_in_flight() -> None:
    fleet = Fleet(1)
    fleet.fake.faults.fail(500, operation="stacks.redeploy")
    start = fleet.fake.clock.now()
    async with fleet.client() as c66:
        assert states(await c66.stacks.rollout(fleet.uids)) == ["succeeded"]
    (action,) = (action for action in fleet.stacks[0].actions if action.metadata)
    assert (action.accepted_at - start).total_seconds() >= 60


@pytest.mark.parametrize("retry", [Retry(), Retry(attempts=1)], ids=["twice", "once"])
async def test_request_that_is_never_answered_fails(retry: Retry) -> None:
    fleet = Fleet(2)
    fleet.fake.faults.fail(500, times=2, operation="stacks.redeploy")
    async with fleet.client(retry=retry) as c66:
        results = await c66.stacks.rollout(fleet.uids, at_once=1)
    assert states(results) == ["failed", "not_started"]
    assert isinstance(results[0].error, ServerError)
    assert fleet.fake.calls("stacks.redeploy") == (1 if retry.attempts == 1 else 2)


async def test_failed_search_leaves_the_stack_unknown() -> None:
    fleet = Fleet(2)
    fleet.fake.faults.drop(operation="stacks.redeploy")
    fleet.fake.faults.missing_scope(times=9, operation="actions.list")
    async with fleet.client() as c66:
        results = await c66.stacks.rollout(fleet.uids, at_once=1)
    assert states(results) == ["unknown", "not_started"]
    assert fleet.deployed == [1, 0]


async def test_search_without_any_metadata_leaves_the_stack_unknown() -> None:
    fleet = Fleet(2)
    transport = Changing(fleet, target=without_filter, actions=without_metadata)
    fleet.fake.faults.fail(500, operation="stacks.redeploy")
    fleet.fake.world.deploy(fleet.stacks[0], user="ada@example.com", seconds=1)
    async with fleet.client(transport) as c66:
        await (rollout := c66.stacks.rollout(fleet.uids, at_once=1))
        assert states(rollout.results) == ["unknown", "not_started"]
        assert isinstance(rollout.results[0].error, ResponseError)
        again = await c66.stacks.resume_rollout(as_json(rollout))
        assert states(again) == ["unknown", "not_started"]
        assert fleet.deployed == [0, 0]
        again = await c66.stacks.resume_rollout(as_json(rollout), retry=fleet.uids[:1])
    assert states(again) == ["succeeded", "succeeded"]
    assert fleet.deployed == [1, 1]


@pytest.mark.parametrize("found", [True, False])
async def test_ignored_filter_is_read_on_until_actions_are_too_old(found: bool) -> None:
    fleet = Fleet(1)
    stack = fleet.stacks[0]

    def act(count: int) -> None:
        for _ in range(count):
            fleet.fake.world.act(stack, "other", user="ada@example.com")

    act(400)  # 14 pages
    await fleet.fake.clock.sleep(3600)
    transport = Changing(fleet, target=without_filter, after_start=lambda: act(40))
    if found:
        fleet.fake.faults.drop(operation="stacks.redeploy")
    else:
        fleet.fake.faults.fail(500, operation="stacks.redeploy")
    async with fleet.client(transport) as c66:
        results = await c66.stacks.rollout(fleet.uids)
    assert states(results) == ["succeeded"]
    assert references(stack) == [results[0].reference]
    searches = [target.rpartition("=")[2] for target in transport.targets if "/actions.json" in target]
    assert searches == ["1", "2", "3"] * (1 if found else 3)  # the third page has only old actions


async def test_doubled_deployment_is_told_and_the_older_one_counts() -> None:
    fleet = Fleet(1)
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids)
        data = as_json(rollout)
        for _ in range(2):
            await c66.stacks.redeploy(fleet.uids[0], user_reference=rollout.results[0].reference)
        (result,) = await c66.stacks.resume_rollout(data)
    older, newer = sorted(action.id for action in fleet.stacks[0].actions if action.metadata)
    assert result.action is not None
    assert (result.state, result.action.id, result.doubled) == ("succeeded", older, (newer,))


# --- errors that stop a rollout ------------------------------------------------------------------


async def stopped(rollout: Rollout, kind: type[Cloud66Error]) -> None:
    """Carry out a rollout that this error stops. The error has the results."""
    with pytest.raises(kind) as caught:
        await rollout
    assert caught.value.rollout_results == rollout.results
    assert caught.value.__notes__[0].startswith(f"rollout {rollout.id}: ")
    assert rollout.stopped == str(caught.value)
    found = counts(rollout.results)
    assert found.keys() <= {"succeeded", "unfinished", "unknown", "not_started"}
    assert found["not_started"] >= 1


async def test_exhausted_quota_stops_the_rollout() -> None:
    fleet = Fleet(30)
    async with fleet.client(retry=Retry()) as c66:
        rollout = c66.stacks.rollout(fleet.uids, at_once=2)
        async with rollout as progress:
            with pytest.raises(Throttled) as caught:
                async for result in progress:
                    if result.state == "succeeded":
                        fleet.fake.faults.throttle_until_next_hour(allow_unused=True)
        assert caught.value.retry_at is not None
        assert {"succeeded", "unfinished", "not_started"} <= counts(rollout.results).keys()
        deployed = sum(fleet.deployed)
        await fleet.fake.clock.sleep(3600)
        assert states(await c66.stacks.resume_rollout(as_json(rollout))) == ["succeeded"] * 30
    assert deployed < 30
    assert fleet.deployed == [1] * 30


async def test_reserved_quota_stops_the_rollout() -> None:
    fleet = Fleet(30)
    async with fleet.client(reserve=3590, retry=Retry()) as c66:
        await stopped(c66.stacks.rollout(fleet.uids, at_once=2), QuotaError)


async def test_revoked_token_stops_the_rollout() -> None:
    fleet = Fleet(5)
    async with fleet.client() as c66:
        fleet.fake.revoke(fleet.token)
        rollout = c66.stacks.rollout(fleet.uids, at_once=2)
        await stopped(rollout, Unauthenticated)
    assert states(rollout.results) == ["not_started"] * 5


async def test_short_throttling_is_waited_for() -> None:
    fleet = Fleet(2)
    fleet.fake.faults.throttle(times=2, operation="stacks.redeploy", retry_after=20)
    async with fleet.client(retry=Retry()) as c66:
        assert states(await c66.stacks.rollout(fleet.uids, at_once=1)) == ["succeeded"] * 2
    assert fleet.fake.calls("stacks.redeploy") == 4


async def test_request_that_did_not_arrive_is_sent_again() -> None:
    fleet = Fleet(2)

    class Refusing(SandboxTransport):
        refused = 0

        async def send(self, request: Request) -> RawResponse:
            if request.method == "POST" and self.refused < 5:
                self.refused += 1
                raise TransportError("cannot connect", sent=False)
            return await super().send(request)

    async with fleet.client(Refusing(fleet.fake), retry=Retry(attempts=4)) as c66:
        results = await c66.stacks.rollout(fleet.uids, at_once=1, stop_after=None)
    assert states(results) == ["failed", "succeeded"]
    assert fleet.deployed == [0, 1]


# --- taking up -----------------------------------------------------------------------------------


async def test_failed_stack_is_deployed_again_on_request() -> None:
    fleet = Fleet(4)
    fleet.fake.faults.action_fails()
    async with fleet.client() as c66:
        await (rollout := c66.stacks.rollout(fleet.uids, at_once=1))
        assert states(rollout.results) == ["failed", *["not_started"] * 3]
        unchanged = await c66.stacks.resume_rollout(as_json(rollout))
        assert states(unchanged) == ["failed", *["not_started"] * 3]
        assert str(unchanged[0].error).endswith("failed: Failed in the sandbox")
        again = await c66.stacks.resume_rollout(as_json(rollout), retry=[fleet.uids[0]])
    assert states(again) == ["succeeded"] * 4
    assert references(fleet.stacks[0]) == [f"c66:{rollout.id}:0:1", f"c66:{rollout.id}:0:0"]
    assert fleet.deployed == [2, 1, 1, 1]


@pytest.mark.parametrize(("retry", "message"), [([0], "is succeeded"), ([], "not part of the rollout")])
async def test_only_bad_results_can_be_repeated(retry: list[int], message: str) -> None:
    fleet = Fleet(1)
    async with fleet.client() as c66:
        await (rollout := c66.stacks.rollout(fleet.uids))
        with pytest.raises(ValueError, match=message):
            c66.stacks.resume_rollout(rollout.to_dict(), retry=[fleet.uids[number] for number in retry] or ["other"])


async def test_failure_during_the_crash_counts_before_anything_is_started() -> None:
    fleet = Fleet(4)
    fleet.fake.faults.action_fails()
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids)
        data = as_json(rollout)
        await c66.stacks.redeploy(fleet.uids[0], user_reference=rollout.results[0].reference)
        await fleet.fake.clock.sleep(1000)
        results = await c66.stacks.resume_rollout(data)
    assert states(results) == ["failed", *["not_started"] * 3]
    assert fleet.deployed == [1, 0, 0, 0]


async def test_rollout_runs_once() -> None:
    fleet = Fleet(1)
    async with fleet.client() as c66:
        await (rollout := c66.stacks.rollout(fleet.uids))
        with pytest.raises(ConfigError, match="a rollout runs once"):
            await rollout


async def test_data_holds_no_secret_and_is_json() -> None:
    fleet = Fleet(1)
    async with fleet.client(account=1) as c66:
        await (rollout := c66.stacks.rollout(fleet.uids, git_ref="v2"))
        text = json.dumps(rollout.to_dict())
    assert fleet.token.reveal() not in text
    assert fleet.token.reveal() not in repr(rollout)
    assert '"url": "https://cloud66.sandbox.example/api/3"' in text


def change(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data.update(values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change(format=2), "unknown format of a rollout"),
        (change(url="https://other.example/api/3"), "started with another server"),
        (change(account="7"), "started with another account"),
        (change(token="0" * 64), "started with another token"),
        (change(id="x"), "damaged data of a rollout"),
        (change(targets=[]), "damaged data of a rollout"),
        (change(targets=[{"uid": "a"}, {"uid": "a"}]), "a stack is in it twice"),
        (change(options={"git": "v2"}), "damaged data of a rollout"),
        (change(at_once=[]), "damaged data of a rollout"),
        (change(created_at="2026-01-01T00:00:00"), "damaged data of a rollout"),
        (change(format=None), "unknown format of a rollout"),
    ],
)
async def test_data_that_does_not_fit_is_rejected_before_a_request(
    damage: Callable[[dict[str, Any]], None], message: str
) -> None:
    fleet = Fleet(1)
    async with fleet.client() as c66:
        data = as_json(c66.stacks.rollout(fleet.uids))
        damage(data)
        with pytest.raises(ConfigError, match=message):
            c66.stacks.resume_rollout(data)
    assert fleet.fake.calls() == 0
