"""`cluster.each`: what it accepts, in which order and how often results arrive, and how it ends."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, Failed, NotFound, Ok
from cloud66_async.cluster import EngineError, each
from cloud66_async.models import Stack
from cloud66_async.resources import stacks
from cloud66_async.sandbox import FakeCloud66

from ..support import Script, client, iterations, tasks_left
from .cluster_parts import (
    Counts,
    GivesUp,
    InProcess,
    collect,
    double,
    endless,
    in_process,
    numbers,
    of_account,
    own_error,
    plain,
    restart_quietly,
    stack_name,
    unpicklable_error,
)


@pytest.mark.parametrize("function", [stacks.GET, "stacks.get", stack_name])
async def test_each_item_has_one_result(cloud66: FakeCloud66, function: Any) -> None:
    uids = [cloud66.add_stack(f"stack-{number}").uid for number in range(60)]
    async with in_process(cloud66) as engine:
        results = await collect(each(engine, function, uids, batch=7))
    assert Counter(result.item for result in results) == Counter(uids)
    assert cloud66.calls("stacks.get") == 60
    kind = str if function is stack_name else Stack
    assert all(isinstance(result, Ok) and isinstance(result.value, kind) for result in results)


async def test_equal_items_are_different_items(cloud66: FakeCloud66) -> None:
    uid = cloud66.add_stack("web").uid
    async with in_process(cloud66) as engine:
        results = await collect(each(engine, "stacks.get", [uid] * 20, batch=3))
    assert [result.item for result in results] == [uid] * 20


async def test_failures_are_results(cloud66: FakeCloud66) -> None:
    uid = cloud66.add_stack("web").uid
    async with in_process(cloud66) as engine:
        results = await collect(each(engine, "stacks.get", ["missing", uid]))
    found = {result.item: result for result in results}
    assert isinstance(found[uid], Ok)
    failed = found["missing"]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, NotFound)


async def test_results_arrive_in_the_order_of_completion(cloud66: FakeCloud66) -> None:
    cloud66.faults.slow(60, times=1)
    uids = [cloud66.add_stack(f"stack-{number}").uid for number in range(4)]
    async with in_process(cloud66, slots=4) as engine:
        results = await collect(each(engine, stack_name, uids, batch=1))
    assert results[-1].item == uids[0]


async def test_mappings_are_parameters_and_pairs_name_the_account(cloud66: FakeCloud66) -> None:
    stack, account = cloud66.add_stack("web"), 1
    async with in_process(cloud66) as engine:
        found = [
            *await collect(each(engine, stacks.GET, [{"stack": stack.uid}, (account, stack.uid)])),
            *await collect(each(engine, "stacks.get", [{"stack": stack.uid}, (account, stack.uid)])),
            *await collect(each(engine, of_account, [(account, stack.uid)])),
        ]
    assert all(isinstance(result, Ok) for result in found), found
    assert sorted(str(request.account) for request in cloud66.requests) == ["1"] * 3 + ["None"] * 2


async def test_a_list_is_read_to_its_end(cloud66: FakeCloud66) -> None:
    for number in range(70):
        cloud66.add_stack(f"stack-{number}", environment="production")

    async with in_process(cloud66) as engine:
        results = await collect(each(engine, "stacks.list", [{"environment": "production"}]))
    assert [len(result.value) for result in results if isinstance(result, Ok)] == [70]


async def test_few_items_are_spread_over_all_slots(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66, slots=8) as engine:
        await collect(each(engine, double, range(40)))
        assert engine.sizes == [5] * 8
        engine.sizes.clear()
        await collect(each(engine, double, iter(range(60))))
        assert engine.sizes == [25, 25, 10]


async def test_items_are_read_as_workers_become_free(cloud66: FakeCloud66) -> None:
    pulled: list[int] = []
    async with in_process(cloud66, slots=2) as engine, each(engine, double, numbers(10**9, pulled), batch=5) as results:
        await iterations(200)
        assert len(pulled) == 2 * 3 * 5  # three batches for each slot
        found = [await anext(results) for _ in range(100)]
        assert [result.value for result in found if isinstance(result, Ok)] == [2 * result.item for result in found]
    assert len(pulled) <= 100 + 2 * 3 * 5 + 5


async def test_infinite_iterables(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine, each(engine, double, itertools.count()) as results:
        found = {(await anext(results)).item for _ in range(1000)}
    assert len(found) == 1000


async def test_leaving_the_block_ends_the_calls_in_workers(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine:
        async with each(engine, endless, range(100), batch=5):
            await iterations(50)
            assert engine.running == 8
        assert engine.running == 0
        assert len(engine.cancelled) == 1
        await iterations()
        assert engine.working == 0
        assert not tasks_left()


async def test_a_complete_block_cancels_nothing(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine:
        assert len(await collect(each(engine, double, range(100)))) == 100
        assert engine.cancelled == []


async def test_cancelling_the_block_ends_everything(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine:
        task = asyncio.create_task(collect(each(engine, endless, range(100))))
        await iterations(50)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.running == 0
        assert len(engine.cancelled) == 1
        await iterations()
        assert engine.working == 0


async def test_error_of_the_block_propagates_unchanged(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine:
        with pytest.raises(KeyError):
            async with each(engine, own_error, ["a"]):
                await iterations(50)
                raise KeyError
        assert not tasks_left()


async def test_own_exception_of_the_function_is_raised_unchanged(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine:
        with pytest.raises(LookupError, match="no a") as caught:
            await collect(each(engine, own_error, ["a"]))
        assert "own_error" in "".join(caught.value.__notes__)
        with pytest.raises(EngineError, match="Unpicklable, which cannot be sent"):
            await collect(each(engine, unpicklable_error, [1]))


async def test_error_of_the_items_is_raised_unchanged(cloud66: FakeCloud66) -> None:
    async with in_process(cloud66) as engine:
        with pytest.raises(ZeroDivisionError):
            await collect(each(engine, double, (1 // number for number in range(3))))


async def test_lost_results_are_worked_out_again_and_counted_once(cloud66: FakeCloud66) -> None:
    uids = [cloud66.add_stack(f"stack-{number}").uid for number in range(40)]
    async with in_process(cloud66, lose=lambda batch: batch.number % 3) as engine:
        results = await collect(each(engine, stack_name, uids, batch=4))
    assert Counter(result.item for result in results) == Counter(uids)
    assert cloud66.calls("stacks.get") > 40


async def test_killed_worker_loses_nothing(cloud66: FakeCloud66) -> None:
    uids = [cloud66.add_stack(f"stack-{number}").uid for number in range(200)]
    found: list[str] = []
    async with in_process(cloud66) as engine, each(engine, stack_name, uids, batch=4) as results:
        async for result in results:
            found.append(result.item)
            if len(found) in (20, 100):
                engine.kill()
    assert Counter(found) == Counter(uids)


async def test_given_up_items_are_failed(cloud66: FakeCloud66) -> None:
    engine = GivesUp(cloud66.client, after=False)
    results = await collect(each(engine, double, range(3)))
    assert sorted(result.item for result in results) == [0, 1, 2]
    assert {type(result.error) for result in results if isinstance(result, Failed)} == {EngineError}
    await engine.aclose()


async def test_progress_counts_items(cloud66: FakeCloud66) -> None:
    uid = cloud66.add_stack("web").uid
    counts = Counts()
    async with in_process(cloud66, slots=1) as engine:
        await collect(each(engine, "stacks.get", [uid, uid, "missing"], batch=2, progress=counts.add))
        assert counts.found[-1] == (3, 1, 3)
        assert len(counts.found) == 2
        await collect(each(engine, double, iter([1]), progress=counts.add))
        assert counts.found[2:] == [(1, 0, None)]


async def test_the_progress_bar_shows_the_counts(cloud66: FakeCloud66, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    from cloud66_async.cluster import progress_bar

    async with in_process(cloud66) as engine:
        with progress_bar("stacks [all]") as progress:
            await collect(each(engine, "stacks.get", ["missing"] * 3, progress=progress))
    shown = capsys.readouterr()
    assert "stacks [all]" in shown.err
    assert "3/3 3 failed" in shown.err
    assert not shown.out


async def test_reads_must_not_write(cloud66: FakeCloud66) -> None:
    uid = cloud66.add_stack("web").uid
    async with in_process(cloud66) as engine:
        (result,) = await collect(each(engine, restart_quietly, [uid]))
    assert isinstance(result, Failed)
    assert isinstance(result.error, ConfigError)
    assert "pass writes=True" in str(result.error)
    assert cloud66.calls() == 0


def refused(function: Any, **options: Any) -> Callable[[], object]:
    return partial(each, InProcess(Cloud66), function, [1], **options)


async def test_what_cannot_be_sent_is_refused() -> None:
    async def inner(c66: Cloud66, item: int) -> int:
        return item

    c66 = client(Script())
    cases: list[tuple[Any, type[Exception], str]] = [
        (eval("lambda c66, item: None"), TypeError, "exists in this process only"),
        (inner, TypeError, "exists in this process only"),
        (int, TypeError, "int is a class"),
        (c66.stacks.get, TypeError, "bound to an object.*'stacks.get'"),
        (plain, TypeError, "plain is not async"),
        (stacks.LIST, TypeError, "list page by page.*'stacks.list'"),
        (7, TypeError, "expected an async function, not int"),
        ("stacks", ConfigError, "expected the name of a method"),
        ("stacks._call", ConfigError, "expected the name of a method"),
        ("stacks.nothing", ConfigError, "expected the name of a method"),
        ("os.system", ConfigError, "expected the name of a method"),
        ("stacks.find", ConfigError, "pass writes=True if it changes something, or writes=False"),
        (stacks.RESTART, ConfigError, "pass claims="),
        ("stacks.restart", ConfigError, "pass claims="),
        ("queues.pop", ConfigError, "pass claims="),
    ]
    for function, error, text in cases:
        with pytest.raises(error, match=text):
            refused(function)()
    with pytest.raises(ConfigError, match="writes=False cannot apply"):
        refused("stacks.restart", writes=False)()
    with pytest.raises(ConfigError, match="pass claims="):
        refused(double, writes=True)()
    with pytest.raises(ValueError, match="invalid batch 0"):
        refused(double, batch=0)()
    with pytest.raises(ConfigError, match="invalid run"):
        refused(double, run="")()
    await c66.aclose()


async def test_items_that_do_not_fit_are_told(cloud66: FakeCloud66) -> None:
    from cloud66_async.resources import deployments

    async with in_process(cloud66) as engine:
        with pytest.raises(TypeError, match=r"expected a mapping with its path parameters \(deployment, stack\)"):
            await collect(each(engine, deployments.GET, ["a"]))
