"""`cluster.rollout`: what is started when, and what follows when a worker dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cloud66_async import ConfigError, StoreError, Throttled
from cloud66_async.cluster import ClusterRollout, EngineError, rollout
from cloud66_async.rollout import RolloutResult
from cloud66_async.sandbox import FakeCloud66

from .cluster_parts import Counts, GivesUp, InProcess, MemoryClaims, in_process


@pytest.fixture
def memory() -> MemoryClaims:
    return MemoryClaims()


def add_stacks(cloud66: FakeCloud66, count: int) -> list[str]:
    return [cloud66.add_stack(f"stack-{number}").uid for number in range(count)]


def deployed(cloud66: FakeCloud66) -> Counter[str]:
    """Return how often each stack was deployed."""
    return Counter(
        str(request.parameters["stack"]) for request in cloud66.requests if "stacks.redeploy" in request.operations
    )


def states(results: tuple[RolloutResult, ...]) -> list[str]:
    return [str(result.state) for result in results]


async def test_every_stack_is_deployed_once(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 12)
    counts = Counts()
    async with in_process(cloud66) as engine:
        run = rollout(engine, uids, claims=memory, at_once=5, git_ref="v2", progress=counts.add)
        assert states(run.results) == ["queued"] * 12
        results = await run
        assert engine.most_running == 5
    assert [result.uid for result in results] == uids
    assert states(results) == ["succeeded"] * 12
    assert all(result.action is not None and result.action.succeeded for result in results)
    assert deployed(cloud66) == Counter(uids)
    assert len({result.reference for result in results}) == 12
    assert counts.found[-1] == (12, 0, 12)
    async with cloud66.client() as c66:
        deployment = await c66.deployments.list(uids[0]).first()
    assert deployment is not None
    assert deployment.git_ref == "v2"


async def test_results_arrive_as_deployments_end(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 6)
    async with in_process(cloud66) as engine, rollout(engine, uids, claims=memory, at_once=2) as results:
        found = [result.uid async for result in results]
    assert sorted(found) == sorted(uids)
    assert set(found[:2]) == set(uids[:2])


async def test_each_wave_ends_before_the_next_one(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 7)
    async with in_process(cloud66) as engine:
        assert states(await rollout(engine, uids, claims=memory, at_once=[1, 3])) == ["succeeded"] * 7
        assert engine.most_running == 3
    times: dict[str, Any] = {}
    async with cloud66.client() as c66:
        for uid in uids:
            (action,) = [found for found in await c66.actions.list(uid) if found.metadata]
            times[uid] = (action.started_at, action.finished_at)
    for earlier, later in [(uids[:1], uids[1:4]), (uids[1:4], uids[4:])]:
        assert max(times[uid][1] for uid in earlier) <= min(times[uid][0] for uid in later)


async def test_no_more_than_slots_at_a_time(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 6)
    async with in_process(cloud66, slots=2) as engine, rollout(engine, uids, claims=memory, at_once=10) as results:
        await anext(results)
        assert len(engine.sizes) <= 3  # the two that started, and one more after the first end


@pytest.mark.parametrize(("stop_after", "started"), [(1, 3), (2, 4), (None, 10)])
async def test_nothing_is_started_after_too_many_failures(
    cloud66: FakeCloud66, memory: MemoryClaims, stop_after: int | None, started: int
) -> None:
    uids = add_stacks(cloud66, 10)
    cloud66.faults.action_fails(times=2)
    async with in_process(cloud66) as engine:
        run = rollout(engine, uids, claims=memory, at_once=2, stop_after=stop_after)
        results = await run
    assert states(results)[:2] == ["failed", "failed"]
    assert states(results).count("not_started") >= 10 - started
    assert deployed(cloud66).total() <= started
    assert run.stopped == (None if stop_after is None else f"stop_after={stop_after}")


async def test_killed_worker_deploys_no_stack_twice(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 10)
    found = 0
    async with in_process(cloud66) as engine:
        run = rollout(engine, uids, claims=memory, at_once=4)
        async with run as results:
            async for _ in results:
                found += 1
                if found in (2, 6):
                    engine.kill()
    assert states(run.results) == ["succeeded"] * 10
    assert deployed(cloud66) == Counter(uids)
    assert all(result.doubled == () for result in run.results)


async def test_lost_response_of_a_killed_worker_is_looked_up(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    (uid,) = add_stacks(cloud66, 1)
    cloud66.faults.slow(30, operation="stacks.redeploy")
    cloud66.clock.freeze()
    async with in_process(cloud66) as engine, rollout(engine, [uid], claims=memory) as results:
        for _ in range(2000):
            await _once()
            if cloud66.calls("stacks.redeploy"):
                break
        engine.kill()
        for _ in range(100):
            await _once()
        cloud66.clock.advance(100)  # the time after which a request cannot be in flight any more
        await _advance_until_done(cloud66, results)
    assert deployed(cloud66) == Counter([uid])


async def _once() -> None:
    from ..support import iterations

    await iterations(5)


async def _advance_until_done(cloud66: FakeCloud66, results: Any) -> None:
    import asyncio

    task = asyncio.ensure_future(anext(results))
    while not task.done():
        await _once()
        cloud66.clock.advance(1)
    result = task.result()
    assert str(result.state) == "succeeded"


async def test_continued_rollout_deploys_the_rest(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 8)
    async with in_process(cloud66) as engine:
        async with rollout(engine, uids, claims=memory, at_once=2, run="friday") as results:
            await anext(results)
        again = await rollout(engine, uids, claims=memory, at_once=2, run="friday")
    assert states(again) == ["succeeded"] * 8
    assert deployed(cloud66) == Counter(uids)


async def test_stacks_of_accounts(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uid = cloud66.add_stack("web").uid
    async with in_process(cloud66) as engine:
        assert states(await rollout(engine, [(1, uid)], claims=memory)) == ["succeeded"]
    assert {request.account for request in cloud66.requests} == {"1"}


async def test_exhausted_quota_ends_the_rollout(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    from ..support import ONCE

    uids = add_stacks(cloud66, 5)
    cloud66.faults.throttle(times=1000, operation="stacks.redeploy", allow_unused=True)
    engine = InProcess(lambda: cloud66.client(retry=ONCE))
    run = rollout(engine, uids, claims=memory, at_once=2)
    with pytest.raises(Throttled) as caught:
        await run
    assert states(caught.value.rollout_results) == ["not_started"] * 5
    assert run.stopped is not None
    await engine.aclose()


async def test_given_up_deployments_are_told(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    uids = add_stacks(cloud66, 3)
    engine = GivesUp(cloud66.client, after=False)
    run: ClusterRollout = rollout(engine, uids, claims=memory, stop_after=None)
    results = await run
    assert states(results) == ["not_started"] * 3
    assert all(isinstance(result.error, EngineError) for result in results)
    await engine.aclose()


async def test_store_that_fails_ends_the_rollout(
    cloud66: FakeCloud66, memory: MemoryClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(MemoryClaims, "begin", fail)
    uids = add_stacks(cloud66, 3)
    async with in_process(cloud66) as engine:
        with pytest.raises(StoreError, match="gone"):
            await rollout(engine, uids, claims=memory, at_once=1)
    assert cloud66.calls() == 0


async def test_invalid_arguments(cloud66: FakeCloud66, memory: MemoryClaims) -> None:
    engine = InProcess(cloud66.client)
    cases: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        ([], {}, ValueError, "must not be empty"),
        ("abc", {}, TypeError, "not a string"),
        (["a", "a"], {}, ValueError, "is in it twice"),
        ([7], {}, TypeError, "invalid stacks"),
        ([("x", "a")], {}, TypeError, "invalid account"),
        (["a"], {"at_once": 0}, ValueError, "invalid at_once"),
        (["a"], {"at_once": []}, ValueError, "must not be empty"),
        (["a"], {"stop_after": 0}, ValueError, "invalid stop_after"),
        (["a"], {"timeout": -1}, ValueError, "invalid timeout"),
        (["a"], {"git_ref": 5}, TypeError, "git_ref"),
        (["a"], {"claims": None}, ConfigError, "pass claims="),
    ]
    for stacks, options, error, text in cases:
        with pytest.raises(error, match=text):
            given: dict[str, Any] = {"claims": memory, **options}
            rollout(engine, stacks, **given)
    run = rollout(engine, ["a"], claims=memory, stop_after=None)
    await run
    with pytest.raises(ConfigError, match="runs once"):
        await run
    await engine.aclose()
