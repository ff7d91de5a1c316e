"""A web application in two uvicorn processes behind nginx, which sends them requests in turn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.integrations.sealing import KEY_VARIABLE
from cloud66_async.sandbox import FakeCloud66

from .servers import RedisServer, free_port, require_package, wait_for

for module in ("starlette", "fastapi", "uvicorn", "jinja2"):
    pytest.importorskip(module, reason=f"{module} is not installed; run: pip install 'cloud66-async[test]'")

from ..web.workers import UVICORN, Workers, running  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture(params=["redis", "sqlite", "postgresql"])
def sessions(request: pytest.FixtureRequest) -> str:
    """Return the URL of a session store."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    require_package("sqlalchemy", "sql")
    require_package("aiosqlite", "sql")
    return f"sqlite:///{request.getfixturevalue('tmp_path') / 'cloud66.db'}"


@pytest.fixture
async def browser(workers: Workers) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=workers.url, timeout=30) as client:
        yield client


async def log_in(browser: httpx.AsyncClient, fake: FakeCloud66) -> None:
    """Log in. nginx sends the callback to the other process than the start of the login."""
    started = await browser.get("/login")
    assert started.status_code == 303, started.text
    finished = await browser.get(await fake.consent(started.headers["location"]))
    assert finished.status_code == 303, finished.text
    assert started.headers["x-worker"] != finished.headers["x-worker"]


async def test_two_workers_serve_one_user(workers: Workers, sessions: str, browser: httpx.AsyncClient) -> None:
    workers.start(sessions)
    await log_in(browser, workers.fake)
    pages = [await browser.get("/stacks") for _ in range(10)]
    assert [page.status_code for page in pages] == [200] * 10
    assert all("web" in page.text for page in pages)
    names = [page.headers["x-worker"] for page in pages]
    assert sorted(map(names.count, set(names))) == [5, 5]
    assert workers.fake.calls("oauth.token") == 1

    session = browser.cookies["cloud66_session"]
    assert (await browser.post("/logout")).status_code == 303
    browser.cookies.set("cloud66_session", session, domain="127.0.0.1")  # as somebody who has copied the cookie
    refused = [await browser.get("/api/stacks") for _ in range(2)]
    assert [response.status_code for response in refused] == [401, 401]
    assert len({response.headers["x-worker"] for response in refused}) == 2

    browser.cookies.clear()
    await share_one_exchange(workers, browser)
    tokens = [issued.token.reveal() for issued in workers.fake.tokens]
    for text in (*tokens, workers.client_secret, workers.environment[KEY_VARIABLE], session):
        assert text not in workers.logs()
    assert "Traceback" not in workers.logs()


async def share_one_exchange(workers: Workers, browser: httpx.AsyncClient) -> None:
    """Send the callback of one login to both processes at the same time."""
    fake = workers.fake
    before = fake.calls("oauth.token")
    started = await browser.get("/login")
    callback = await fake.consent(started.headers["location"])
    fake.faults.slow(1, operation="oauth.token")
    requests = [browser.build_request("GET", callback) for _ in range(2)]
    sending = asyncio.gather(*map(browser.send, requests))
    while not fake.clock.sleepers:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)  # until the other one has arrived, which nothing reports
    fake.clock.advance(1)
    responses = await sending
    assert [response.status_code for response in responses] == [303, 303]
    assert len({response.headers["x-worker"] for response in responses}) == 2
    assert len({response.cookies["cloud66_session"] for response in responses}) == 1
    assert fake.calls("oauth.token") - before == 1
    pages = [await browser.get("/stacks") for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]


async def test_default_store_leads_to_an_error_page(workers: Workers, browser: httpx.AsyncClient) -> None:
    workers.start()
    await log_in(browser, workers.fake)
    page = await browser.get("/stacks", follow_redirects=True)
    assert page.status_code == 500
    assert "Your login was lost" in page.text
    assert workers.fake.calls("oauth.token") == 1
    assert "several processes need a shared store" in workers.logs()


async def test_public_application_needs_a_secret(
    workers: Workers, redis_server: RedisServer, browser: httpx.AsyncClient
) -> None:
    del workers.environment["TEST_CLIENT_SECRET"]
    workers.start(redis_server.patient_url, TEST_SECRET="the same in both processes")
    started = await browser.get("/login")
    # The sandbox's application has a secret, so the token request fails; but the other process knew the login.
    response = await browser.get(await workers.fake.consent(started.headers["location"]))
    assert started.headers["x-worker"] != response.headers["x-worker"]
    assert response.status_code == 502
    assert "WebLogin" not in workers.logs()


async def test_redis_that_is_gone(workers: Workers, persistent_redis: RedisServer, browser: httpx.AsyncClient) -> None:
    workers.start(persistent_redis.patient_url)
    await log_in(browser, workers.fake)
    persistent_redis.kill()
    pages = [await browser.get("/stacks", follow_redirects=True) for _ in range(4)]
    assert [page.status_code for page in pages] == [503] * 4
    assert all("Logins are not available" in page.text for page in pages)
    assert workers.logs().count("session store failed") == 2
    persistent_redis.start()
    pages = [await browser.get("/stacks") for _ in range(4)]
    assert [page.status_code for page in pages] == [200] * 4
    assert workers.fake.calls("oauth.token") == 1
    assert "Traceback" not in workers.logs()


# --- warnings at the start -----------------------------------------------------------------------

GUNICORN = [sys.executable, "-m", "gunicorn", "-k", "uvicorn_worker.UvicornWorker", "tests.web.worker_app:create()"]
OWN_SESSIONS = "2 worker processes seem to run, but sessions are stored in the memory of each process"


def output_at_start(workers: Workers, command: list[str], number: int, **environment: str) -> str:
    """Return what the server writes until the application has started `number` times."""
    output = workers.run(command, "server", **environment)

    def is_started() -> bool:
        return output.read_text().count("Application startup complete") == number

    wait_for(is_started, f"the server did not start; see {output}")
    return output.read_text()


@pytest.mark.parametrize(
    ("options", "environment", "number"),
    [
        pytest.param("--workers 2", {}, 2, id="two workers"),
        pytest.param("", {"WEB_CONCURRENCY": "2"}, 2, id="WEB_CONCURRENCY"),
        pytest.param("--reload --reload-dir tests/web", {}, 1, id="reload"),
        pytest.param("", {}, 1, id="one process"),
    ],
)
def test_warning_with_uvicorn(workers: Workers, options: str, environment: dict[str, str], number: int) -> None:
    command = [*UVICORN, "--port", str(free_port()), *options.split()]
    output = output_at_start(workers, command, number, **environment)
    assert output.count(OWN_SESSIONS) == (2 if number == 2 else 0)


@pytest.mark.parametrize("number", [1, 2])
def test_warning_with_gunicorn(workers: Workers, number: int) -> None:
    for name in ("gunicorn", "uvicorn_worker"):
        require_package(name, "test")
    options = ["--workers", str(number), "--bind", f"127.0.0.1:{free_port()}"]
    output = output_at_start(workers, [*GUNICORN, *options], number)
    assert output.count(OWN_SESSIONS) == (2 if number == 2 else 0)
