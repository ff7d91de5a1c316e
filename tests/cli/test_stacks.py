"""The commands `stacks`, `stack` and `open`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest

from cloud66_async import Cloud66
from cloud66_async.cli.exits import USAGE, CommandError
from cloud66_async.cli.lookup.selection import Selection, Sort, sort_stacks
from cloud66_async.clock import SystemClock
from cloud66_async.resources.common import Health
from cloud66_async.resources.stacks import Stack, StackStatus
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from .conftest import Terminal
from .terminal import access_to, run_on_terminal


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock(), action_seconds=3600.0)) as running:
        running.fake.seed(90)
        running.fake.add_stack("idle", environment="staging", fields={"fqdn": None, "application_address": None})
        running.fake.add_stack(
            "site", servers=2, fields={"fqdn": "site.example.com", "application_address": None}, health="impaired"
        )
        yield running


@pytest.fixture(scope="module")
def access(server: SandboxServer) -> Mapping[str, str]:
    return access_to(server)


@pytest.fixture
def fake() -> FakeCloud66:
    fake = FakeCloud66()
    fake.seed(90)
    return fake


@pytest.fixture
async def c66(fake: FakeCloud66) -> AsyncIterator[Cloud66]:
    async with fake.client() as client:
        yield client


# --- filters, order, limit -----------------------------------------------------------------------


FILTERS: list[tuple[Selection, Callable[[Stack], bool]]] = [
    (Selection(health="failed,impaired"), lambda stack: stack.health in (Health.FAILED, Health.IMPAIRED)),
    (Selection(status="deploy-failed"), lambda stack: stack.status is StackStatus.DEPLOYMENT_FAILED),
    (
        Selection(status="Deployment_Failed, deploying"),
        lambda stack: stack.status in (StackStatus.DEPLOYMENT_FAILED, StackStatus.DEPLOYING),
    ),
    (Selection(name="BILLING-*"), lambda stack: (stack.name or "").startswith("billing-")),
    (Selection(name="Billing-Web"), lambda stack: stack.name == "billing-web"),
    (
        Selection(environment="prod*", cloud="AWS"),
        lambda stack: (stack.environment, stack.cloud) == ("production", "aws"),
    ),
    (Selection(busy=True), lambda stack: bool(stack.is_busy)),
    (Selection(framework="rails"), lambda stack: stack.framework == "rails"),
    (
        Selection(git_branch="main", health="failed"),
        lambda stack: stack.git_branch == "main" and stack.health is Health.FAILED,
    ),
]


@pytest.mark.parametrize(("selection", "expected"), FILTERS)
async def test_filters(c66: Cloud66, selection: Selection, expected: Callable[[Stack], bool]) -> None:
    wanted = [stack.uid for stack in await c66.stacks.list() if expected(stack)]
    assert wanted
    assert [stack.uid async for stack in selection.stacks(c66)] == wanted


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(health="failed,sick"), "no health is called 'sick'"),
        (Selection(status="\x1b[1mlost"), r"no status is called '\[1mlost'"),
        (Selection(status=""), "no status is called ''"),
    ],
)
def test_unknown_words(selection: Selection, message: str) -> None:
    with pytest.raises(CommandError, match=message) as error:
        selection.test()
    assert error.value.code == USAGE
    assert error.value.advice[0].startswith("Known: ")


@pytest.mark.parametrize(
    ("selection", "limit", "found", "requests"),
    [
        (Selection(), 30, 30, 1),
        (Selection(), 31, 31, 2),
        (Selection(), None, 90, 3),
        (Selection(environment="production"), 5, 5, 1),
        (Selection(health="healthy"), 3, 3, 1),
    ],
)
async def test_limit_reads_no_more_pages_than_needed(
    fake: FakeCloud66, c66: Cloud66, selection: Selection, limit: int | None, found: int, requests: int
) -> None:
    assert len([stack async for stack in selection.stacks(c66, limit)]) == found
    assert fake.calls("stacks.list") == requests


async def test_order(c66: Cloud66) -> None:
    stacks = await c66.stacks.list()

    def sort(by: Sort | None, *, reverse: bool = False) -> list[Stack]:
        return sort_stacks(stacks, by, reverse=reverse)

    names = [(stack.name, stack.environment) for stack in stacks]
    assert [(stack.name, stack.environment) for stack in sort(None)] == sorted(names, key=str)
    healths = [stack.health for stack in sort("health")]
    assert list(dict.fromkeys(healths)) == [
        Health.FAILED,
        Health.IMPAIRED,
        Health.BUILDING,
        Health.UNKNOWN,
        Health.HEALTHY,
    ]
    assert sort("status")[0].status is StackStatus.DEPLOYMENT_FAILED
    times = [stack.last_activity for stack in sort("last-activity") if stack.last_activity]
    assert times == sorted(times, reverse=True)
    created = [stack.created_at for stack in sort("created", reverse=True) if stack.created_at]
    assert created == sorted(created)
    assert sort_stacks([Stack(uid="b"), Stack(uid="a")], "created")[0].uid == "a"


def test_limit_sort_and_footer(access: Mapping[str, str], terminal: Terminal) -> None:
    first = run_on_terminal(80, "stacks", "--limit", "5", environment=access)
    assert len(first.lines) == 7
    assert first.lines[-1].startswith("First 5 stacks  ")
    worst = run_on_terminal(80, "stacks", "--limit", "2", "--sort", "health", environment=access)
    assert all(" failed " in line for line in worst.lines[1:3])
    assert worst.lines[-1].startswith("2 of 92 stacks  ")
    last = terminal.run("stacks", "--sort", "name", "--reverse", "--json", "--limit", "1", environment=access)
    assert json.loads(last.stdout)["name"] == "site"


def test_listing_stacks_imports_neither_rich_console_nor_an_http_library(access: Mapping[str, str]) -> None:
    program = """
import sys
sys.argv = ["cloud66-async", "stacks"]
from cloud66_async.cli import main
main()
print(sorted({"rich.console", "rich.table", "httpx", "httpx2", "authlib", "anyio"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={**access}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# --- stack ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_stack_on_a_terminal(server: SandboxServer, access: Mapping[str, str], columns: int) -> None:
    shown = run_on_terminal(columns, "stack", "site/production", environment=access)
    assert shown.exit_code == 0
    assert max(map(len, shown.lines)) <= columns
    details, _, servers = shown.text.partition("\n\n")
    assert dict(line.split(None, 1) for line in details.splitlines())["Health"] == "impaired"
    assert "Address    site.example.com" in details
    assert servers.startswith("NAME ")
    assert "2 servers" in servers
    assert server.fake.world.stacks.keys() & {*shown.text.split()}


def test_stack_as_json(access: Mapping[str, str], terminal: Terminal) -> None:
    done = terminal.run("stack", "site", "--json", environment=access)
    data = json.loads(done.stdout)
    assert (data["name"], data["health"], len(data["servers"])) == ("site", "impaired", 2)
    assert "latest_deployment" in data
    assert "hooks.cloud66" not in done.stdout  # the hook redeploys the stack without a login


# --- open ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (("site",), "http://site.example.com"),
        (("site", "--dashboard"), "{url}/stacks/{uid}"),
    ],
)
def test_open_prints_without_a_terminal(
    terminal: Terminal, server: SandboxServer, access: Mapping[str, str], arguments: tuple[str, ...], address: str
) -> None:
    uid = next(stack.uid for stack in server.fake.world.stacks.values() if stack.name == "site")
    done = terminal.run("open", *arguments, environment=access)
    assert (done.returncode, done.stdout) == (0, f"{address.format(url=server.url, uid=uid)}\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_open_starts_a_browser_on_a_terminal(terminal: Terminal, access: Mapping[str, str], columns: int) -> None:
    opened = terminal.home / "opened"
    browser = {**access, "BROWSER": f"sh -c 'echo $CLOUD66_ACCESS_TOKEN %s > {opened}'"}
    run = run_on_terminal(columns, "open", "site", environment=browser, home=terminal.home)
    assert (run.exit_code, run.lines) == (0, ["Opening http://site.example.com"])
    assert opened.read_text() == "http://site.example.com\n"  # without the token
    opened.unlink()
    for more, options in (({"CI": "true"}, ()), ({}, ("--print",))):
        run = run_on_terminal(columns, "open", "site", *options, environment={**browser, **more}, home=terminal.home)
        assert run.lines == ["http://site.example.com"]
    assert not opened.exists()


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "-remote-debugging-port=1",
        "https://user@example.com/",
        "http://exa mple.com",
        "http://[",
        "http://example.com:99999",
        "ssh://example.com",
    ],
)
def test_open_refuses_what_is_no_address_of_a_site(address: str) -> None:
    from cloud66_async.cli.commands.open_site import _site

    with pytest.raises(CommandError, match="not the address of a web site"):
        _site(Stack(uid="1", name="web", application_address=address))


def test_open_without_an_address(terminal: Terminal, access: Mapping[str, str]) -> None:
    done = terminal.run("open", "idle/staging", environment=access)
    assert done.returncode == 1
    assert done.stderr == (
        "error: idle/staging has no address yet\n"
        "  Its page in the dashboard: cloud66-async open idle/staging --dashboard\n"
    )
