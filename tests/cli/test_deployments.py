"""The command `deployments`, with `deployments cancel`."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, on_terminal, run_on_terminal

DAY = 86_400.0


@pytest.fixture
def fake(server: SandboxServer) -> FakeCloud66:
    """Return a sandbox in which a deployment takes an hour."""
    server.fake.world.action_seconds = 3600.0
    return server.fake


@pytest.fixture
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


@pytest.mark.parametrize("columns", [80, 120])
def test_deployments_on_a_terminal(fake: FakeCloud66, access: Mapping[str, str], columns: int) -> None:
    stack = fake.add_stack("web")
    stack.deployments.clear()
    fake.add_deployment(stack, outcome="failed", age=5 * DAY, git_ref="fix-tls")
    fake.add_deployment(stack, age=DAY)
    running = fake.add_deployment(stack, outcome="pending")
    queued = fake.add_deployment(stack, outcome="pending")
    shown = run_on_terminal(columns, "deployments", "web", environment=access)
    assert shown.exit_code == 0
    titles, *rows, last = shown.lines
    assert max(map(len, shown.lines)) <= columns
    assert titles.split()[:5] == ["ID", "STARTED", "TOOK", "RESULT", "LIVE"]
    assert [row.split()[:5] for row in rows] == [
        [str(queued.id), "–", "–", "queued", "–"],
        [str(running.id), rows[1].split()[1], "–", "running", "–"],
        [rows[2].split()[0], "1d", "1m00s", "succeeded", "yes"],
        [rows[3].split()[0], "5d", "1m00s", "failed", "–"],
    ]
    assert "fix-tls" in rows[3]
    assert last.startswith("4 deployments  ")


def test_limit(fake: FakeCloud66, access: Mapping[str, str], terminal: Terminal) -> None:
    stack = fake.add_stack("web")
    stack.deployments.clear()
    for age in range(35):
        fake.add_deployment(stack, age=DAY * age)
    default = run_on_terminal(80, "deployments", "web", environment=access)
    assert len(default.lines) == 22
    assert default.lines[-1].startswith("Latest 20 deployments")
    assert fake.calls("deployments.list") == 1
    done = terminal.run("deployments", "web", "--limit", "33", "--json", environment=access)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in found] == [one.id for one in stack.deployments[:33]]
    everything = run_on_terminal(80, "deployments", "web", "--limit", "99", environment=access)
    assert everything.lines[-1].startswith("35 deployments")


def test_no_deployments(fake: FakeCloud66, access: Mapping[str, str], terminal: Terminal) -> None:
    fake.add_stack("web").deployments.clear()
    done = terminal.run("deployments", "web", environment=access)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "No deployments of web/production are listed.",
        "  Deploy it: cloud66-async redeploy web/production",
    ]


def test_cancel_asks_on_a_terminal(fake: FakeCloud66, access: Mapping[str, str]) -> None:
    running = fake.add_deployment(fake.add_stack("web"), outcome="pending")
    question = f"Cancel deployment {running.id} of web/production? [y/N]"
    for reply, code, cancelled in (("n", 1, 0), ("y", 0, 1)):
        with on_terminal(80, "deployments", "cancel", "web", environment=access) as started:
            started.wait_for(question)
            started.type(f"{reply}\n")
            assert started.exit_code() == code
            assert ("cancelled: nothing was changed" in started.shown) == (reply == "n")
        assert fake.calls("deployments.cancel") == cancelled
    assert running.action.message == "Cancelled"


def test_cancel_in_a_pipe_needs_yes(fake: FakeCloud66, access: Mapping[str, str], terminal: Terminal) -> None:
    stack = fake.add_stack("web")
    running, queued = (fake.add_deployment(stack, outcome="pending") for _ in range(2))
    done = terminal.run("deployments", "cancel", "web", environment=access)
    assert done.returncode == 2
    assert "--yes is required to " in done.stderr
    assert fake.calls("deployments.cancel") == 0
    done = terminal.run("deployments", "cancel", "web", "--id", str(queued.id), "--yes", environment=access)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"web/production: deployment {queued.id}: Cancelling deployment\n"
    assert queued.action.message == "Cancelled"
    assert running.action.message != "Cancelled"
    done = terminal.run("deployments", "cancel", "web", "-y", environment=access)
    assert f"deployment {running.id}" in done.stdout


def test_the_next_of_several_queued_deployments_is_cancelled(
    fake: FakeCloud66, access: Mapping[str, str], terminal: Terminal
) -> None:
    stack = fake.add_stack("web")
    first, second = (fake.world.deploy(stack, user="ada@example.com", delay=3600.0) for _ in range(2))
    done = terminal.run("deployments", "cancel", "web", "--yes", environment=access)
    assert f"deployment {first.id}:" in done.stdout
    assert second.action.message != "Cancelled"


def test_nothing_to_cancel(fake: FakeCloud66, access: Mapping[str, str], terminal: Terminal) -> None:
    done_before = fake.add_deployment(fake.add_stack("web"))
    done = terminal.run("deployments", "cancel", "web", "--yes", environment=access)
    assert done.returncode == 1
    assert "error: no deployment of web/production is running or queued" in done.stderr
    done = terminal.run("deployments", "cancel", "web", "--id", str(done_before.id), "--yes", environment=access)
    assert done.returncode == 1
    assert "error: Cloud 66 answered 409: The deployment has finished" in done.stderr
    done = terminal.run("deployments", "cancel", "we", "--yes", environment=access)  # beginnings change nothing
    assert done.returncode == 1
    assert "Did you mean web?" in done.stderr
