"""Tests that run every Python example of the README and the pages against a sandbox on a local port."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import cloud66_async
from cloud66_async import Cloud66, Cloud66OAuth2Client, Login
from cloud66_async.clock import SystemClock
from cloud66_async.integrations.sealing import new_key
from cloud66_async.sandbox import FakeCloud66, SandboxServer, consent

from .examples import PAGES, ROOT, blocks, run

# Number of blocks that are not run. Each is marked on its page with the reason.
NOT_RUN = 0
REDIRECT = "https://example.com/callback"
# Packages that pages need in addition to those of the tests.
PACKAGES = {
    "processes": ("redis", "sqlalchemy", "aiosqlite"),
    "cluster": ("distributed", "redis", "sqlalchemy", "aiosqlite", "asyncpg"),
}


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
    """The names that examples use: the public names, an open client `c66`, and the uids of its stacks."""
    token = server.fake.add_token()
    monkeypatch.setenv("CLOUD66_URL", server.url)
    monkeypatch.setenv("CLOUD66_ACCESS_TOKEN", token.reveal())
    monkeypatch.setenv("CLOUD66_STORE_KEY", new_key())
    monkeypatch.setattr(SystemClock, "sleep", _sleep_briefly)
    names: dict[str, Any] = {name: getattr(cloud66_async, name) for name in cloud66_async.__all__}
    names |= {"FakeCloud66": FakeCloud66, "uids": [*server.fake.world.stacks][:40]}

    def paste(_prompt: str) -> Any:
        return names["callback"]

    names |= {"input": paste, "ask_for_code": _ask_for_code}
    monkeypatch.setattr("sys.path", [str(ROOT / "docs" / "examples" / "service"), *sys.path])  # the tutorial tests it
    monkeypatch.chdir(tmp_path)
    names["c66"] = Cloud66()
    yield names
    await _close_clients(names)


async def _sleep_briefly(_clock: SystemClock, seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.02))


async def _give_consent(names: dict[str, Any]) -> None:
    """Give consent for a login that the example started, and set `callback`. Also remember the open clients."""
    opened = names.setdefault("_opened", {})
    opened |= {id(value): value for value in names.values() if isinstance(value, Cloud66 | Cloud66OAuth2Client)}
    login = names.get("login")
    if isinstance(login, Login) and names.get("_consented") is not login:
        names["_consented"] = login
        names["callback"] = await consent(login.url)


async def _close_clients(names: dict[str, Any]) -> None:
    """Close every client that an example left open, even if its name now refers to another."""
    await _give_consent(names)
    for client in names["_opened"].values():
        await client.aclose()


async def _ask_for_code(url: str) -> str:
    """Return the code that the page shows to a user who gives consent."""
    return parse_qs(urlsplit(await consent(url)).query)["code"][0]


def _fixture(name: str) -> object:
    """Return a new fixture for a test of an example."""
    return {"cloud66": FakeCloud66}[name]()


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
async def test_examples_of_a_page_run_in_order(
    page: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for package in PACKAGES.get(page.stem, ()):
        pytest.importorskip(package, reason="the page needs cloud66-async[redis,postgres,dask]")
    for block in blocks(page, "python"):
        if block.runs:
            await run(block, names, after=_give_consent, fixture=_fixture)
    assert "Traceback" not in capsys.readouterr().err


def test_examples_that_do_not_run_are_few_and_marked() -> None:
    found = [block for page in PAGES for block in blocks(page, "python")]
    assert len(found) > 20
    assert [block for block in found if not block.runs][NOT_RUN:] == []
    assert sum(not block.runs for block in found) == NOT_RUN


def test_commands_on_the_pages_are_valid() -> None:
    from cloud66_async.cli.app import app

    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.text.splitlines()]
    calls = [line for line in lines if line.startswith("cloud66-async ") and "--help" not in line]
    assert len(calls) > 5
    for line in calls:
        command, _bound, _ignored = app.parse_args(
            shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False
        )
        assert command.__module__.startswith("cloud66_async.cli."), line


def test_ci_runs_the_commands_of_the_readme() -> None:
    commands = [line for block in blocks(ROOT / "README.md", "bash") for line in block.text.splitlines()]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    patterns = re.findall(r"in_copy '([^']+)'", script)
    for pattern in patterns:
        assert len([line for line in commands if re.search(pattern, line)]) == 1, pattern
    environments = [line for line in commands if line.startswith("python3 -m venv")]
    assert len(environments) == len(patterns)
