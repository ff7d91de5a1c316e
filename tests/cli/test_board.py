"""The live board: `stacks --watch`."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from cloud66_async import Cloud66
from cloud66_async.cli.commands import board_lines
from cloud66_async.cli.commands.board import Reading, Watch
from cloud66_async.cli.commands.board_screen import board_lines as lines_of
from cloud66_async.cli.lookup.names import full_name
from cloud66_async.cli.lookup.selection import Selection
from cloud66_async.cli.options import Output
from cloud66_async.retry import Retry
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import PROGRAM, Terminal
from .terminal import access_to, on_terminal


@pytest.fixture
def fake() -> FakeCloud66:
    return FakeCloud66(action_seconds=300.0)


@pytest.fixture
async def c66(fake: FakeCloud66) -> AsyncIterator[Cloud66]:
    async with fake.client(retry=Retry(attempts=1)) as client:
        yield client


@pytest.fixture
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


def watch(fake: FakeCloud66, c66: Cloud66, selection: Selection | None = None, *, interval: float = 10.0) -> Watch:
    return Watch(c66, selection or Selection(), interval=interval, clock=fake.clock)


def changes(reading: Reading) -> list[tuple[str, str, str, str]]:
    return [(full_name(change.stack), change.what, change.before, change.after) for change in reading.changes]


# --- what is read --------------------------------------------------------------------------------


async def test_changes_between_readings(fake: FakeCloud66, c66: Cloud66) -> None:
    web = fake.add_stack("web")
    old = fake.add_stack("old", environment="staging")
    readings = watch(fake, c66).readings()
    first = await anext(readings)
    assert (len(first.stacks), first.changes, dict(first.actions)) == (2, [], {})
    assert changes(await anext(readings)) == []
    deployment = fake.add_deployment(web, outcome="pending")
    fake.remove_stack(old)
    fake.add_stack("new")
    second = await anext(readings)
    assert set(changes(second)) == {
        ("new/production", "stack", "", "new"),
        ("web/production", "status", "deployed", "deploying"),
        ("old/staging", "stack", "", "gone"),
    }
    assert second.actions[web.uid].id == deployment.action.id
    web.change({"health": 4, "maintenance_mode": True})
    assert changes(await anext(readings)) == [
        ("web/production", "health", "healthy", "failed"),
        ("web/production", "maintenance", "off", "on"),
    ]


async def test_a_reading_costs_few_requests(fake: FakeCloud66, c66: Cloud66) -> None:
    for number in range(40):
        fake.add_deployment(fake.add_stack(f"web-{number}"), outcome="pending")
    reading = await anext(watch(fake, c66).readings())
    assert fake.calls("stacks.list") == 2
    assert fake.calls("actions.list") == len(reading.actions) == 8
    before = fake.calls()
    await anext(watch(fake, c66, Selection(name="web-1")).readings())
    assert fake.calls() - before == 2


async def test_an_hour_of_watching_leaves_a_tenth_of_the_quota() -> None:
    fake = FakeCloud66(hourly_limit=600)
    fake.seed(90)
    hour = fake.clock.now().hour
    pauses: list[float] = []
    async with fake.client() as c66:
        async for reading in watch(fake, c66).readings():
            if fake.clock.now().hour != hour:
                break
            pauses.append(reading.pause)
            assert reading.slowed == (reading.pause > 10)
            assert reading.quota.remaining is not None
            assert reading.quota.remaining >= 60
            fake.clock.advance(reading.pause)
    *earlier, last = pauses
    assert earlier[0] == 10
    assert 10 < max(earlier) < 300  # slower and slower, instead of all at once and then nothing
    assert last < 300
    assert len(pauses) > 60


async def test_a_quota_that_others_have_used_is_left_alone() -> None:
    fake = FakeCloud66(hourly_limit=100)
    fake.add_stack("web")
    async with fake.client() as c66:
        for _ in range(89):
            await c66.stacks.list()
        reading = await anext(watch(fake, c66).readings())
        assert reading.quota.remaining == 10  # a tenth
        fake.clock.advance(reading.pause)
        assert fake.clock.now().hour == 10
        assert (await anext(watch(fake, c66).readings())).pause == 10.0


async def test_an_error_that_passes_keeps_the_last_state(fake: FakeCloud66, c66: Cloud66) -> None:
    fake.add_stack("web")
    readings = watch(fake, c66).readings()
    await anext(readings)
    fake.faults.fail(503, operation="stacks.list", times=1)
    failed = await anext(readings)
    assert "503" in failed.problem
    assert (len(failed.stacks), failed.pause, changes(failed)) == (1, 10.0, [])
    screen = lines_of(failed, Output(), list, now=fake.clock.now(), width=80, height=24, left=9.0)
    assert screen[1].startswith("web ")
    assert screen[-1].startswith("Cannot read; again in 9s: ")
    fake.faults.throttle_until_next_hour()
    throttled = await anext(readings)
    assert throttled.problem
    assert 60 < throttled.pause <= 3601
    fake.clock.advance(throttled.pause)
    assert (await anext(readings)).problem == ""


# --- how it looks --------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 12), (80, 6)])
async def test_the_board_fits_the_screen(fake: FakeCloud66, c66: Cloud66, width: int, height: int) -> None:
    fake.seed(90)
    fake.add_deployment(fake.add_stack("日本"), outcome="pending")
    reading = await anext(watch(fake, c66).readings())
    shown = lines_of(reading, Output(), list, now=fake.clock.now(), width=width, height=height, left=7.0)
    assert len(shown) < height or height == 6
    assert max(map(len, shown)) <= width
    assert any(line.startswith("… and ") and line.endswith(" more") for line in shown)
    assert shown[-1].startswith("91 stacks · next in 7s · Ctrl+C ends ")
    assert shown[-1].endswith("requests left")
    assert any("application deployment" in line for line in shown)


def test_on_a_terminal(server: SandboxServer, access: Mapping[str, str]) -> None:
    server.fake.world.action_seconds = 3600.0
    web = server.fake.add_stack("web")
    server.fake.add_stack("api", health="failed")
    with on_terminal(80, "stacks", "--watch", "--interval", "1", environment=access) as board:
        board.wait_for("2 stacks · next in 1s")
        server.fake.add_deployment(web, outcome="pending")
        board.wait_for("application deployment")
        web.change({"health": 2})
        board.wait_for("impaired")
        board.type("\x03")
        assert board.exit_code() == 130
        *_, last = board.shown.split("NAME")  # the last drawing stays
        assert "api" in last
        assert "Traceback" not in board.shown
        assert "error" not in board.shown
        assert board.shown.endswith("\x1b[?25h")  # the cursor is shown again
        assert board.is_restored


def test_in_a_pipe(server: SandboxServer, access: Mapping[str, str], terminal: Terminal) -> None:
    web = server.fake.add_stack("web")
    arguments = [*PROGRAM, "stacks", "--watch", "--interval", "1"]

    def start(*options: str) -> subprocess.Popen[str]:
        environment = {**terminal.environment, **access}
        pipe = subprocess.PIPE
        return subprocess.Popen([*arguments, *options], env=environment, stdout=pipe, stderr=pipe, text=True)

    with start() as lines, start("--json") as objects:
        for started in (lines, objects):
            assert started.stderr is not None
            assert " watching 1 stack, 1 healthy; " in started.stderr.readline()
        web.change({"health": 4})
        assert lines.stdout is not None
        assert lines.stdout.readline().partition(" ")[2] == "web/production  health  healthy -> failed\n"
        assert objects.stdout is not None
        found = json.loads(objects.stdout.readline())
        assert {key: found[key] for key in ("uid", "change", "before", "after")} == {
            "uid": web.uid,
            "change": "health",
            "before": "healthy",
            "after": "failed",
        }
        lines.send_signal(signal.SIGINT)
        objects.send_signal(signal.SIGTERM)
        assert (lines.wait(60), objects.wait(60)) == (130, 143)
        assert lines.stderr is not None
        assert lines.stderr.read() == ""


async def test_a_sign_of_life_each_minute(fake: FakeCloud66, c66: Cloud66, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.add_stack("web")
    texts: list[str] = []

    def warn(text: str) -> None:
        texts.append(text)
        if len(texts) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(board_lines, "warn", warn)
    with pytest.raises(KeyboardInterrupt):
        await board_lines.print_changes(watch(fake, c66, interval=150.0), as_json=False)
    times = [datetime.strptime(text[:8], "%H:%M:%S").replace(tzinfo=UTC) for text in texts]
    assert {(after - before).total_seconds() for before, after in pairwise(times)} == {60.0}
    assert "still watching after 1m00s: 1 stack, 1 healthy" in texts[1]
    assert 2 <= fake.calls("stacks.list") <= 4


def test_wrong_options(access: Mapping[str, str], terminal: Terminal) -> None:
    done = terminal.run("stacks", "--watch", "--csv", environment=access)
    assert done.returncode == 2
    assert "--watch and --csv exclude each other" in done.stderr
    assert terminal.run("stacks", "--watch", "--interval", "0.5", environment=access).returncode == 2
