"""The commands `processes` and below."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cloud66_async.cli.exits import USAGE
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer

from .conftest import Terminal
from .piped import Piped
from .terminal import access_to, on_terminal, run_on_terminal

FULL = "ledger-site/production"


@pytest.fixture(scope="module")
def served() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.1)) as server:
        yield server


@pytest.fixture(scope="module")
def access(served: SandboxServer) -> dict[str, str]:
    return access_to(served)


@pytest.fixture
def stack(served: SandboxServer) -> Iterator[FakeStack]:
    """Add a stack with two servers, and two processes on the first of them."""
    found = served.fake.add_stack("ledger-site", framework="rails", servers=2)
    yield found
    served.fake.remove_stack(found)


@pytest.fixture
def worker(served: SandboxServer, stack: FakeStack) -> dict[str, Any]:
    return served.fake.records("process", stack)[0]


@pytest.fixture
def processes(terminal: Terminal, served: SandboxServer, access: dict[str, str]) -> Piped:
    return Piped("processes", terminal, served.fake, access)


@pytest.mark.parametrize("columns", [80, 120])
def test_table_fits(columns: int, stack: FakeStack, worker: dict[str, Any], access: dict[str, str]) -> None:
    name = stack.servers[0]["name"]
    worker.update(servers={name: 3}, servers_pauses={name: 1})
    shown = run_on_terminal(columns, "processes", FULL, environment=access)
    titles, first, second, total = shown.lines
    assert max(map(len, shown.lines)) <= columns
    assert titles.split()[:4] == ["NAME", "STATE", "RUNNING", "PAUSED"]
    assert first.split()[:5] == ["worker", "partly", "paused", "2", "1"]
    assert second.split()[:4] == ["scheduler", "running", "1", "0"]
    assert f"{name}: 3" in first
    assert total == "2 processes"


def test_states(stack: FakeStack, worker: dict[str, Any], processes: Piped) -> None:
    name = stack.servers[0]["name"]
    worker.update(servers={name: 2}, servers_pauses={name: 2})
    columns = ("--csv", "--columns", "name,state,running,paused")
    assert processes(FULL, *columns).splitlines()[1:] == ["worker,paused,0,2", "scheduler,running,1,0"]
    worker.update(servers={}, servers_pauses={})
    assert processes(FULL, *columns).splitlines()[1] == "worker,stopped,0,0"


def test_json(stack: FakeStack, processes: Piped) -> None:
    first = json.loads(processes(FULL, "--json").splitlines()[0])
    assert first["servers"] == {stack.servers[0]["name"]: 1}


def test_processes_of_one_server(stack: FakeStack, processes: Piped) -> None:
    assert processes(FULL, "--server", stack.servers[1]["name"]) == ""
    assert processes.err.splitlines()[0] == f"{FULL} has no processes on this server."


def test_scale_on_the_server_that_runs_it(stack: FakeStack, processes: Piped) -> None:
    processes("scale", FULL, "worker", "3", "--no-wait")
    ((name, sent),) = processes.changes
    assert name == "processes.scale"
    assert (sent["process_name"], sent["server_count"]) == ("worker", {stack.servers[0]["uid"]: 3})


def test_scale_on_another_server(stack: FakeStack, processes: Piped) -> None:
    processes("scale", FULL, "worker", "1", "--server", stack.servers[1]["ext_ipv4"], "--no-wait")
    assert processes.changes[0][1]["server_count"] == {stack.servers[1]["uid"]: 1}


def test_address_of_two_servers(stack: FakeStack, processes: Piped) -> None:
    """The wrong server must not be changed."""
    first, second = stack.servers
    second["ext_ipv4"] = first["address"]
    processes("scale", FULL, "worker", "1", "--server", first["address"], "--no-wait", code=USAGE)
    error, *lines = processes.err.splitlines()
    assert f'"{first["address"]}" may mean 2 servers of {FULL}. Which one?' in error
    assert [line.split() for line in lines] == [[server["name"], server["uid"]] for server in (first, second)]
    assert processes.changes == []


def test_scale_what_runs_nowhere(stack: FakeStack, worker: dict[str, Any], processes: Piped) -> None:
    worker.update(servers={})
    processes("scale", FULL, "worker", "1", code=2)
    assert f"worker may run on 2 servers of {FULL}. Which one?" in processes.err
    assert processes.changes == []


@pytest.mark.parametrize("verb", ["restart", "pause", "resume"])
def test_commands(verb: str, stack: FakeStack, processes: Piped) -> None:
    yes = () if verb == "resume" else ("-y",)
    processes(verb, FULL, "worker", *yes, "--server", stack.servers[0]["name"], "--no-wait")
    ((name, sent),) = processes.changes
    assert name == f"process_{verb}"
    assert (sent["process_name"], sent["server_uid"]) == ("worker", stack.servers[0]["uid"])
    assert f"{FULL}: {verb} worker on {stack.servers[0]['name']} (action " in processes.out


@pytest.mark.parametrize("arguments", [("restart",), ("pause",), ("scale", "0")])
def test_nothing_is_sent_if_nobody_can_be_asked(arguments: tuple[str, ...], stack: FakeStack, processes: Piped) -> None:
    verb, *rest = arguments
    processes(verb, FULL, "worker", *rest, code=2)
    assert "--yes is required to " in processes.err
    assert processes.changes == []


def test_declined_question(stack: FakeStack, processes: Piped, access: dict[str, str]) -> None:
    with on_terminal(80, "processes", "restart", FULL, "worker", environment=access) as started:
        started.wait_for(f"Restart worker of {FULL}? [y/N] ")
        started.type("\n")
        assert started.exit_code() == 1
    assert "cancelled: nothing was changed" in started.shown
    assert processes.changes == []


def test_waiting_on_a_terminal(stack: FakeStack, access: dict[str, str]) -> None:
    shown = run_on_terminal(80, "processes", "restart", FULL, "worker", "--yes", environment=access)
    assert shown.exit_code == 0
    assert f"{FULL}: restart worker (action " in shown.text
    assert f"✓ {FULL}  succeeded" in shown.text


def test_unknown_process(stack: FakeStack, processes: Piped) -> None:
    processes("pause", FULL, "web", "--yes", code=1)
    assert processes.err.splitlines() == [
        f'error: no process of {FULL} is called "web"',
        "  It has scheduler, worker.",
    ]
