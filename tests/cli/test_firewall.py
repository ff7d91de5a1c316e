"""The commands `firewall` and `firewall open`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.sandbox.stack import FakeStack

from .conftest import Terminal
from .terminal import access_to, on_terminal, run_on_terminal
from .variables import Commands


@pytest.fixture(scope="module")
def site() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0)) as running:
        yield running


@pytest.fixture(scope="module")
def access(site: SandboxServer) -> dict[str, str]:
    return access_to(site)


@pytest.fixture
def commands(terminal: Terminal, site: SandboxServer, access: dict[str, str]) -> Commands:
    return Commands(terminal, site, access)


def newest(commands: Commands, stack: FakeStack) -> dict[str, object]:
    """Return the last rule, as JSON."""
    return json.loads(commands.run("firewall", stack, "--json").stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize("columns", [80, 120])
def test_rules_fit_the_terminal(commands: Commands, access: dict[str, str], columns: int) -> None:
    stack = commands.stack()
    commands.run("firewall", "open", stack, "--no-wait", "--ttl", "90m")
    shown = run_on_terminal(columns, "firewall", stack.uid, environment=access)
    assert max(map(len, shown.lines)) <= columns
    rows = [line.split() for line in shown.lines]
    assert rows[0][:5] == ["FROM", "TO", "PROTOCOL", "PORT", "ENDS"]
    assert rows[1][:6] == ["198.51.100.7", "any", "tcp", "22", "–", "Office"]
    assert rows[4][:6] == ["198.51.100.1", "any", "tcp", "22", "in", "1h30m"]


def test_sources_that_are_not_addresses(commands: Commands) -> None:
    stack = commands.stack()
    commands.site.fake.add("firewall rule", stack, {"id": 7001, "from_ip": None, "from_group_id": 3, "to_server_id": 4})
    done = commands.run("firewall", "list", stack, "--csv")
    assert "group 3,server 4,tcp," in done.stdout
    assert re.search(r"^198\.51\.100\.7,any,tcp,22,,Office,dynamic,\d+$", done.stdout, re.MULTILINE)


def test_open_tells_for_whom_and_until_when(commands: Commands) -> None:
    stack = commands.stack()
    done = commands.run("firewall", "open", stack, "--port", "5432", "--ttl", "2h")
    lines = done.stdout.splitlines()
    name = f"{stack.name}/staging"
    assert lines[0].startswith(f"{name}: open port 5432 for your address, for 2h (action ")
    assert re.fullmatch(rf"{name}: port 5432 is open for 198\.51\.100\.1 until \d\d:\d\d \(2h\)", lines[-2])
    assert lines[-1] == "  Cloud 66 closes it then by itself. To keep it open longer, run the command again."
    rule = newest(commands, stack)
    assert (rule["port"], rule["ttl"], rule["protocol"], rule["from_ip"]) == (5432, 120, "tcp", "198.51.100.1")


def test_lease_takes_the_options_of_the_official_client(commands: Commands) -> None:
    stack = commands.stack()
    done = commands.run("lease", stack, "-p", "2222", "-t", "20", "-f", "203.0.113.9", "--no-wait")
    assert "open port 2222 for 203.0.113.9, for 20m" in done.stdout
    assert "Cloud 66 closes it by itself, 20m after it was opened." in done.stdout
    rule = newest(commands, stack)
    assert (rule["port"], rule["ttl"], rule["from_ip"]) == (2222, 20, "203.0.113.9")


def test_protocol(commands: Commands) -> None:
    stack = commands.stack()
    done = commands.run("firewall", "open", stack, "--port", "53", "--protocol", "udp", "--json", "--no-wait")
    assert json.loads(done.stdout)["uid"] == stack.uid
    assert newest(commands, stack)["protocol"] == "udp"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--ttl", "5h"], "from 1m to 4h"),
        (["--ttl", "0"], "from 1m to 4h"),
        (["--ttl", "1h30m10s"], "from 1m to 4h"),
        (["--ttl", "soon"], "from 1m to 4h"),
        (["--port", "0"], "--port"),
        (["--port", "65536"], "--port"),
        (["--from", "office"], "invalid --from 'office'"),
        (["--protocol", "icmp"], "--protocol"),
    ],
)
def test_invalid_options_send_nothing(commands: Commands, arguments: list[str], problem: str) -> None:
    before = commands.site.fake.calls()
    done = commands.run("firewall", "open", "web", *arguments, code=2)
    assert problem in done.stderr
    assert commands.site.fake.calls() == before


def test_a_port_for_every_address_asks(commands: Commands, access: dict[str, str]) -> None:
    stack = commands.stack()
    before = commands.site.fake.calls("firewall_rules.create")
    refused = commands.run("firewall", "open", stack, "--from", "0.0.0.0/0", code=2)
    assert "to every address without a terminal" in refused.stderr
    words = ("firewall", "open", stack.uid, "--from", "::/0", "--no-wait")
    with on_terminal(80, *words, environment=access) as started:
        started.wait_for("[y/N]")
        started.type("n\n")
        assert started.exit_code() == 1
    assert commands.site.fake.calls("firewall_rules.create") == before
    commands.run("firewall", "open", stack, "--from", "203.0.113.9/24", "--no-wait")
    assert newest(commands, stack)["from_ip"] == "203.0.113.0/24"
