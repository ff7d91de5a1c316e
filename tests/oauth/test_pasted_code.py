"""Logins with a code that the user pastes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.errors import LoginError
from cloud66_async.oauth import Cloud66OAuth2Client, login_with_code
from cloud66_async.oauth.callback import OUT_OF_BAND
from cloud66_async.token import Token

from .evidence import error_output, package_locals
from .server import Server

pytestmark = pytest.mark.usefixtures("no_leftovers")


async def test_login_with_code(client: Cloud66OAuth2Client, server: Server) -> None:
    urls: list[str] = []

    def ask(url: str) -> str:
        urls.append(url)
        return "CODE-1\n"

    async def ask_later(url: str) -> str:
        return ask(url)

    assert await login_with_code(client, scope=["public"], ask=ask) == Token("TOKEN-1")
    assert await login_with_code(client, ask=ask_later) == Token("TOKEN-1")
    assert urls[0].startswith(f"{server.url}/oauth/authorize?")
    assert server.requests[0].form["redirect_uri"] == OUT_OF_BAND
    assert server.requests[0].form["code_verifier"]


@pytest.mark.parametrize("pasted", ["", "two words"])
async def test_invalid_pasted_code_is_rejected(client: Cloud66OAuth2Client, server: Server, pasted: str) -> None:
    with pytest.raises(LoginError):
        await login_with_code(client, ask=lambda _: pasted)
    assert server.requests == []


async def test_invalid_pasted_code_is_not_in_the_frames(client: Cloud66OAuth2Client, server: Server) -> None:
    pasted = ["HIDDEN CODE"]
    with pytest.raises(LoginError, match="invalid code") as caught:
        await login_with_code(client, ask=lambda _: pasted.pop())
    assert "HIDDEN" not in error_output(caught.value) + package_locals(caught.value)


async def test_cancelled_ask_does_not_block(client: Cloud66OAuth2Client) -> None:
    called, released = threading.Event(), threading.Event()

    def ask(url: str) -> str:
        called.set()
        released.wait(60)
        return "CODE-1"

    task = asyncio.create_task(login_with_code(client, ask=ask))
    await asyncio.to_thread(called.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()
    await asyncio.sleep(0.01)  # the late result is discarded without an error


# --- prompts in a process of their own

PROGRAM = """
import asyncio, sys
from getpass import getpass
from cloud66_async.oauth import Cloud66OAuth2Client, login_with_code

prompt, runner, seconds = sys.argv[1:]
if prompt == "readline":
    import readline

async def main():
    async with Cloud66OAuth2Client("ID", url="http://127.0.0.1:9") as client:
        ask = getpass if prompt == "getpass" else input
        async with asyncio.timeout(float(seconds)):
            await login_with_code(client, ask=lambda url: ask("Code: "))

try:
    if runner == "run":
        asyncio.run(main())
    else:
        asyncio.new_event_loop().run_until_complete(main())
except (KeyboardInterrupt, TimeoutError) as error:
    sys.exit(type(error).__name__)
"""


def environment(home: Path) -> dict[str, str]:
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **coverage}


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return a function that starts the program on a terminal of its own."""
    pytest.importorskip("termios")
    from ..pseudo_terminal import PseudoTerminal

    def run(*arguments: str) -> PseudoTerminal:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        started = PseudoTerminal(command, environment=environment(tmp_path), directory=tmp_path)
        request.addfinalizer(started.close)
        return started

    return run


@pytest.mark.parametrize("runner", ["run", "run_until_complete"])
@pytest.mark.parametrize("prompt", ["getpass", "readline", "input"])
def test_ctrl_c_at_a_prompt_ends_the_process(start: Callable[..., Any], prompt: str, runner: str) -> None:
    from ..pseudo_terminal import wait_until_blocked

    started = start(prompt, runner, "60")
    if prompt == "input":
        started.wait_for("Code: ")  # Python's own line input leaves the echo on
        wait_until_blocked(started.process.pid)
    else:
        started.wait_for_prompt("Code: ")
    started.type("half of a code\x03")
    assert started.exit_code(10) == 1
    assert "KeyboardInterrupt" in started.shown
    assert "Fatal" not in started.shown
    assert started.is_restored


@pytest.mark.parametrize("prompt", ["getpass", "readline", "input"])
def test_deadline_during_a_prompt_restores_the_terminal(start: Callable[..., Any], prompt: str) -> None:
    started = start(prompt, "run", "0.5")
    assert started.exit_code(10) == 1
    assert "TimeoutError" in started.shown
    assert "Fatal" not in started.shown
    assert started.is_restored


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the states of threads from /proc")
@pytest.mark.parametrize("interrupt", [False, True])
def test_prompt_that_waits_for_a_pipe_does_not_abort_the_process(tmp_path: Path, interrupt: bool) -> None:
    from ..pseudo_terminal import wait_until_blocked

    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "input", "run", "60" if interrupt else "0.5"],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.read(6) == b"Code: "
            wait_until_blocked(process.pid)
            if interrupt:
                process.send_signal(signal.SIGINT)
            assert process.wait(60) == 1
        finally:
            process.kill()
        shown = process.stderr.read().decode()
    assert shown.strip() == ("KeyboardInterrupt" if interrupt else "TimeoutError")


INTERRUPTED_ELSEWHERE = """
import asyncio, signal, sys, threading, time
from cloud66_async.oauth.blocking import call

def prompt(text):
    threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
    time.sleep(60)

try:
    if sys.argv[1] == "run":
        asyncio.run(call(prompt, "Code: "))
    else:
        asyncio.new_event_loop().run_until_complete(call(prompt, "Code: "))
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


@pytest.mark.parametrize("runner", ["run", "run_until_complete"])
def test_ctrl_c_that_does_not_wake_the_event_loop(runner: str, tmp_path: Path) -> None:
    """The signal may arrive in the thread of the prompt, or just before the event loop starts to wait."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED_ELSEWHERE, runner],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("interrupted")
