"""Several processes use one quota of 300 requests as fast as they can."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.sandbox import FakeClock, FakeCloud66, SandboxServer

from .quota_worker import FIRST, FileClock, Fleet
from .servers import RedisServer

pytestmark = pytest.mark.slow

START = datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
QUOTA, PROCESSES = 300, 4


class Site:
    """A sandbox with a quota, and the options of workers that use it."""

    def __init__(self, server: SandboxServer, clock: FileClock, options: dict[str, Any]) -> None:
        self.server = server
        self.options = options
        self._clock = clock

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        return self.server.request_count

    def fleet(self, tasks: int = 8, **options: Any) -> Fleet:
        """Return workers that start when their block is entered."""
        return Fleet(PROCESSES, **{**self.options, "tasks": tasks, **options})

    def advance(self, time: timedelta) -> None:
        """Advance the clocks of the server and of all workers."""
        self.server.fake.clock.advance(time.total_seconds())
        self._clock.set(self.server.fake.clock.now())

    def is_under_load(self) -> bool:
        """Return whether several requests have arrived after the first ones of all processes."""
        return self.requests >= PROCESSES * (FIRST + 6)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + 100
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.fixture
def site(redis_server: RedisServer, tmp_path: Path) -> Iterator[Site]:
    fake = FakeCloud66(clock=FakeClock(START, autojump=False), hourly_limit=QUOTA)
    stack, token = fake.add_stack("web"), fake.add_token()
    clock = FileClock.create(tmp_path / "clock", START)
    with SandboxServer(fake, latency=0.03) as server:
        options = {
            "url": server.url,
            "tokens": [token.reveal()],
            "redis": redis_server.patient_url,
            "stack": stack.uid,
            "clock": str(tmp_path / "clock"),
        }
        yield Site(server, clock, options)


@pytest.mark.parametrize("tasks", [8, 32])
def test_quota_is_used_and_not_exceeded(site: Site, tasks: int) -> None:
    with site.fleet(tasks) as fleet:
        counts = fleet.result()
    assert (counts["ok"], counts["throttled"], counts["exhausted"]) == (site.requests, 0, PROCESSES * tasks)
    assert 290 <= site.requests <= QUOTA


@pytest.mark.parametrize("tasks", [8, 32])
def test_killed_process(site: Site, tasks: int) -> None:
    with site.fleet(tasks) as fleet:
        site.wait_for(site.is_under_load)
        fleet.workers[0].kill()
        counts = fleet.result()
    assert counts["throttled"] == 0
    assert 290 <= site.requests <= QUOTA


def test_stopped_process_throws_its_permits_away(site: Site) -> None:
    with site.fleet() as fleet:
        site.wait_for(site.is_under_load)
        fleet.workers[0].process.send_signal(signal.SIGSTOP)
        site.wait_for(lambda: all(worker.process.poll() is not None for worker in fleet.workers[1:]))
        fleet.workers[0].process.send_signal(signal.SIGCONT)
        fleet.result()
    assert 290 <= site.requests <= QUOTA + 8  # the requests that it was about to send


@pytest.mark.parametrize("when_unavailable", ["open", "closed"])
def test_redis_that_is_restarted_under_load(site: Site, redis_server: RedisServer, when_unavailable: str) -> None:
    with site.fleet(when_unavailable=when_unavailable) as fleet:
        site.wait_for(site.is_under_load)
        redis_server.kill()
        time.sleep(0.2)
        redis_server.start()  # empty
        counts = fleet.result()
    assert counts["ok"] == site.requests <= QUOTA
    assert counts["WARNING"] <= PROCESSES  # once for each process that noticed it
    if when_unavailable == "closed":
        assert site.requests >= 290
        assert counts["refused"] > 0


def test_redis_that_keeps_its_data(site: Site, persistent_redis: RedisServer) -> None:
    with site.fleet(redis=persistent_redis.patient_url, when_unavailable="closed") as fleet:
        site.wait_for(site.is_under_load)
        persistent_redis.kill()
        persistent_redis.start()
        counts = fleet.result()
    assert counts["ok"] == site.requests <= QUOTA
    assert site.requests >= 290


@pytest.mark.parametrize("tasks", [8, 32])
def test_deleted_book(site: Site, redis_server: RedisServer, tasks: int) -> None:
    redis: Any = import_module("redis")  # partly untyped
    with site.fleet(tasks) as fleet, redis.Redis.from_url(redis_server.url) as client:
        site.wait_for(site.is_under_load)
        client.flushall()
        counts = fleet.result()
    assert counts["throttled"] == 0
    assert 290 <= site.requests <= QUOTA


def test_requests_of_others(site: Site) -> None:
    program = (
        "import asyncio, sys\n"
        "from cloud66_async import Cloud66, Ok\n"
        "async def main(token, url, stack):\n"
        "    async with Cloud66(token, url=url, limit=4) as c66:\n"
        "        results = await c66.collect(c66.stacks.get, [stack] * 60)\n"
        "    print(sum(isinstance(result, Ok) for result in results))\n"
        "asyncio.run(main(*sys.argv[1:]))\n"
    )
    arguments = [site.options["tokens"][0], site.options["url"], site.options["stack"]]
    with site.fleet() as fleet:
        site.wait_for(site.is_under_load)
        others = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True)
        counts = fleet.result()
    assert counts["throttled"] <= 4  # as many as the other program has in flight
    assert 290 <= counts["ok"] + int(others.stdout) <= QUOTA


def test_turn_of_the_hour(site: Site) -> None:
    with site.fleet(endless=True) as fleet:
        site.wait_for(lambda: site.requests >= 200)
        site.advance(timedelta(minutes=50))
        site.wait_for(lambda: site.server.fake._api.remaining("ada@example.com") <= 10)
        counts = fleet.stop()
    assert counts["throttled"] == 0
    assert counts["ok"] == site.requests <= 2 * QUOTA


def test_two_tokens_of_one_user(site: Site) -> None:
    tokens = [*site.options["tokens"], site.server.fake.add_token().reveal()]
    with site.fleet(tokens=tokens, user="ada") as fleet:
        counts = fleet.result()
    assert counts["throttled"] == 0
    assert 290 <= site.requests <= QUOTA
