"""Every Python example of the README and of the pages runs, against a sandbox on a port of this machine."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import cloud66_async
from cloud66_async import Cloud66, Cloud66OAuth2Client, Login
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.sandbox.oauth.browser import consent

from .examples import PAGES, ROOT, blocks, run

# Blocks that are shown and not run, each marked on its page with the reason.
NOT_RUN = 0
REDIRECT = "https://example.com/callback"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    fake = FakeCloud66(clock=SystemClock(), action_seconds=0.01)
    fake.seed(70)
    fake.add_stack("web", environment="production")
    fake.add_application(redirect_urls=["http://127.0.0.1/callback"])
    fake.add_application(client_id="...", client_secret="...", redirect_urls=[REDIRECT])
    with SandboxServer(fake) as serving:
        yield serving


@pytest.fixture
async def names(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[dict[str, Any]]:
    """What the examples take for granted: the public names, an open client `c66`, the uids of its stacks."""
    token = server.fake.add_token()
    monkeypatch.setenv("CLOUD66_URL", server.url)
    monkeypatch.setenv("CLOUD66_ACCESS_TOKEN", token.reveal())
    monkeypatch.setattr(SystemClock, "sleep", _hurry)
    names: dict[str, Any] = {name: getattr(cloud66_async, name) for name in cloud66_async.__all__}
    names |= {"FakeCloud66": FakeCloud66, "uids": [*server.fake.world.stacks][:40]}

    def paste(_prompt: str) -> Any:
        return names["callback"]

    names |= {"input": paste, "ask_for_code": _bring_code}
    monkeypatch.chdir(tmp_path)
    names["c66"] = Cloud66()
    yield names
    await _leave(names)


async def _hurry(_clock: SystemClock, seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.02))


async def _follow(names: dict[str, Any]) -> None:
    """Press the button of each login that an example began; where that leads is its `callback`."""
    opened = names.setdefault("_opened", {})
    opened |= {id(value): value for value in names.values() if isinstance(value, Cloud66 | Cloud66OAuth2Client)}
    login = names.get("login")
    if isinstance(login, Login) and names.get("_consented") is not login:
        names["_consented"] = login
        names["callback"] = await consent(login.url)


async def _leave(names: dict[str, Any]) -> None:
    """Close every client that an example left open, also where its name was taken by another."""
    await _follow(names)
    for client in names["_opened"].values():
        await client.aclose()


async def _bring_code(url: str) -> str:
    """The code that the user is shown who consents, where there is no redirect."""
    return parse_qs(urlsplit(await consent(url)).query)["code"][0]


def _fixture(name: str) -> object:
    """What the example's tests ask for, new for each."""
    return {"cloud66": FakeCloud66}[name]()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
async def test_the_examples_of_a_page_run_one_after_the_other(
    page: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for block in blocks(page, "python"):
        if block.runs:
            await run(block, names, after=_follow, fixture=_fixture)
    assert "Traceback" not in capsys.readouterr().err


def test_examples_that_are_not_run_are_few_and_marked() -> None:
    found = [block for page in PAGES for block in blocks(page, "python")]
    assert len(found) > 20
    assert [block for block in found if not block.runs][NOT_RUN:] == []
    assert sum(not block.runs for block in found) == NOT_RUN


def test_the_commands_of_the_pages_are_commands_of_the_program() -> None:
    from cloud66_async.cli.app import app

    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.text.splitlines()]
    calls = [line for line in lines if line.startswith("cloud66-async ")]
    assert len(calls) > 5
    for line in calls:
        command, _bound, _ignored = app.parse_args(
            shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False
        )
        assert command.__module__ == "cloud66_async.cli.app", line


def test_ci_runs_the_commands_of_the_readme() -> None:
    commands = [line for block in blocks(ROOT / "README.md", "bash") for line in block.text.splitlines()]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    patterns = [line.split("'")[1] for line in script.splitlines() if line.startswith('step "README: ')]
    import re

    for pattern in patterns:
        assert len([line for line in commands if re.search(pattern, line)]) == 1, pattern
    environments = [line for line in commands if line.startswith("python3 -m venv")]
    assert len(environments) == len(patterns)
