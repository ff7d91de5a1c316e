"""Processes that end in the middle of a rollout: nothing is deployed twice, and nothing is left out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.resources._rollouts import file as rollout_file
from cloud66_async.resources._rollouts.file import RolloutFile
from cloud66_async.rollout import RolloutResult

from ..resources.fleet import Crashing, Fleet, as_json, states

COUNT = 5
# Every step, or every seventh where the test runs on each version of Python.
STRIDES = [pytest.param(1, marks=pytest.mark.slow), 7]
REPLACE = RolloutFile.replace


@pytest.fixture(autouse=True)
def quick_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write files in the event loop, so that the steps have the same order in every run, and not to the disk."""

    async def call(function: Callable[[], None]) -> None:
        function()

    def sync(_: int) -> None: ...

    monkeypatch.setattr(rollout_file, "run_in_thread", call)
    monkeypatch.setattr(os, "fsync", sync)


async def run(fleet: Fleet, process: Crashing, path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Start a rollout in a process that may end, and return what was kept before the start."""
    monkeypatch.setattr(RolloutFile, "replace", process.write(REPLACE))
    async with fleet.client(process) as c66:
        rollout = c66.stacks.rollout(fleet.uids, at_once=2, path=path)
        kept = as_json(rollout)
        results = await process.run(rollout)
        assert (results is None) == process.ended
    monkeypatch.setattr(RolloutFile, "replace", REPLACE)
    return kept


async def take_up(fleet: Fleet, saved: Any) -> tuple[RolloutResult, ...]:
    async with fleet.client() as c66:
        return await c66.stacks.resume_rollout(saved)


async def steps_of_a_whole_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    process = Crashing(Fleet(COUNT, seconds=10.0), step=10_000)
    await run(process._fleet, process, tmp_path / "whole", monkeypatch)
    return process.places


@pytest.mark.parametrize("stride", STRIDES)
async def test_rollout_is_taken_up_after_a_crash_at_any_step(
    stride: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = await steps_of_a_whole_rollout(tmp_path, monkeypatch)
    assert len(places) >= 44
    for step, place in [*enumerate(places)][::stride]:
        fleet, path = Fleet(COUNT, seconds=10.0), tmp_path / str(step)
        await run(fleet, Crashing(fleet, step), path, monkeypatch)
        if path.exists():
            results = await take_up(fleet, path)
            assert states(results) == ["succeeded"] * COUNT, (step, place)
            assert fleet.deployed == [1] * COUNT, (step, place)
        else:
            assert fleet.deployed == [0] * COUNT, (step, place)  # nothing starts before the first write


@pytest.mark.parametrize("stride", STRIDES)
async def test_writing_once_before_the_start_is_enough(
    stride: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(0, len(await steps_of_a_whole_rollout(tmp_path, monkeypatch)), stride):
        fleet = Fleet(COUNT, seconds=10.0)
        kept = await run(fleet, Crashing(fleet, step), tmp_path / str(step), monkeypatch)
        assert states(await take_up(fleet, kept)) == ["succeeded"] * COUNT, step
        assert fleet.deployed == [1] * COUNT, step


@pytest.mark.parametrize("delay", [20.0, pytest.param(40.0, marks=pytest.mark.slow)])
async def test_request_that_arrives_after_the_crash_is_not_repeated(
    delay: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = await steps_of_a_whole_rollout(tmp_path, monkeypatch)
    late = [step + 1 for step, place in enumerate(places) if place == "POST deployments.json not sent"]
    assert len(late) == COUNT
    for step in late:
        for once in (False, True):
            fleet, path = Fleet(COUNT, seconds=10.0), tmp_path / f"{step}-{once}"
            process = Crashing(fleet, step, delay=delay)
            kept = await run(fleet, process, path, monkeypatch)
            assert len(process.late) == 1
            assert states(await take_up(fleet, kept if once else path)) == ["succeeded"] * COUNT, step
            await asyncio.gather(*process.late)
            assert fleet.deployed == [1] * COUNT, step


@pytest.mark.slow
async def test_second_process_may_crash_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in range(3, 40, 4):
        fleet, path = Fleet(COUNT, seconds=10.0), tmp_path / str(step)
        await run(fleet, Crashing(fleet, step), path, monkeypatch)
        for second in range(step % 5, 30, 7):
            process = Crashing(fleet, second)
            monkeypatch.setattr(RolloutFile, "replace", process.write(REPLACE))
            async with fleet.client(process) as c66:
                await process.run(c66.stacks.resume_rollout(path))
            monkeypatch.setattr(RolloutFile, "replace", REPLACE)
        assert states(await take_up(fleet, path)) == ["succeeded"] * COUNT, step
        assert fleet.deployed == [1] * COUNT, step
