"""A client behind nginx whose upstream process is killed and replaced: every read succeeds, and no write is doubled."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud66_async import Cloud66, Retry, Timeouts
from cloud66_async.sandbox import FakeCloud66

from ..conftest import PoolName
from ..pool.test_connector import closed_port
from .chaos import Applied
from .chaos_client import HurriedClock
from .load import Load
from .test_restarts import Front

pytestmark = pytest.mark.slow
pytest.importorskip("uvicorn", reason="the sandbox's server needs the extra `sandbox`")

WORKERS = 8
STACKS = 10

# Each process has the same token and the same stacks, and logs each write some time before it is answered.
PROGRAM = """
import json, secrets, sys, time

port, token, stacks, log = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), open(sys.argv[4], "a")
random_text, secrets.token_urlsafe = secrets.token_urlsafe, lambda _=None: token

from cloud66_async.sandbox import SandboxServer
from tests.faults.chaos import UNLIMITED, ChaosSandbox

class Logging(ChaosSandbox):
    def handle(self, request):
        reply = super().handle(request)
        if request.method == "POST":
            marker = json.loads(request.body)["key"]
            print(json.dumps([marker, request.headers["request-id"], reply.status]), file=log, flush=True)
        return reply

fake = Logging()
fake.add_token()
secrets.token_urlsafe = random_text
for number in range(stacks):
    fake.add_stack(f"s{number}")
fake.faults.slow(0.1, operation="environment_variables.create", times=UNLIMITED, allow_unused=True)
with SandboxServer(fake, port=port):
    time.sleep(600)
"""


class Upstream:
    """A process with a sandbox, which can be killed and replaced by one with the same token and stacks."""

    def __init__(self, log: Path) -> None:
        self.port = closed_port()
        self.token = secrets.token_urlsafe(32)
        self._log = log
        self._command = [sys.executable, "-c", PROGRAM, str(self.port), self.token, str(STACKS), str(log)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=Path(__file__).resolve().parents[2])
        wait_for(self.port, self._process)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        assert self._process.wait(10) == -signal.SIGKILL

    def applied(self) -> dict[str, list[Applied]]:
        """Return the writes that any of the processes has carried out."""
        found: defaultdict[str, list[Applied]] = defaultdict(list)
        for line in self._log.read_text().splitlines():
            marker, request_id, status = json.loads(line)
            found[marker].append(Applied(request_id, status))
        return found


class PatientClock(HurriedClock):
    """A clock whose pauses last until the upstream is back: what is repeated reaches the next process.

    Otherwise every attempt of a call would fail before that process accepts connections.
    """

    def __init__(self) -> None:
        self.upstream_is_back = asyncio.Event()
        self.upstream_is_back.set()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self.upstream_is_back.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server accepts connections."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    found = Upstream(tmp_path / "writes.jsonl")
    found.start()
    yield found
    found.kill()


@pytest.fixture
def front(upstream: Upstream, tmp_path: Path) -> Iterator[Front]:
    found = Front(tmp_path, upstream.port)
    found.start()
    yield found
    found.stop()


async def write_in_flight(load: Load, upstream: Upstream) -> None:
    """Wait for a write that was carried out and is not answered yet."""
    async with asyncio.timeout(30):
        while upstream.applied().keys() <= load.outcomes.keys():
            await asyncio.sleep(0.002)


async def test_upstream_is_killed_under_load(front: Front, upstream: Upstream, transport: PoolName) -> None:
    fake = FakeCloud66()
    load, clock = Load([fake.add_stack(f"s{number}").uid for number in range(STACKS)]), PatientClock()
    async with Cloud66(
        upstream.token, url=front.url, tls=front.tls, pool=transport, clock=clock, limit=WORKERS,
        retry=Retry(attempts=20, base=1), timeout=Timeouts(connect=2, read=2, total=100),
    ) as c66:  # fmt: skip
        workers = [asyncio.create_task(load.work(c66)) for _ in range(WORKERS)]
        for _ in range(3):
            await load.more()
            await write_in_flight(load, upstream)
            clock.upstream_is_back.clear()
            await asyncio.to_thread(upstream.kill)
            await asyncio.to_thread(upstream.start)
            clock.upstream_is_back.set()
        await load.more()
        load.stopped = True
        await asyncio.gather(*workers)
        await asyncio.sleep(1.1)  # longer than nginx keeps an idle connection
        assert (await c66.environment_variables.create(load.uids[0], "LAST", value="x")).stack == load.uids[0]
    applied = upstream.applied()
    assert load.wrong(applied) == []
    failed = {marker for marker, outcome in load.outcomes.items() if outcome != "done"}
    assert failed & applied.keys()  # the writes of which only the response was lost
    assert [marker for marker in failed if int(marker[1:]) % 3] == []  # reads
