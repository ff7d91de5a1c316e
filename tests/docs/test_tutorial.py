"""The steps of the tutorial, and the programs of the first page, do what the pages say."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from cloud66_async.integrations.starlette import WebLogin
from cloud66_async.sandbox import FakeCloud66

from .examples import ROOT, blocks

EXAMPLES = ROOT / "docs" / "examples"
URL = "https://example.com"
CALLBACK = f"{URL}/callback"


@asynccontextmanager
async def logged_in(step: str, fake: FakeCloud66) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve one step, and yield a browser whose user has logged in."""
    application = fake.add_application(redirect_urls=[CALLBACK])
    login = WebLogin(
        client_id=application.client_id,
        client_secret=application.client_secret,
        redirect_url=CALLBACK,
        scope=["public", "redeploy"],
        transport=fake.transport(),
    )
    transport = httpx.ASGITransport(importlib.import_module(step).create_app(login))
    async with login.lifespan(), httpx.AsyncClient(transport=transport, base_url=URL) as browser:
        start = await browser.get("/")
        assert start.headers["location"] == "/login?next=%2F"
        consent = await browser.get(start.headers["location"])
        await browser.get(await fake.consent(consent.headers["location"]))
        yield browser


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCloud66:
    monkeypatch.setattr("sys.path", [str(EXAMPLES / "service"), *sys.path])
    fake = FakeCloud66()
    fake.seed(40)
    return fake


async def test_step_1_counts_the_stacks(fake: FakeCloud66) -> None:
    async with logged_in("step1", fake) as browser:
        assert (await browser.get("/")).text == "<h1>40 stacks</h1>"


async def test_step_2_shows_the_stacks(fake: FakeCloud66) -> None:
    fake.add_stack("<b>", environment="qa")
    async with logged_in("step2", fake) as browser:
        page = (await browser.get("/")).text
        # The rows that the page of the tutorial shows.
        assert "<tr><td>billing-web<td>production<td>deployment failed<td>failed<tr>" in page
        assert "<tr><td>billing-web<td>staging<td>deployed<td>healthy<tr>" in page
        assert page.count("<tr>") == 41
        assert "<td>&lt;b&gt;<td>qa" in page
        assert "staging" not in (await browser.get("/?environment=production")).text


async def test_step_3_counts_servers_with_one_request_each(fake: FakeCloud66) -> None:
    async with logged_in("step3", fake) as browser:
        page = (await browser.get("/")).text
    assert page.count("<tr>") == 40
    assert "<tr><td>billing-web<td>production<td>failed<td>1<tr>" in page
    assert fake.calls("stacks.list") + fake.calls("servers.list") == 42  # 2 pages of stacks


async def test_step_4_redeploys_and_follows(fake: FakeCloud66) -> None:
    async with logged_in("step4", fake) as browser:
        assert (await browser.get("/")).text.count("<button>Redeploy</button>") == 40
        page = await browser.post(f"/redeploy/{next(iter(fake.world.stacks))}", follow_redirects=True)
        assert page.headers["refresh"] == "3"
        fake.clock.advance(60)
        assert "Completed successfully" in (await browser.get(page.url)).text


def output(program: str) -> str:
    """Return what a program prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOUD66_")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "start" / program)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("program", ["first.py", "second.py"])
def test_page_shows_the_output_of_the_programs(program: str) -> None:
    lines = list(dict.fromkeys(output(program).splitlines()))  # some are repeated
    shown = [block.text.splitlines() for block in blocks(ROOT / "docs" / "start.md", "text")]
    assert lines in shown
