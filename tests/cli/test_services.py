"""The commands `services` and below."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer

from .conftest import Terminal
from .piped import Piped
from .terminal import access_to, on_terminal, run_on_terminal

NAME = "billing-web-of-the-second-kind"
FULL = f"{NAME}/production"


@pytest.fixture(scope="module")
def served() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.1)) as server:
        yield server


@pytest.fixture(scope="module")
def access(served: SandboxServer) -> dict[str, str]:
    return access_to(served)


@pytest.fixture
def stack(served: SandboxServer) -> Iterator[FakeStack]:
    """Add a stack whose service `web` runs on two servers, and `worker` on the first of them."""
    found = served.fake.add_stack(NAME, framework="docker", servers=2)
    yield found
    served.fake.remove_stack(found)


@pytest.fixture
def servers(stack: FakeStack) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = stack.servers
    return first, second


@pytest.fixture
def services(terminal: Terminal, served: SandboxServer, access: dict[str, str]) -> Piped:
    return Piped("services", terminal, served.fake, access)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- the listing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_table_fits_and_keeps_names(columns: int, stack: FakeStack, access: dict[str, str]) -> None:
    shown = run_on_terminal(columns, "services", FULL, environment=access)
    titles, *rows, total = shown.lines
    assert max(map(len, shown.lines)) <= columns
    assert titles.split()[:5] == ["NAME", "STATE", "RUNNING", "WANTED", "SERVERS"]
    assert [row.split()[:4] for row in rows] == [["web", "running", "2", "2"], ["worker", "running", "1", "1"]]
    assert all(server["name"] in rows[0] for server in stack.servers)
    assert total == "2 services"


def test_pipe_receives_every_column(stack: FakeStack, services: Piped) -> None:
    titles, row = services(FULL).splitlines()[:2]
    assert titles.split() == ["NAME", "STATE", "RUNNING", "WANTED", "SERVERS", "REF", "COMMAND", "IMAGE"]
    assert row.endswith(f"/{NAME}:latest")


def test_json_has_the_containers(stack: FakeStack, services: Piped) -> None:
    first, second = map(json.loads, services(FULL, "--json").splitlines())
    assert (first["name"], len(first["containers"]), second["desired_count"]) == ("web", 2, 1)


def test_csv_and_chosen_columns(stack: FakeStack, services: Piped) -> None:
    assert services(FULL, "--csv", "--columns", "name,running").splitlines() == ["name,running", "web,2", "worker,1"]
    services(FULL, "--columns", "nme", code=2)
    assert "no column is called 'nme'" in services.err


def test_services_of_one_server(servers: tuple[dict[str, Any], ...], services: Piped) -> None:
    services(FULL, "--server", servers[1]["name"], "--columns", "name,running", "--csv")
    assert services.out.splitlines() == ["name,running", "web,1"]
    services(FULL, "--server", servers[1]["uid"][:8], "--columns", "name", "--csv")
    assert services.out.splitlines() == ["name", "web"]
    services(FULL, "--server", "none", code=1)
    assert services.err.splitlines()[0] == f'error: no server of {FULL} is called "none"'
    assert servers[0]["name"] in services.err


def test_stack_without_containers(served: SandboxServer, services: Piped) -> None:
    stack = served.fake.add_stack("plain", framework="rails")
    assert services("plain") == ""
    assert services.err.splitlines() == [
        "plain/production has no services.",
        "See: cloud66-async processes plain/production",
    ]
    served.fake.remove_stack(stack)


# --- scaling ---------------------------------------------------------------------------------------


def test_scale_on_the_only_server(servers: tuple[dict[str, Any], ...], services: Piped) -> None:
    services("scale", FULL, "worker", "3", "--no-wait")
    (change,) = services.changes
    assert change[0] == "services.scale"
    assert change[1]["server_count"] == {servers[0]["uid"]: 3}
    assert services.out.startswith(f"{FULL}: scale worker to 3 on {servers[0]['name']} (action ")


def test_scale_on_chosen_servers(servers: tuple[dict[str, Any], ...], services: Piped) -> None:
    services("scale", FULL, "web", "2", "--server", servers[0]["name"], "--server", servers[1]["uid"], "--no-wait")
    assert services.changes[0][1]["server_count"] == {server["uid"]: 2 for server in servers}


def test_scale_in_a_group(stack: FakeStack, services: Piped) -> None:
    services("scale", FULL, "web", "4", "--group", "web", "--no-wait")
    assert services.changes[0][1]["server_group_count"] == {"web": 4}
    assert "server_count" not in services.changes[0][1]


def test_scale_asks_for_one_of_several_servers(servers: tuple[dict[str, Any], ...], services: Piped) -> None:
    services("scale", FULL, "web", "3", code=2)
    assert f"web runs on 2 servers of {FULL}. Which one?" in services.err
    assert all(f"  --server {server['name']}" in services.err for server in servers)
    assert services.changes == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-1",), "invalid count -1: expected a number from 0 to 10000"),
        (("many",), "many"),
        (("2", "--server", "a", "--group", "b"), "--server and --group exclude each other"),
    ],
)
def test_invalid_scaling(arguments: tuple[str, ...], message: str, services: Piped) -> None:
    services("scale", FULL, "web", *arguments, code=2)
    assert message in services.err
    assert services.changes == []


# --- the other commands ----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["restart", "pause", "resume", "stop"])
def test_commands_on_all_servers_or_on_one(verb: str, servers: tuple[dict[str, Any], ...], services: Piped) -> None:
    yes = () if verb == "resume" else ("--yes",)
    services(verb, FULL, "WEB", *yes, "--no-wait")
    services(verb, FULL, "web", "--server", servers[0]["name"], *yes, "--no-wait", "--json")
    (name, everywhere), (same, on_one) = services.changes
    assert name == same == ("services.stop" if verb == "stop" else f"service_{verb}")
    assert everywhere.get("service_name", everywhere.get("service")) == "web"
    assert "server_uid" not in everywhere
    assert on_one["server_uid"] == servers[0]["uid"]
    assert json.loads(services.out)["state"] == "running"


@pytest.mark.parametrize("arguments", [("restart",), ("pause",), ("stop",), ("scale", "0")])
def test_nothing_is_sent_if_nobody_can_be_asked(arguments: tuple[str, ...], stack: FakeStack, services: Piped) -> None:
    verb, *rest = arguments
    services(verb, FULL, "worker", *rest, code=2)
    assert services.err.startswith(f"error: --yes is required to {verb} worker")
    assert "--yes is required to " in services.err
    assert services.changes == []


def test_unknown_service(stack: FakeStack, services: Piped) -> None:
    services("restart", FULL, "workers", "--yes", code=1)
    assert services.err.splitlines() == [f'error: no service of {FULL} is called "workers"', "  Did you mean worker?"]


def test_beginning_of_a_stack_name_is_not_enough_to_change_it(stack: FakeStack, services: Piped) -> None:
    services(NAME[:12])
    services("restart", NAME[:12], "web", "--yes", code=1)
    assert f"Did you mean {NAME}" in services.err


def test_pausing_in_production_needs_the_name(stack: FakeStack, services: Piped, access: dict[str, str]) -> None:
    for typed, code in (("y", 1), (NAME, 0)):
        with on_terminal(80, "services", "pause", FULL, "web", "--no-wait", environment=access) as started:
            started.wait_for(f"Pause web of {FULL}? Type {NAME} to confirm: ")
            assert services.changes == []
            started.type(f"{typed}\n")
            assert started.exit_code() == code, started.shown
    assert [name for name, _ in services.changes] == ["service_pause"]


def test_restarting_needs_a_yes(stack: FakeStack, services: Piped, access: dict[str, str]) -> None:
    with on_terminal(80, "services", "restart", FULL, "web", "--no-wait", environment=access) as started:
        started.wait_for(f"Restart web of {FULL}? [y/N] ")
        started.type("y\n")
        assert started.exit_code() == 0, started.shown
    assert [name for name, _ in services.changes] == ["service_restart"]


# --- waiting ---------------------------------------------------------------------------------------


def test_failure_is_told(served: SandboxServer, stack: FakeStack, services: Piped) -> None:
    served.fake.faults.action_fails(message="Out of memory")
    services("scale", FULL, "worker", "2", code=1)
    assert re.search(rf"error: {FULL}: failed after \ds: Out of memory", services.err)


def test_ctrl_c_tells_how_to_go_on(served: SandboxServer, stack: FakeStack, access: dict[str, str]) -> None:
    served.fake.faults.action_never_ends()
    with on_terminal(80, "services", "restart", FULL, "web", "--yes", environment=access) as started:
        started.wait_for("running, action ")
        started.type("\x03")
        assert started.exit_code() == 130
    assert "Stopped waiting. What has started continues at Cloud 66." in started.shown
    assert re.search(rf"cloud66-async wait {FULL} --action \d+", started.shown)


def test_broken_connection_may_have_started_it(served: SandboxServer, stack: FakeStack, services: Piped) -> None:
    served.fake.faults.drop(operation="actions.run")
    services("restart", FULL, "web", "--yes", code=1)
    assert [name for name, _ in services.changes] == ["service_restart"]
    assert "it may have been started: " in services.err
    assert services.err.splitlines()[-1].endswith(f"cloud66-async actions {FULL}")


def test_ctrl_c_before_the_response(served: SandboxServer, stack: FakeStack, access: dict[str, str]) -> None:
    served.fake.faults.slow(600, operation="actions.run")
    before = len(served.fake.requests)
    with on_terminal(80, "services", "restart", FULL, "web", "--yes", environment=access) as started:
        wait_until(lambda: any(request.is_write for request in served.fake.requests[before:]))
        started.type("\x03")
        assert started.exit_code() == 130
    assert f"unknown      {FULL} (it may have started)" in started.shown
    assert f"cloud66-async actions {FULL}" in started.shown
