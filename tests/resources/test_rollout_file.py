"""Rollouts that are written to a file."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import ConfigError
from cloud66_async.resources._rollouts.file import RolloutFile
from cloud66_async.rollout import Rollout, RolloutResult

from .fleet import Fleet, states


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


async def leave_at_first_end(rollout: Rollout) -> None:
    async with rollout as progress:
        async for result in progress:
            if result.state == "succeeded":
                return


async def test_file_is_written_before_each_start(tmp_path: Path) -> None:
    fleet, path = Fleet(3), tmp_path / "rollout.json"
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids, at_once=1, path=path)
        assert not path.exists()
        async with rollout as progress:
            async for result in progress:
                written = read(path)["targets"]
                if result.state == "running":
                    assert written[fleet.uids.index(result.uid)]["asked_at"]
                assert sum("asked_at" in target for target in written) >= sum(fleet.deployed)
    assert [target["state"] for target in read(path)["targets"]] == ["succeeded"] * 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


async def test_file_is_taken_up_without_searches(tmp_path: Path) -> None:
    fleet, path = Fleet(4), tmp_path / "rollout.json"
    async with fleet.client() as c66:
        await leave_at_first_end(c66.stacks.rollout(fleet.uids, at_once=1, path=path))
        assert states(c66.stacks.resume_rollout(str(path)).results)[0] == "succeeded"
        assert states(await c66.stacks.resume_rollout(path)) == ["succeeded"] * 4
    assert fleet.deployed == [1] * 4
    assert fleet.fake.calls("actions.list") == 0
    assert fleet.fake.calls("stacks.redeploy") == 4


async def test_finished_rollout_sends_nothing_when_it_is_taken_up(tmp_path: Path) -> None:
    fleet, path = Fleet(2), tmp_path / "rollout.json"
    async with fleet.client() as c66:
        await c66.stacks.rollout(fleet.uids, path=path)
        calls = fleet.fake.calls()
        results = await c66.stacks.resume_rollout(path)
    assert states(results) == ["succeeded", "succeeded"]
    assert [result.action is not None and result.action.succeeded for result in results] == [True, True]
    assert fleet.fake.calls() == calls


async def test_new_rollout_does_not_replace_a_file(tmp_path: Path) -> None:
    fleet, path = Fleet(1), tmp_path / "rollout.json"
    path.write_text("{}")
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids, path=path)
        with pytest.raises(ConfigError, match="exists; resume its rollout with resume_rollout"):
            await rollout
        assert (path.read_text(), fleet.fake.calls()) == ("{}", 0)
        assert list(tmp_path.iterdir()) == [path]
        path.unlink()
        assert states(await rollout) == ["succeeded"]


async def test_file_that_exists_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may be killed at any moment: if there is a file, another process continues its rollout."""
    fleet, path = Fleet(2), tmp_path / "rollout.json"
    fsync, found = os.fsync, list[bool]()

    def look(descriptor: int) -> None:
        found.append(path.exists())
        assert not found[-1] or len(read(path)["targets"]) == 2
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    async with fleet.client() as c66:
        assert states(await c66.stacks.rollout(fleet.uids, path=path)) == ["succeeded"] * 2
    assert found[:2] == [False, True]
    assert all(found[1:])


async def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    fleet, path = Fleet(2), tmp_path / "rollout.json"
    async with fleet.client() as c66:
        await leave_at_first_end(c66.stacks.rollout(fleet.uids, at_once=1, path=path))
        with pytest.raises(ConfigError, match="exists; resume its rollout with resume_rollout"):
            await c66.stacks.rollout(fleet.uids, path=path)
        assert states(await c66.stacks.resume_rollout(path)) == ["succeeded"] * 2
    assert fleet.deployed == [1, 1]
    assert list(tmp_path.iterdir()) == [path]


async def test_rollout_with_a_file_runs_once(tmp_path: Path) -> None:
    fleet = Fleet(2)
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids, path=tmp_path / "rollout.json")

        async def run() -> tuple[RolloutResult, ...]:
            return await rollout

        first, second = await asyncio.gather(run(), run(), return_exceptions=True)
    assert isinstance(first, tuple)
    assert states(first) == ["succeeded"] * 2
    assert isinstance(second, ConfigError)
    assert "a rollout runs once" in str(second)
    assert fleet.deployed == [1, 1]


async def test_two_clients_do_not_carry_out_one_rollout(tmp_path: Path) -> None:
    fleet, path = Fleet(3), tmp_path / "rollout.json"
    async with fleet.client() as c66, fleet.client() as other:
        async with c66.stacks.rollout(fleet.uids, at_once=1, path=path) as progress:
            async for result in progress:
                if result.state == "running":
                    with pytest.raises(ConfigError, match="another process carries out the rollout"):
                        await other.stacks.resume_rollout(path)
        assert fleet.deployed == [1] * 3


async def test_file_is_read_again_when_it_is_locked(tmp_path: Path) -> None:
    """A rollout that was read while another process carried it out must not repeat what that process did."""
    fleet, path = Fleet(3), tmp_path / "rollout.json"
    async with fleet.client() as c66:
        async with c66.stacks.rollout(fleet.uids, at_once=1, path=path) as progress:
            await anext(progress)
            early = c66.stacks.resume_rollout(path)
            async for _ in progress:
                pass
        assert states(early.results) != ["succeeded"] * 3
        assert states(await early) == ["succeeded"] * 3
    assert fleet.deployed == [1] * 3


async def test_failed_stacks_are_repeated_from_a_file(tmp_path: Path) -> None:
    fleet, path = Fleet(2), tmp_path / "rollout.json"
    fleet.fake.faults.action_fails()
    async with fleet.client() as c66:
        await c66.stacks.rollout(fleet.uids, at_once=1, path=path)
        assert states(await c66.stacks.resume_rollout(path, retry=fleet.uids[:1])) == ["succeeded"] * 2
    assert [target.get("attempt", 0) for target in read(path)["targets"]] == [1, 0]
    assert fleet.deployed == [2, 1]


async def test_nothing_is_started_if_the_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, path = Fleet(3), tmp_path / "rollout.json"
    fsync, writes = os.fsync, 0

    def fail(descriptor: int) -> None:
        nonlocal writes
        writes += 1
        if writes > 4:  # two for each version
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    async with fleet.client() as c66:
        rollout = c66.stacks.rollout(fleet.uids, at_once=1, path=path)
        with pytest.raises(ConfigError, match=r"cannot write .*: No space left on device"):
            await rollout
        assert states(rollout.results) == ["unfinished", "not_started", "not_started"]
        monkeypatch.undo()
        assert states(await c66.stacks.resume_rollout(path)) == ["succeeded"] * 3
    assert fleet.deployed == [1] * 3
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "null"])
async def test_file_that_is_not_one_of_a_rollout_is_rejected(content: str, tmp_path: Path) -> None:
    fleet, path = Fleet(1), tmp_path / "rollout.json"
    path.write_text(content)
    async with fleet.client() as c66:
        with pytest.raises(ConfigError, match="the file is not one of a rollout"):
            c66.stacks.resume_rollout(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/rollout.json", "cannot create .*: No such file or directory"),
        (".", "exists; resume its rollout"),
    ],
)
async def test_path_of_a_new_rollout_is_checked_before_a_request(path: str, message: str, tmp_path: Path) -> None:
    fleet = Fleet(1)
    async with fleet.client() as c66:
        with pytest.raises(ConfigError, match=message):
            await c66.stacks.rollout(fleet.uids, path=tmp_path / path)
    assert fleet.fake.calls() == 0


@pytest.mark.parametrize(("path", "message"), [("missing", "does not exist"), (".", "cannot read .*: Is a directory")])
async def test_path_of_an_earlier_rollout_is_checked(path: str, message: str, tmp_path: Path) -> None:
    fleet = Fleet(1)
    async with fleet.client() as c66:
        with pytest.raises(ConfigError, match=message):
            c66.stacks.resume_rollout(tmp_path / path)


def test_lock_belongs_to_the_file_with_the_name(tmp_path: Path) -> None:
    path = tmp_path / "rollout.json"
    first, second = RolloutFile(path), RolloutFile(path)
    first.replace(b"0")
    for body in (b"1", b"2"):
        with pytest.raises(ConfigError, match="another process"):
            second.open()
        first.replace(body)
    with pytest.raises(ConfigError, match="another process"):
        second.open()
    first.close()
    second.open()
    assert path.read_bytes() == b"2"
    second.close()
    second.close()
