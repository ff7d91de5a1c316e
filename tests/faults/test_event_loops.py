"""Clients and event loops in real processes: a clear error, no hang, and no warning at exit that is not documented."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloud66_async import Cloud66

from ..conftest import PoolName

START = """
import asyncio, sys, threading
from cloud66_async import Cloud66, ConfigError, Retry
BODY = b'{{"response":{{"uid":"a"}}}}'
async def respond(reader, writer):
    try:
        while await reader.readuntil(b"\\r\\n\\r\\n"):
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(BODY), BODY))
    except (OSError, EOFError):
        pass
    writer.close()
ready, url = threading.Event(), []
async def serve():
    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    url.append("http://127.0.0.1:%d" % server.sockets[0].getsockname()[1])
    ready.set()
    await asyncio.Event().wait()
threading.Thread(target=asyncio.run, args=[serve()], daemon=True).start()
ready.wait()
c66 = Cloud66("t", url=url[0], pool={pool!r}, retry=Retry(attempts=1))
async def read():
    return (await c66.stacks.get("a")).uid
def run(coroutine):
    try:
        print(asyncio.run(coroutine))
    except ConfigError as error:
        print("ConfigError:", error)
"""
OTHER_LOOP = "ConfigError: this client belongs to another event loop; create one client per event loop"
UNCLOSED = "ResourceWarning: a Cloud66 client was not closed; use `async with`, or `await c66.aclose()`"
PROGRAMS: dict[str, tuple[str, list[str], bool]] = {
    "two event loops": ("run(read())\nrun(read())", ["a", OTHER_LOOP], False),
    "two threads": (
        "run(read())\nthread = threading.Thread(target=run, args=[read()])\nthread.start()\nthread.join()",
        ["a", OTHER_LOOP],
        False,
    ),
    "never used": ("", [], False),
    "never closed": ("run(read())", ["a"], False),
    "collected without being closed": ("run(read())\nimport gc\ndel c66\ngc.collect()", ["a"], True),
    "closed in its event loop": (
        "async def main():\n    async with c66:\n        return await read()\nrun(main())\nrun(read())",
        ["a", "ConfigError: this client is closed; create a new one"],
        False,
    ),
}


def finish(program: str, pool: PoolName) -> tuple[list[str], list[str]]:
    """Run a program and return the lines of its output and of its warnings and errors."""
    command = [sys.executable, "-W", "always", "-c", START.format(pool=pool) + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize("name", PROGRAMS)
def test_client_in_several_event_loops(name: str, transport: PoolName) -> None:
    program, expected, unclosed = PROGRAMS[name]
    output, problems = finish(program, transport)
    assert output == expected
    ours = [line for line in problems if "Cloud66 client was not closed" in line]
    assert all(UNCLOSED in line for line in ours)
    assert bool(ours) == unclosed
    if not unclosed:
        assert problems == []
    assert not [
        line for line in problems if "Traceback" in line or "never retrieved" in line or "never awaited" in line
    ]


async def test_failure_to_create_the_transport_propagates_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("cloud66_async.pool.pool.Pool.__init__", fail)
    async with Cloud66("token", url="http://127.0.0.1:9", pool="own") as c66:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await c66.stacks.get("a")


def test_client_closed_in_another_event_loop() -> None:
    output, problems = finish("run(read())\nrun(c66.aclose())", "own")
    assert output[0] == "a"
    assert output[1].startswith("ConfigError: ")
    assert "another event loop" in output[1]
    assert not [line for line in problems if "never retrieved" in line or "never awaited" in line]
