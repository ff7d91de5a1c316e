"""The command `redeploy`: of one stack and of many, in a pipe and on a terminal."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud66_async import Action, ActionUnfinished, QuotaError, RolloutState
from cloud66_async.cli.work.rollouts import new_path
from cloud66_async.cli.work.tasks import Task, code_of
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import PROGRAM, TIMEOUT, Terminal

pytest.importorskip("termios")

from .terminal import access_to, on_terminal, run_on_terminal

REDEPLOY = "stacks.redeploy"


@pytest.fixture
def server() -> SandboxServer:
    """Return a server that is not started, so that a test can choose how long deployments take."""
    return SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=0.3))


def files(terminal: Terminal) -> Sequence[Path]:
    return sorted(terminal.home.glob("redeploy-*.json"))


# --- one stack -------------------------------------------------------------------------------------


def test_one_stack_needs_no_terminal_and_no_yes(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        server.fake.add_stack("web")
        done = terminal.run("redeploy", "web", environment=access_to(server))
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"web/production: succeeded \(took \d+s\)\n", done.stdout)
    (started,) = done.stderr.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\dZ web/production  started    action \d+", started)
    assert server.fake.calls(REDEPLOY) == 1
    assert not files(terminal)


def test_time_is_up(terminal: Terminal, server: SandboxServer) -> None:
    server.fake.world.action_seconds = 60
    with server:
        server.fake.add_stack("web")
        arguments = ("redeploy", "web", "--timeout", "2s", "--heartbeat", "1", "--account", "1")
        done = terminal.run(*arguments, environment=access_to(server))
    assert done.returncode == 5
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\dZ still waiting after 1s: 1 running", lines[1])
    problem = re.fullmatch(r"error: web/production: not finished after 2s; action (\d+) is still running", lines[-2])
    assert problem is not None
    assert lines[-1] == f"Keep waiting:  cloud66-async wait web/production --action {problem[1]} --account 1"


def test_options_reach_the_api(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        server.fake.add_stack("web", framework="docker")
        options = ("--service", "web,api:v2", "--services", "worker", "--deploy-strategy", "rolling")
        more = ("--rollout-strategy", "canary", "--canary-percentage", "10", "--deployment-profile", "quick")
        done = terminal.run("redeploy", "web", "--no-wait", *options, *more, environment=access_to(server))
    assert done.returncode == 0, done.stderr
    sent = dict(server.fake.requests[-1].parameters)
    del sent["user_reference"], sent["stack"]
    assert sent == {
        "services": ["web", "api:v2", "worker"],
        "deploy_strategy": "rolling",
        "rollout_strategy": "canary",
        "canary_percentage": 10,
        "deployment_profile": "quick",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "needs the name of a stack"),
        (("web", "api"), 2, "--yes is required to redeploy 2 stacks without a terminal"),
        (("missing",), 1, 'no stack is called "missing"'),
        (("we",), 1, 'no stack is called "we"'),
        (("web", "--timeout", "soon"), 2, "for example 90s, 15m"),
        (("web", "api", "--yes", "--at-once", "0"), 2, "sizes of waves"),
        (("web", "api", "--yes", "--no-wait", "--at-once", "1"), 2, "--no-wait"),
        (("--resume", "missing.json"), 1, "does not exist"),
        (("--resume", "missing.json", "web"), 2, "from the file"),
        (("web", "--retry-failed"), 2, "needs --resume"),
        (("web", "api", "--dry-run"), 0, "Would redeploy 2 stacks, 10 at a time"),
    ],
)
def test_nothing_is_started(
    terminal: Terminal, server: SandboxServer, arguments: tuple[str, ...], code: int, text: str
) -> None:
    with server:
        for name in ("web", "api"):
            server.fake.add_stack(name)
        done = terminal.run("redeploy", *arguments, environment=access_to(server))
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert server.fake.calls(REDEPLOY) == 0
    assert not files(terminal)


def test_refusal_says_why_and_what_to_do(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        server.fake.add_stack("web")
        token = server.fake.add_token(scopes=["public"]).reveal()
        done = terminal.run("redeploy", "web", environment={**access_to(server), "CLOUD66_ACCESS_TOKEN": token})
    assert done.returncode == 1
    assert re.search(
        r"^error: web/production: failed: this .*token lacks the scope .redeploy", done.stderr, re.MULTILINE
    )
    assert "--scope" in done.stderr.splitlines()[-1]


def test_output_that_cannot_be_written_does_not_end_the_work(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        for name in ("web", "api"):
            server.fake.add_stack(name)
        script = f"{shlex.join([*PROGRAM, 'redeploy', 'web', 'api', '--at-once', '1', '--yes', '--json'])} >/dev/full"
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env={**terminal.environment, **access_to(server)},
            cwd=terminal.home,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count('"state":"succeeded"') == 2, "the report goes to standard error"
    assert server.fake.calls(REDEPLOY) == 2


# --- several stacks --------------------------------------------------------------------------------


def test_failed_stack_is_deployed_again_with_retry_failed(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        for name in ("web", "api", "mail"):
            server.fake.add_stack(name)
        server.fake.faults.action_fails(message="50% of the\nmigrations | failed")
        github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_OUTPUT": "outputs"}
        environment = {**access_to(server), **github}
        failed = terminal.run("redeploy", "web", "api", "mail", "--at-once", "1,2", "--yes", environment=environment)
        assert failed.returncode == 1
        assert failed.stdout == "3 stacks: 1 failed, 2 not started\n"
        (path,) = files(terminal)
        assert f"Try again:  cloud66-async redeploy --resume {path.name} --retry-failed" in failed.stderr
        command = r"^::error title=web/production::failed after \ds: 50%25 of the migrations \| failed$"
        assert re.search(command, failed.stderr, re.MULTILINE)
        assert re.search(r"result=failed\naction-ids=\d+\n", (terminal.home / "outputs").read_text())
        summary = (terminal.home / "summary.md").read_text()
        assert re.search(r"\| web/production \| failed \| \d+ \| \ds \| 50% of the migrations \\\| failed \|", summary)
        assert "| api/production | not started |" in summary
        again = terminal.run("redeploy", "--resume", path.name, "--retry-failed", "--quiet", environment=environment)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert server.fake.calls(REDEPLOY) == 4
    assert not files(terminal)


def test_started_stacks_are_waited_for_and_not_deployed_again(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        for name in ("web", "api"):
            server.fake.add_stack(name)
        environment = access_to(server)
        started = terminal.run("redeploy", "web", "api", "--no-wait", "-y", environment=environment)
        assert started.returncode == 0, started.stderr
        assert started.stdout == "2 stacks: 2 running\n"
        (path,) = files(terminal)
        assert f"Keep waiting:  cloud66-async redeploy --resume {path.name}" in started.stderr
        done = terminal.run("redeploy", "--resume", path.name, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["name"]: one["state"] for one in found} == {
        "web/production": "succeeded",
        "api/production": "succeeded",
    }
    assert all(isinstance(one["action"], int) for one in found)
    assert server.fake.calls(REDEPLOY) == 2


def test_error_after_which_nothing_more_is_started(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        for name in ("web", "api"):
            server.fake.add_stack(name)
        server.fake.faults.revoke_token(operation=REDEPLOY)
        arguments = ("redeploy", "web", "api", "--at-once", "1", "--yes")
        done = terminal.run(*arguments, environment=access_to(server))
    assert done.returncode == 3, done.stderr
    assert "error: Cloud 66 does not accept this" in done.stderr
    assert "Not started: 2 stacks\n" in done.stderr
    (path,) = files(terminal)
    assert f"Start the rest:  cloud66-async redeploy --resume {path.name}\n" in done.stderr
    assert json.loads(path.read_text())["targets"][0]["uid"] in server.fake.world.stacks


def test_several_results_have_one_exit_code() -> None:
    stack = Action(id=1)
    failed, late = Task("a", "a", "a", RolloutState.FAILED), Task("b", "b", "b", RolloutState.UNFINISHED)
    late.error = ActionUnfinished("late", action=stack)
    waiting = Task("c", "c", "c", RolloutState.NOT_STARTED)
    throttled = QuotaError("no requests are left", retry_at=None)
    assert code_of([failed, late, waiting], throttled) == 1
    assert code_of([late, waiting], throttled) == 5
    assert code_of([waiting], throttled) == 4
    assert code_of([Task("d", "d", "d", RolloutState.UNFINISHED)], throttled) == 4
    assert code_of([Task("e", "e", "e", RolloutState.SUCCEEDED)]) == 0


def test_plan_of_the_rest(terminal: Terminal, server: SandboxServer) -> None:
    with server:
        for name in ("web", "api", "mail"):
            server.fake.add_stack(name)
        server.fake.faults.fail(422, operation=REDEPLOY)
        environment = access_to(server)
        terminal.run("redeploy", "web", "api", "mail", "--at-once", "1", "--yes", environment=environment)
        (path,) = files(terminal)
        arguments = ("redeploy", "--resume", path.name, "--dry-run")
        plain = terminal.run(*arguments, environment=environment)
        as_json = terminal.run(*arguments, "--retry-failed", "--json", environment=environment)
    assert plain.stdout == "api/production\nmail/production\n"
    assert "Would resume 2 stacks; nothing was started" in plain.stderr
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [(one["name"], one["state"]) for one in found] == [
        ("web/production", "queued"),
        ("api/production", "queued"),
        ("mail/production", "queued"),
    ]
    assert server.fake.calls(REDEPLOY) == 1


def test_file_has_a_name_of_its_own_in_a_directory_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, mode: int) -> bool:
        return not path or not mode

    monkeypatch.chdir(tmp_path)
    found: list[Path] = []
    for _ in range(3):
        path = new_path()
        assert path is not None
        assert not path.exists()
        path.touch()
        found.append(path)
    assert len(list(tmp_path.iterdir())) == len(found)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("os.access", refuse)  # the tests may run as root, who can write everywhere
    elsewhere = new_path()
    assert elsewhere is not None
    assert elsewhere.parent == tmp_path / "state" / "cloud66-async"
    assert elsewhere.parent.stat().st_mode & 0o077 == 0


# --- on a terminal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_board(server: SandboxServer, tmp_path: Path, columns: int) -> None:
    with server:
        for name in ("web", "search-api"):
            server.fake.add_stack(name)
        server.fake.faults.action_fails(message=f"Migration ended with 1 {'x' * 120}")
        names = ("web", "search-api")
        options = ("--yes", "--stop-after", "0")
        done = run_on_terminal(columns, "redeploy", *names, *options, environment=access_to(server), home=tmp_path)
    assert done.exit_code == 1
    shown = [line.rstrip() for line in done.text.splitlines() if not line.startswith(("error:", "Try"))]
    assert all(len(line) <= columns for line in shown), shown
    failed = re.search(r"✗ (\S+/production) +failed  Migration ended with 1 x+…? +\ds", done.text)
    assert failed is not None
    assert re.search(r"✓ \S+/production +succeeded +\ds", done.text)
    assert re.search(r"─ 2 stacks: 1 done, 1 failed ─+ \d+s · [\d,]+ left", done.text)
    assert re.search(rf"error: {failed[1]}: failed after \ds: Migration ended with 1 x{{120}}\n", done.text)


def test_board_has_no_more_lines_than_the_terminal(server: SandboxServer, tmp_path: Path) -> None:
    server.fake.world.action_seconds = 60
    names = [f"web-{number}" for number in range(8)]
    with server:
        for name in names:
            server.fake.add_stack(name)
        arguments = ("redeploy", *names, "--yes", "--at-once", "3", "--timeout", "1s", "--stop-after", "0")
        with on_terminal(80, *arguments, environment=access_to(server), home=tmp_path, rows=5) as terminal:
            assert terminal.exit_code() == 5
    frames = terminal.shown.partition("\x1b[?25h")[0].split("\x1b[2K")
    assert max(frame.count("\n") for frame in frames) < 5
    assert "8 stacks: 8 not ended; 5 more lines" in terminal.shown


def test_several_stacks_are_confirmed_by_their_number(server: SandboxServer, tmp_path: Path) -> None:
    with server:
        for name in ("web", "api"):
            server.fake.add_stack(name)
        for answer, code in (("y", 1), ("2", 0)):
            arguments = ("redeploy", "web", "api", "--no-wait")
            with on_terminal(80, *arguments, environment=access_to(server), home=tmp_path) as terminal:
                terminal.wait_for("Type 2 to confirm:")
                assert server.fake.calls(REDEPLOY) == 0
                terminal.type(f"{answer}\n")
                assert terminal.exit_code() == code
    assert server.fake.calls(REDEPLOY) == 2


def test_production_is_confirmed_and_other_environments_are_not(server: SandboxServer, tmp_path: Path) -> None:
    with server:
        server.fake.add_stack("web")
        server.fake.add_stack("web", environment="staging")
        environment = access_to(server)
        with on_terminal(80, "redeploy", "web/production", environment=environment, home=tmp_path) as terminal:
            terminal.wait_for("Redeploy web/production? [y/N]")
            terminal.type("n\n")
            assert terminal.exit_code() == 1
        assert server.fake.calls(REDEPLOY) == 0
        arguments = ("redeploy", "web", "-e", "staging", "--no-wait")
        done = run_on_terminal(80, *arguments, environment=environment, home=tmp_path)
    assert done.exit_code == 0
    assert server.fake.calls(REDEPLOY) == 1
