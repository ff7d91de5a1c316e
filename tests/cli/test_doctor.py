"""The command `doctor`."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .answers import answering
from .conftest import Terminal
from .terminal import access_to, run_on_terminal

CHECKS = ["address", "name", "proxy", "connect", "tls", "clock", "token", "account", "scopes", "quota"]
PONG = b'{"response":{"ok":true,"message":"pong"}}'


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.add_stack("web", servers=1)
        yield running


@pytest.fixture(scope="module")
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


def checked(terminal: Terminal, environment: Mapping[str, str], code: int, *options: str) -> dict[str, dict[str, str]]:
    """Return the results of the command by check."""
    done = terminal.run("doctor", "--json", *options, environment=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["check"] for result in results] == CHECKS
    for result in results:
        assert result["state"] in ("ok", "failed", "skipped")
        assert bool(result["remedy"]) is (result["state"] == "failed")
    return {result["check"]: result for result in results}


def failures(results: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [name for name, result in results.items() if result["state"] == "failed"]


@pytest.mark.parametrize("columns", [80, 120])
def test_healthy_connection_on_a_terminal(server: SandboxServer, access: Mapping[str, str], columns: int) -> None:
    shown = run_on_terminal(columns, "doctor", environment=access)
    assert shown.exit_code == 0
    assert [line.split()[1] for line in shown.lines] == CHECKS
    assert max(map(len, shown.lines)) <= columns
    assert "\x1b[32mok     \x1b[0m  token    accepted: CLOUD66_ACCESS_TOKEN" in shown.raw
    assert "Acme (id 1), as ada@example.com" in shown.text
    assert access["CLOUD66_ACCESS_TOKEN"][:-4] not in shown.raw
    without = run_on_terminal(columns, "doctor", environment={**access, "NO_COLOR": "1"})
    assert "\x1b[3" not in without.raw


def test_healthy_connection_costs_two_requests(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str]
) -> None:
    before = server.fake.calls()
    assert failures(checked(terminal, access, 0)) == []
    assert server.fake.calls() == before + 2


def test_tls_and_its_roots(terminal: Terminal) -> None:
    with SandboxServer(FakeCloud66(clock=SystemClock()), tls=True) as secure:
        environment = {**access_to(secure), "SSL_CERT_FILE": str(secure.ca_file)}
        results = checked(terminal, environment, 0)
        assert re.match(r"TLSv1\.\d, certificate valid until .* GMT; 1 roots? in ", results["tls"]["text"])
        del environment["SSL_CERT_FILE"]
        untrusted = checked(terminal, environment, 1)
    assert failures(untrusted) == ["tls"]
    assert "certificate verify failed" in untrusted["tls"]["text"]
    assert "SSL_CERT_FILE" in untrusted["tls"]["remedy"]
    assert untrusted["token"]["text"].endswith("no connection")


def test_server_without_tls(terminal: Terminal, server: SandboxServer, access: Mapping[str, str]) -> None:
    results = checked(terminal, {**access, "CLOUD66_URL": server.url.replace("http:", "https:")}, 1)
    assert failures(results) == ["tls"]
    assert "does not speak TLS" in results["tls"]["remedy"]


def test_address_that_is_not_valid(terminal: Terminal, access: Mapping[str, str]) -> None:
    results = checked(terminal, {**access, "CLOUD66_URL": "ftp://cloud66.example"}, 1)
    assert failures(results) == ["address"]
    assert "CLOUD66_URL" in results["address"]["remedy"]


def test_name_that_is_not_known(terminal: Terminal, access: Mapping[str, str]) -> None:
    results = checked(terminal, {**access, "CLOUD66_URL": "https://nowhere.invalid"}, 1)
    assert failures(results) == ["name"]
    assert results["name"]["text"].startswith("nowhere.invalid: ")


def test_port_at_which_nothing_listens(terminal: Terminal, access: Mapping[str, str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # without listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        results = checked(terminal, {**access, "CLOUD66_URL": url}, 1)
    assert failures(results) == ["connect"]
    assert results["connect"]["text"].endswith(": connection refused")


def test_proxy_is_named_without_its_password(terminal: Terminal, access: Mapping[str, str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        environment = {**access, "CLOUD66_URL": "https://c66.example", "HTTPS_PROXY": f"http://u:pass@127.0.0.1:{port}"}
        results = checked(terminal, environment, 1)
    assert failures(results)[0] == "proxy"
    assert results["proxy"]["text"] == f"127.0.0.1:{port}: connection refused"
    assert "pass" not in json.dumps(results)


@pytest.mark.parametrize(("minutes", "text"), [(-10, "ahead of"), (10, "behind")])
def test_clock_that_is_wrong(terminal: Terminal, minutes: int, text: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    with answering(PONG, {"Date": date}) as url:
        results = checked(terminal, {"CLOUD66_URL": url, "CLOUD66_ACCESS_TOKEN": "t"}, 1)
    assert failures(results) == ["clock"]
    assert re.fullmatch(rf"(59|60)\d s {text} the server", results["clock"]["text"])


def test_missing_and_refused_login(terminal: Terminal, server: SandboxServer) -> None:
    missing = checked(terminal, {"CLOUD66_URL": server.url}, 3)
    assert failures(missing) == ["token"]
    assert missing["token"]["remedy"] == "Log in: cloud66-async login"
    refused = checked(terminal, {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": "a-token-that-is-unknown"}, 3)
    assert failures(refused) == ["token"]
    assert refused["token"]["remedy"] == "Correct or unset CLOUD66_ACCESS_TOKEN"
    assert "a-token-that-is" not in json.dumps(refused)


def test_quota_that_is_used_up(terminal: Terminal) -> None:
    headers = {"X-RateLimit-Limit": "3600", "X-RateLimit-Remaining": "0"}
    with answering(PONG, headers) as url:
        results = checked(terminal, {"CLOUD66_URL": url, "CLOUD66_ACCESS_TOKEN": "t"}, 4)
    assert failures(results) == ["quota"]
    assert results["quota"]["text"].startswith("0 of 3,600 requests left until ")


def test_shapes_read_one_of_everything(terminal: Terminal, server: SandboxServer, access: Mapping[str, str]) -> None:
    before = len(server.fake.requests)
    done = terminal.run("doctor", "--shapes", "--json", environment=access)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"GET /stacks.json", "GET /stacks/{stack}.json", "GET /stacks/{stack}/servers/{server}.json"} <= set(
        found["operations"]
    )
    for name, differences in found["operations"].items():
        assert differences["unknown_fields"] == differences["other_types"] == {}, name
    sent = server.fake.requests[before:]
    announced = re.fullmatch(r"Reads one of everything: at most (\d+) requests of the .* this hour\n", done.stderr)
    assert announced is not None
    assert 40 < len(sent) <= int(announced[1]) + 1  # and one to see that the token is accepted
    assert not any(request.is_write for request in sent)
    used = {operation for request in sent for operation in request.operations}
    assert not used & {"accounts.get_otp", "sessions.fetch", "backup_files.get", "queues.pop"}
    stack = next(iter(server.fake.world.stacks.values()))
    for value in (stack.uid, stack.servers[0]["address"], "ada@example.com", "web"):
        assert f'"{value}"' not in done.stdout


def test_shapes_with_few_scopes_as_text(terminal: Terminal, server: SandboxServer) -> None:
    token = server.fake.add_token(scopes=["public"]).reveal()
    done = terminal.run("doctor", "--shapes", environment={"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": token})
    assert done.returncode == 0, done.stderr
    assert "GET /stacks/{stack}/servers.json: 1 response" in done.stdout
    assert "/stacks/{stack}/environments.json" not in done.stdout
    assert "403" not in done.stdout


def test_shapes_with_too_little_quota(terminal: Terminal) -> None:
    headers = {"X-RateLimit-Limit": "3600", "X-RateLimit-Remaining": "5"}
    with answering(PONG, headers) as url:
        done = terminal.run("doctor", "--shapes", environment={"CLOUD66_URL": url, "CLOUD66_ACCESS_TOKEN": "t"})
    assert (done.returncode, done.stdout) == (4, "")
    assert "the hourly quota does not suffice" in done.stderr
