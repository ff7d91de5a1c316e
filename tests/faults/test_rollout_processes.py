"""Rollouts in processes of their own that are killed, or that run at the same time."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer

from ..resources.fleet import references

# Time passes 50 times as fast, and equally in every process.
PROGRAM = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from cloud66_async import Cloud66, Cloud66Error

START = datetime(2026, 1, 1, tzinfo=UTC)

class Clock:
    def now(self):
        return START + (datetime.now(UTC) - START) * 50
    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 50)

async def main(url, token, path, *uids):
    async with Cloud66(token, url=url, clock=Clock()) as c66:
        if Path(path).exists():
            rollout = c66.stacks.resume_rollout(path)
        else:
            rollout = c66.stacks.rollout(uids, at_once=2, path=path)
        async with rollout as progress:
            async for result in progress:
                print(uids.index(result.uid), result.state, flush=True)
        print("end", *[result.state for result in rollout.results], flush=True)

try:
    asyncio.run(main(*sys.argv[1:]))
except Cloud66Error as error:
    print(type(error).__name__, error, flush=True)
"""


@pytest.fixture
def stacks(server: SandboxServer) -> list[FakeStack]:
    return [server.fake.add_stack(f"app-{number}") for number in range(4)]


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.3)) as running:
        yield running


class Rollouts:
    """Starts processes for one rollout."""

    def __init__(self, server: SandboxServer, stacks: list[FakeStack], path: Path) -> None:
        token = server.fake.add_token().reveal()
        self._arguments = [server.url, token, str(path), *[stack.uid for stack in stacks]]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *self._arguments], stdout=subprocess.PIPE, text=True, bufsize=1
        )


@pytest.fixture
def rollouts(server: SandboxServer, stacks: list[FakeStack], tmp_path: Path) -> Rollouts:
    return Rollouts(server, stacks, tmp_path / "rollout.json")


@pytest.mark.parametrize("lines", [2, *(pytest.param(lines, marks=pytest.mark.slow) for lines in (1, 3, 5, 8))])
def test_killed_process_is_continued_by_another(rollouts: Rollouts, stacks: list[FakeStack], lines: int) -> None:
    with rollouts.start() as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
    with rollouts.start() as process:
        output, _ = process.communicate(timeout=60)
    assert output.splitlines()[-1] == "end" + " succeeded" * 4
    assert [len(references(stack)) for stack in stacks] == [1] * 4


def test_two_processes_do_not_carry_out_one_rollout(rollouts: Rollouts, stacks: list[FakeStack]) -> None:
    with rollouts.start() as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.send_signal(signal.SIGSTOP)  # the other one may take longer to start than the whole rollout does
        try:
            with rollouts.start() as second:
                refused, _ = second.communicate(timeout=60)
        finally:
            first.send_signal(signal.SIGCONT)
        output, _ = first.communicate(timeout=60)
    assert refused.startswith("ConfigError another process carries out the rollout in ")
    assert output.splitlines()[-1] == "end" + " succeeded" * 4
    assert [len(references(stack)) for stack in stacks] == [1] * 4
