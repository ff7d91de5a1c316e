"""The browser of a login: which one is opened, and with what."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import webbrowser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud66_async.errors import LoginError
from cloud66_async.oauth import Cloud66OAuth2Client, login_with_browser
from cloud66_async.token import Token

from .browsing import Browser, consent

pytestmark = pytest.mark.usefixtures("no_leftovers")


async def test_blocking_function_runs_in_a_thread(client: Cloud66OAuth2Client) -> None:
    threads: list[threading.Thread] = []
    loop = asyncio.get_running_loop()

    def open_browser(url: str) -> bool:
        threads.append(threading.current_thread())
        asyncio.run_coroutine_threadsafe(Browser(consent)(url), loop).result(60)
        return True

    assert await login_with_browser(client, open_browser=open_browser) == Token("TOKEN-1")
    assert threads[0] is not threading.main_thread()
    assert threads[0].daemon  # a browser in the foreground must not keep the process alive


async def test_missing_browser_is_reported(
    client: Cloud66OAuth2Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(webbrowser, "open", lambda _url: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)


BROWSER = """
import json, os, sys, urllib.error, urllib.parse, urllib.request

class Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Unfollowed())
try:
    opener.open(sys.argv[1])
except urllib.error.HTTPError as response:
    consent = response.headers["Location"]
with open(__file__ + ".json", "w") as file:
    json.dump([sys.argv[1], consent, dict(os.environ)], file)
query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(consent).query))
opener.open(query["redirect_uri"] + "?code=CODE-1&state=" + query["state"]).read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="BROWSER names a command line on POSIX only")
async def test_browser_process_gets_no_secrets(
    client: Cloud66OAuth2Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    monkeypatch.setenv("CLOUD66_CLIENT_SECRET", "planted")
    monkeypatch.setenv("cloud66_access_token", "planted")
    monkeypatch.setenv("OTHER", "inherited")
    assert await login_with_browser(client, timeout=20) == Token("TOKEN-1")
    recorded: tuple[str, str, dict[str, str]] = json.loads((tmp_path / "browser.py.json").read_text())
    argument, consent_url, environment = recorded
    query = {name: values[0] for name, values in parse_qs(urlsplit(consent_url).query).items()}
    assert [name for name in ("state", "code_challenge") if query[name] in argument] == []
    assert "planted" not in environment.values()
    assert environment["OTHER"] == "inherited"


FOREGROUND = (
    BROWSER
    + """
import time
while not os.path.exists(__file__ + ".closed"):
    time.sleep(0.1)
"""
)


@pytest.mark.skipif(sys.platform == "win32", reason="BROWSER names a command line on POSIX only")
async def test_browser_in_the_foreground_does_not_delay_the_login(
    client: Cloud66OAuth2Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "browser.py"
    script.write_text(FOREGROUND)
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    try:
        assert await login_with_browser(client, timeout=20) == Token("TOKEN-1")
    finally:
        (tmp_path / "browser.py.closed").touch()


@pytest.mark.parametrize("late", [False, KeyError("mine")])
async def test_function_that_returns_after_the_callback_does_not_matter(
    client: Cloud66OAuth2Client, late: bool | Exception
) -> None:
    loop = asyncio.get_running_loop()
    released, returned = threading.Event(), threading.Event()

    def open_browser(url: str) -> bool:
        asyncio.run_coroutine_threadsafe(Browser(consent)(url), loop).result(60)
        try:
            released.wait(60)
            if isinstance(late, Exception):
                raise late
            return late
        finally:
            returned.set()

    assert await login_with_browser(client, open_browser=open_browser, timeout=60) == Token("TOKEN-1")
    assert not returned.is_set()
    released.set()
    await asyncio.to_thread(returned.wait, 60)
    await asyncio.sleep(0.01)  # the late result is discarded without an error


@pytest.mark.skipif(sys.platform == "win32", reason="BROWSER names a command line on POSIX only")
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("command", ["'%s", '"%s', "%s\\"])
async def test_malformed_browser_is_reported_without_a_traceback(
    client: Cloud66OAuth2Client,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
    frozen: bool,
) -> None:
    monkeypatch.setenv("BROWSER", command)
    monkeypatch.setattr(sys, "frozen", frozen, raising=False)
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # BROWSER is read once for each process
    with pytest.raises(LoginError, match="no browser could be opened"):
        await login_with_browser(client)
    assert capfd.readouterr().err == ""


async def test_error_of_open_browser_propagates_unchanged(client: Cloud66OAuth2Client) -> None:
    def open_browser(url: str) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await login_with_browser(client, open_browser=open_browser)
