"""Several processes: guesses at their number, warnings at the start, and the secret that they share."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cloud66_async import ConfigError
from cloud66_async.integrations.starlette import MemorySessions, WebLogin
from cloud66_async.integrations.starlette.workers import guess_workers
from cloud66_async.sandbox import FakeCloud66

from .site import Browser, make_app, open_site, query, web_login
from .test_sessions import TextSessions

SHARED_SECRET = "one secret of all processes"
OWN_SESSIONS = "worker processes seem to run, but sessions are stored in the memory of each process"
RANDOM_KEY = "pending logins are encrypted with a random key of this process"


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)


def start_with(monkeypatch: pytest.MonkeyPatch, workers: Any) -> None:
    """Let this process look like one that uvicorn or Hypercorn has started."""
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_kwargs", {"config": SimpleNamespace(workers=workers)}, raising=False)


@pytest.mark.parametrize(("value", "expected"), [("2", 2), ("1", 1), ("0", 1), ("", 1), ("many", 1)])
def test_number_in_the_environment(value: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    assert guess_workers() == expected


def test_configuration_of_the_server_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    start_with(monkeypatch, 1)
    assert guess_workers() == 1
    start_with(monkeypatch, 3)
    assert guess_workers() == 3
    start_with(monkeypatch, "a setting of another program")
    assert guess_workers() == 4


def test_nothing_is_known() -> None:
    assert guess_workers() == 1


def fork(workers: Any) -> Callable[[Callable[[], int]], int]:
    """Return a function that calls another one below a frame that looks like that of a worker of gunicorn."""
    module = ModuleType("gunicorn.workers.base")
    exec("def init_process(self, run):\n    return run()", module.__dict__)
    worker = SimpleNamespace(cfg=SimpleNamespace(workers=workers))
    return lambda run: module.init_process(worker, run)


def test_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fork(2)(guess_workers) == 1  # gunicorn was not imported
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", ModuleType("gunicorn.arbiter"))
    assert fork(2)(guess_workers) == 2
    assert fork(None)(guess_workers) == 1
    assert guess_workers() == 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("store", [MemorySessions, TextSessions])
@pytest.mark.parametrize("secrets", [{}, {"client_secret": None}, {"client_secret": None, "secret": SHARED_SECRET}])
async def test_warnings_at_the_start(
    workers: int,
    store: Callable[[], Any],
    secrets: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_with(monkeypatch, workers)
    async with open_site(sessions=store(), **secrets):
        assert (f"{workers} {OWN_SESSIONS}" in caplog.text) == (workers == 2 and store is MemorySessions)
        needs_secret = workers == 2 or store is not MemorySessions
        assert (RANDOM_KEY in caplog.text) == (needs_secret and secrets == {"client_secret": None})


# --- the secret of pending logins ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two", "finished"),
    [
        ({"client_secret": None}, {"client_secret": None}, False),
        ({"client_secret": None, "secret": SHARED_SECRET}, {"client_secret": None, "secret": SHARED_SECRET}, True),
        ({"secret": SHARED_SECRET}, {"client_secret": None, "secret": SHARED_SECRET}, True),
        ({"secret": SHARED_SECRET}, {"secret": "another secret of a process"}, False),
        ({"secret": SHARED_SECRET}, {}, False),
        ({}, {}, True),
    ],
    ids=str,
)
async def test_secret_of_pending_logins(one: dict[str, Any], two: dict[str, Any], *, finished: bool) -> None:
    fake = FakeCloud66()
    starting, finishing = web_login(fake, **one), web_login(fake, **two)
    async with starting.lifespan(), finishing.lifespan():
        first, second = Browser(make_app(starting), fake), Browser(make_app(finishing), fake)
        async with first.http, second.http:
            second.http._cookies = first.http._cookies
            callback = await fake.consent(await first.start_login())
            await second.get(callback)
            # The sandbox's applications are not public, but a request for a token shows that the login was known.
            assert fake.calls("oauth.token") == int(finished)
            assert SHARED_SECRET not in str(first.http.cookies) + callback + query(callback)["state"]


@pytest.mark.parametrize("secret", ["", "fifteen letters"])
def test_short_secret(secret: str) -> None:
    with pytest.raises(ConfigError, match="invalid secret: expected at least 16 characters"):
        WebLogin(client_id="a", client_secret=None, redirect_url="https://dash.example/callback", secret=secret)


async def test_store_is_closed_at_the_end() -> None:
    class ClosedSessions(TextSessions):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    store = ClosedSessions()
    for number in range(2):
        async with open_site(sessions=store) as site:
            assert (await site.browser().log_in()).status_code == 303
            assert store.closed == number
    assert store.closed == 2
