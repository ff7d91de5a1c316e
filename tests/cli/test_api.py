"""The command `api`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, run_on_terminal


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as running:
        running.fake.seed(35)
        yield running


@pytest.fixture(scope="module")
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


@pytest.fixture(scope="module")
def uid(server: SandboxServer) -> str:
    return next(iter(server.fake.world.stacks))


@pytest.mark.parametrize("path", ["/stacks/{}.json", "stacks/{}.json", "/api/3/stacks/{}.json"])
def test_body_is_printed_as_it_came(terminal: Terminal, access: Mapping[str, str], uid: str, path: str) -> None:
    done = terminal.run("api", "get", path.format(uid), environment=access)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["response"]["uid"] == uid
    assert len(done.stdout.splitlines()) == 1


def test_body_is_indented_on_a_terminal(access: Mapping[str, str], uid: str) -> None:
    shown = run_on_terminal(80, "api", "GET", f"/stacks/{uid}.json", environment=access)
    assert shown.exit_code == 0
    assert shown.lines[:3] == ["{", '  "response": {', f'    "uid": "{uid}",']


def test_all_pages_are_printed_as_lines(terminal: Terminal, server: SandboxServer, access: Mapping[str, str]) -> None:
    one = terminal.run("api", "GET", "/stacks.json", environment=access)
    assert len(json.loads(one.stdout)["response"]) == 30
    done = terminal.run("api", "GET", "/stacks.json", "--paginate", environment=access)
    assert done.returncode == 0
    assert [json.loads(line)["uid"] for line in done.stdout.splitlines()] == list(server.fake.world.stacks)


def test_fields_of_a_read_are_its_query(terminal: Terminal, server: SandboxServer, access: Mapping[str, str]) -> None:
    done = terminal.run("api", "GET", "/stacks.json?page=1", "-F", "environment=x y", "-i", environment=access)
    assert done.returncode == 0
    head, _, body = done.stdout.partition("\n\n")
    assert head.splitlines()[0] == "HTTP 200"
    assert "content-type: application/json; charset=utf-8" in head.splitlines()
    assert json.loads(body)["response"] is not None
    assert set(server.fake.requests[-1].parameters) == {"page", "environment"}


def test_change_says_what_it_does_before_it_does_it(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str], uid: str
) -> None:
    path = f"/stacks/{uid}/deployments.json"
    done = terminal.run("api", "POST", path, "--field", "git_ref=12a", "-F", "canary_percentage=12", environment=access)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["response"]["ok"] is True
    assert done.stderr == f"POST {path}: Start a deployment (stacks.redeploy)\n"
    assert server.fake.requests[-1].parameters == {"stack": uid, "git_ref": "12a", "canary_percentage": 12}


def test_body_from_standard_input_or_a_file(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str], uid: str
) -> None:
    path = f"/stacks/{uid}/deployments.json"
    done = terminal.run("api", "POST", path, "--input", "-", stdin='{"git_ref": "secret"}', environment=access)
    assert done.returncode == 0, done.stderr
    assert server.fake.requests[-1].parameters == {"stack": uid, "git_ref": "secret"}
    file = terminal.home / "body.json"
    file.write_text('{"git_ref": "broken')
    broken = terminal.run("api", "POST", path, "--input", str(file), environment=access)
    assert broken.returncode == 2
    assert broken.stderr == f"error: invalid JSON in {str(file)!r}\n"


def test_refusal_is_printed_and_the_exit_code_is_1(terminal: Terminal, access: Mapping[str, str], uid: str) -> None:
    done = terminal.run("api", "POST", f"/stacks/{uid}/firewalls.json", "-F", "from_ip=1.2.3.4", environment=access)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "bad_request"
    assert "error: Cloud 66 answered 400: Missing parameters: port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["FETCH", "/x.json"], 'no HTTP method is called "FETCH"'),
        (["GET", "https://elsewhere.example/x"], "the path must not contain a host"),
        (["GET", "//elsewhere.example/x"], "the path must not contain a host"),
        (["GET", "/a/../b.json"], "invalid path"),
        (["GET", "/x.json", "-F", "novalue"], 'invalid --field "novalue": expected name=value'),
        (["GET", "/x.json", "--input", "-"], "--input does not go with GET"),
        (["POST", "/x.json", "--paginate"], "--paginate is for GET"),
    ],
)
def test_request_that_cannot_be_sent(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str], arguments: list[str], error: str
) -> None:
    before = len(server.fake.requests)
    done = terminal.run("api", *arguments, environment=access)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {error}")
    assert len(server.fake.requests) == before
