"""The commands `servers` and `ssh-info`."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloud66_async.cli.commands.ssh_info import ssh_command
from cloud66_async.clock import SystemClock
from cloud66_async.resources.servers import Server
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, on_terminal, run_on_terminal

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.add_stack("one", servers=1)
        running.fake.add_stack("two", servers=2, health="failed")
        yield running


@pytest.fixture(scope="module")
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


def servers_of(server: SandboxServer, name: str) -> list[dict[str, str]]:
    return next(stack.servers for stack in server.fake.world.stacks.values() if stack.name == name)


@pytest.mark.parametrize("columns", [80, 120])
def test_servers_fit_and_keep_the_address(server: SandboxServer, access: Mapping[str, str], columns: int) -> None:
    shown = run_on_terminal(columns, "servers", "two", environment=access)
    assert shown.exit_code == 0
    assert max(map(len, shown.lines)) <= columns
    for line, known in zip(shown.lines[1:], servers_of(server, "two"), strict=False):
        assert known["name"] in line
        assert known["address"] in line
        assert "failed" in line
        assert line.endswith(known["uid"][:8])
    assert shown.lines[-1].startswith("2 servers  ")


def test_servers_in_a_pipe(server: SandboxServer, access: Mapping[str, str], terminal: Terminal) -> None:
    done = terminal.run("servers", "-s", "one", "--columns", "uid,private-address,user", environment=access)
    known = servers_of(server, "one")[0]
    assert done.stdout.splitlines()[1].split() == [known["uid"], known["int_ipv4"], known["user_name"]]


@pytest.mark.parametrize("columns", [80, 120])
def test_ssh_info(server: SandboxServer, access: Mapping[str, str], terminal: Terminal, columns: int) -> None:
    first, second = servers_of(server, "two")
    before = server.fake.calls("servers.get")
    shown = run_on_terminal(columns, "ssh-info", "two", environment=access)
    assert max(map(len, shown.lines)) <= columns
    assert f"ssh {first['user_name']}@{first['address']}" in shown.text
    assert f"ssh {second['user_name']}@{second['address']}" in shown.text
    done = terminal.run("ssh-info", "two", second["name"], "--json", environment=access)
    assert json.loads(done.stdout)["command"] == f"ssh {second['user_name']}@{second['address']}"
    assert server.fake.calls("servers.get") == before  # no key was requested


def test_private_key_is_saved_for_its_owner_only_and_never_printed(
    access: Mapping[str, str], terminal: Terminal
) -> None:
    path = terminal.home / "key"
    done = terminal.run("ssh-info", "one", "--key", str(path), "--debug", environment=access)
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith(KEY)
    assert path.read_text().endswith("-----\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"ssh -i {path} " in done.stdout
    secret = path.read_text().splitlines()[1]
    assert secret not in done.stdout + done.stderr
    assert [found.name for found in terminal.home.iterdir() if "key" in found.name] == ["key"]


def test_an_existing_file_is_not_replaced_without_being_asked(
    server: SandboxServer, access: Mapping[str, str], terminal: Terminal
) -> None:
    path = terminal.home / "key"
    path.write_text("mine")
    path.chmod(0o644)
    before = server.request_count
    done = terminal.run("ssh-info", "one", "--key", str(path), environment=access)
    assert done.returncode == 2
    assert "--yes is required to " in done.stderr
    with on_terminal(80, "ssh-info", "one", "--key", str(path), environment=access, home=terminal.home) as typed:
        typed.wait_for("[y/N]")
        typed.type("n\n")
        assert typed.exit_code() == 1
    assert (path.read_text(), server.request_count) == ("mine", before)
    assert terminal.run("ssh-info", "one", "--key", str(path), "--yes", environment=access).returncode == 0
    assert path.read_text().startswith(KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_replaced_and_not_followed(access: Mapping[str, str], terminal: Terminal) -> None:
    other, link = terminal.home / "other", terminal.home / "link"
    other.write_text("other")
    link.symlink_to(other)
    assert terminal.run("ssh-info", "one", "--key", str(link), "-y", environment=access).returncode == 0
    assert other.read_text() == "other"
    assert not link.is_symlink()


def test_where_no_key_can_be_saved(access: Mapping[str, str], terminal: Terminal) -> None:
    several = terminal.run("ssh-info", "two", "--key", "key", environment=access)
    assert several.returncode == 2
    assert "--key needs the name of one server" in several.stderr
    nowhere = terminal.run("ssh-info", "one", "--key", "missing/key", environment=access)
    assert nowhere.returncode == 2
    assert "existing directory" in nowhere.stderr


@pytest.mark.parametrize(
    ("server", "command"),
    [
        (Server(uid="1", address="203.0.113.1", user_name="root"), "ssh root@203.0.113.1"),
        (Server(uid="1", dns_record="a.example.com"), "ssh a.example.com"),
        (
            Server(
                uid="1",
                user_name="ubuntu",
                ext_ipv4="203.0.113.1",
                int_ipv4="10.0.0.1",
                has_deploy_gateway=True,
                deploy_gateway_address="gate.example.com",
                deploy_gateway_user_name="jump",
            ),
            "ssh -J jump@gate.example.com ubuntu@10.0.0.1",
        ),
        (Server(uid="1", address="10.0.0.1", has_deploy_gateway=True), ""),
        (Server(uid="1"), ""),
        (Server(uid="1", address="-oProxyCommand=reboot"), ""),
        (Server(uid="1", address="host;reboot"), ""),
        (Server(uid="1", address="host", user_name="$(reboot)"), ""),
    ],
)
def test_ssh_command(server: Server, command: str) -> None:
    assert ssh_command(server) == command


def test_ssh_command_with_a_key() -> None:
    assert ssh_command(Server(uid="1", address="a"), Path("my key")) == "ssh -i 'my key' a"
