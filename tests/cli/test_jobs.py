"""The commands `jobs` and below."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer

from .conftest import Terminal
from .piped import Piped
from .terminal import access_to, run_on_terminal

FULL = "search-api/staging"
NAME = "Remove old sessions"


@pytest.fixture(scope="module")
def served() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.1)) as server:
        yield server


@pytest.fixture(scope="module")
def access(served: SandboxServer) -> dict[str, str]:
    return access_to(served)


@pytest.fixture
def stack(served: SandboxServer) -> Iterator[FakeStack]:
    found = served.fake.add_stack("search-api", environment="staging", servers=2)
    yield found
    served.fake.remove_stack(found)


@pytest.fixture
def job(served: SandboxServer, stack: FakeStack) -> dict[str, Any]:
    return served.fake.records("job", stack)[0]


@pytest.fixture
def jobs(terminal: Terminal, served: SandboxServer, access: dict[str, str]) -> Piped:
    return Piped("jobs", terminal, served.fake, access)


@pytest.mark.parametrize("columns", [80, 120])
def test_table_fits(columns: int, job: dict[str, Any], access: dict[str, str]) -> None:
    job.update(status=3, paused=True)
    shown = run_on_terminal(columns, "jobs", FULL, environment=access)
    assert max(map(len, shown.lines)) <= columns
    titles, first, _, total = shown.lines
    assert titles.split()[:4] == ["NAME", "SCHEDULE", "PAUSED", "RESULT"]
    assert first.startswith(f"{NAME}    0 3 * * *     yes     failed ")
    assert total == "2 jobs"
    assert "\x1b[1;31mfailed" in shown.raw
    assert ("rake sessions:trim" in first) == (columns == 120)


def test_pipe(stack: FakeStack, job: dict[str, Any], jobs: Piped) -> None:
    row = jobs(FULL).splitlines()[1]
    assert row.endswith(job["uid"])
    data = json.loads(jobs(FULL, "--json").splitlines()[1])
    assert (data["status"], data["params"]["service_name"]) == ("success", "worker")
    jobs(FULL, "--server", stack.servers[1]["name"])
    assert jobs.err.splitlines() == [f"{FULL} has no jobs on this server."]


def test_run_by_name_with_arguments(job: dict[str, Any], jobs: Piped) -> None:
    jobs("run", FULL, NAME.upper(), "--arg", "2026", "--arg", "it's a day", "--no-wait")
    ((name, sent),) = jobs.changes
    assert (name, sent["job"]) == ("jobs.run_now", job["uid"])
    assert shlex.split(sent["job_args"]) == ["2026", "it's a day"]
    assert jobs.out.startswith(f"{FULL}: run {NAME} (action ")


def test_run_by_the_beginning_of_a_uid(job: dict[str, Any], jobs: Piped) -> None:
    jobs("run", FULL, job["uid"][:8], "--no-wait", "--json")
    ((_, sent),) = jobs.changes
    assert sent["job"] == job["uid"]
    assert "job_args" not in sent
    assert json.loads(jobs.out)["state"] == "running"


def test_name_of_two_jobs(served: SandboxServer, stack: FakeStack, job: dict[str, Any], jobs: Piped) -> None:
    other = served.fake.add("job", stack, {"name": NAME})
    jobs("run", FULL, NAME, code=2)
    assert f'"{NAME}" may mean 2 jobs of {FULL}. Which one?' in jobs.err
    assert job["uid"] in jobs.err
    assert other["uid"] in jobs.err
    assert jobs.changes == []


def test_unknown_job(stack: FakeStack, jobs: Piped) -> None:
    jobs("run", FULL, "Remove sessions", code=1)
    assert jobs.err.splitlines() == [
        f'error: no job of {FULL} is called "Remove sessions"',
        f"  Did you mean {NAME}?",
    ]


def test_success(stack: FakeStack, jobs: Piped) -> None:
    jobs("run", FULL, NAME)
    assert re.fullmatch(rf"{FULL}: succeeded \(took \ds\)", jobs.out.splitlines()[-1])
    assert re.fullmatch(rf"\d\d:\d\d:\d\dZ {FULL}  running    action \d+\n", jobs.err)


def test_failure(served: SandboxServer, stack: FakeStack, jobs: Piped) -> None:
    served.fake.faults.action_fails(message="Ended with 3")
    jobs("run", FULL, NAME, "--json", code=1)
    assert (json.loads(jobs.out)["state"], json.loads(jobs.out)["message"]) == ("failed", "Ended with 3")


def test_not_ended_in_time(served: SandboxServer, stack: FakeStack, jobs: Piped) -> None:
    served.fake.faults.action_never_ends()
    jobs("run", FULL, NAME, "--timeout", "1s", "--quiet", code=5)
    assert jobs.out == ""
    assert f"error: {FULL}: not finished after " in jobs.err
    assert f"cloud66-async wait {FULL} --action " in jobs.err
