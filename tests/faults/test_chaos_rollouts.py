"""Rollouts of which a fifth of the requests has a fault, in processes that are killed and taken up by others."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from cloud66_async.sandbox import SandboxServer

from .chaos import KINDS, SHARE, UNLIMITED, ChaosSandbox

pytest.importorskip("uvicorn", reason="the sandbox's server needs the extra `sandbox`")

STACKS = 4
KILLED = 3
"""Processes that are killed, before one may finish."""
MOST = 30
"""More processes than any rollout needs."""

# Time passes 50 times as fast. A rollout then waits 1.5 seconds until a lost request has certainly arrived or never
# will, which is longer than any fault delays a request.
PROGRAM = """
import asyncio, json, sys
from datetime import UTC, datetime
from pathlib import Path
from cloud66_async import Cloud66, Cloud66Error, Retry, Timeouts

class Clock:
    def __init__(self, start):
        self.start = datetime.fromisoformat(start)
    def now(self):
        return self.start + (datetime.now(UTC) - self.start) * 50
    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 50)

async def main(url, token, path, start, retried, *uids):
    options = {"retry": Retry(attempts=8), "timeout": Timeouts(connect=5, read=0.4, total=60)}
    async with Cloud66(token, url=url, clock=Clock(start), **options) as c66:
        if Path(path).exists():
            rollout = c66.stacks.resume_rollout(path, retry=json.loads(retried))
        else:
            rollout = c66.stacks.rollout(uids, at_once=2, stop_after=None, path=path)
        print("started", flush=True)
        results = await rollout
        print(json.dumps([[result.uid, str(result.state), result.reference] for result in results]), flush=True)

try:
    asyncio.run(main(*sys.argv[1:]))
except Cloud66Error as error:
    print(type(error).__name__, error, flush=True)
"""


class Told(NamedTuple):
    """What a process said about a stack at its end."""

    uid: str
    state: str
    reference: str


def add_faults(fake: ChaosSandbox, seed: int) -> None:
    """Let a fifth of the requests fail in one of all ways except a revoked token, with which a rollout cannot go on."""
    fake.faults.seed(seed)
    kinds = [kind for name, kind in KINDS.items() if name != "revoked"]
    probability = 1 - (1 - SHARE) ** (1 / len(kinds))
    for method, options in kinds:
        getattr(fake.faults, method)(**{"times": UNLIMITED, "probability": probability, "allow_unused": True} | options)


class Processes:
    """Processes that carry out one rollout, one after the other."""

    def __init__(self, server: SandboxServer, uids: list[str], path: Path, seed: int) -> None:
        self._choice = random.Random(seed)
        start = datetime.now(UTC).isoformat()
        token = server.fake.add_token().reveal()
        self._uids = uids
        self._fixed = [sys.executable, "-c", PROGRAM, server.url, token, str(path), start]

    def _start(self, retried: list[str]) -> subprocess.Popen[str]:
        command = [*self._fixed, json.dumps(retried), *self._uids]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def kill_one(self) -> None:
        """Start a process and kill it at a random moment after the start of its rollout."""
        with self._start([]) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(self._choice.uniform(0, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()

    def finish_one(self, retried: list[str]) -> list[Told] | None:
        """Let a process end. Return what it says about the stacks, or None if an error of the package ended it."""
        with self._start(retried) as process:
            output, _ = process.communicate(timeout=60)
        assert "Traceback" not in output, output
        last = output.splitlines()[-1]
        return [Told(*told) for told in json.loads(last)] if last.startswith("[") else None


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_killed_rollouts_among_faults(seed: int, tmp_path: Path) -> None:
    fake = ChaosSandbox()
    uids = [fake.add_stack(f"app-{number}").uid for number in range(STACKS)]
    add_faults(fake, seed)
    with SandboxServer(fake) as server:
        processes = Processes(server, uids, tmp_path / "rollout.json", seed)
        for _ in range(KILLED):
            processes.kill_one()
        retried: list[str] = []
        for _ in range(MOST):
            told = processes.finish_one(retried)
            if told is None:
                continue
            assert wrong(fake, uids, told) == [], f"seed {seed}"
            retried = [each.uid for each in told if each.state != "succeeded"]
            if not retried:
                return
    pytest.fail(f"seed {seed}: the rollout has not finished after {MOST} processes")


def wrong(fake: ChaosSandbox, uids: list[str], told: list[Told]) -> list[str]:
    """Return what went wrong, one line each."""
    # A fault may deliver one request twice. The SDK cannot prevent it, and the two have the same ID.
    done = {
        reference: {applied.request_id for applied in found if applied.status < 300}
        for reference, found in fake.applied.items()
    }
    found = [f"{name} was deployed {len(ids)} times" for name, ids in done.items() if len(ids) > 1]
    if [each.uid for each in told] != uids:
        found.append(f"stacks left out: {told}")
    for each in told:
        was_done = bool(done.get(each.reference))
        if each.state == "succeeded" and not was_done:
            found.append(f"{each} was not deployed")
        if each.state in ("failed", "not_started") and was_done:
            found.append(f"{each} was deployed")
    return found
