"""One login file and several processes, some of which are killed."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cloud66_async.oauth import FileStore
from cloud66_async.token import Token

from .stored import PLAIN, TOKEN, posix


def run(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


WRITER = """
import sys
from cloud66_async.oauth import FileStore
from cloud66_async.token import Token
path, name = sys.argv[1:]
store = FileStore(path)
for number in range(25):
    store.write(Token(f"{name}-{number}"), name, str(number))
"""


def test_concurrent_processes_lose_nothing(path: Path) -> None:
    names = ["one", "two", "three"]
    for process in [run(WRITER, path, name) for name in names]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    store = FileStore(path)
    for name in names:
        for number in range(25):
            assert store.read(name, str(number)) == Token(f"{name}-{number}")


KILLED = """
import os, sys
from cloud66_async.oauth import FileStore
from cloud66_async.token import Token
path, step = sys.argv[1:]
def die(*_):
    os.kill(os.getpid(), 9)
if step == "half":
    original = os.fdopen
    def fdopen(descriptor, mode):
        file = original(descriptor, mode)
        if "w" in mode:
            write = lambda body: (os.write(descriptor, body[:20]), die())
            class Half:
                def __enter__(self): return self
                def __exit__(self, *_): file.close()
            half = Half()
            half.write = write
            return half
        return file
    os.fdopen = fdopen
elif step == "fsync":
    os.fsync = die
else:
    os.rename = os.replace = die
    import pathlib
    pathlib.Path.replace = die
FileStore(path).write(Token("NEW-TOKEN"))
"""


@posix
@pytest.mark.parametrize("step", ["half", "fsync", "replace"])
def test_crash_during_a_write_keeps_the_earlier_login(path: Path, step: str) -> None:
    store = FileStore(path)
    store.write(TOKEN)
    process = run(KILLED, path, step)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert store.read() == TOKEN
    abandoned = list(path.parent.glob("*.new"))
    assert len(abandoned) == 1
    assert stat.S_IMODE(abandoned[0].stat().st_mode) == 0o600
    store.write(PLAIN)  # the lock and the temporary file of the killed process do not matter
    assert store.read() == PLAIN
    assert list(path.parent.glob("*.new")) == []


ENDLESS = """
import sys
from cloud66_async.oauth import FileStore
from cloud66_async.token import Token
store = FileStore(sys.argv[1])
number = 0
while True:
    store.write(Token(f"T{number}" + "x" * 5000))
    print(number, flush=True)
    number += 1
"""


@posix
def test_file_is_complete_after_a_kill(path: Path) -> None:
    store = FileStore(path)
    for writes in (1, 2, 3, 5):
        process = run(ENDLESS, path)
        assert process.stdout is not None
        for _ in range(writes):
            process.stdout.readline()
        process.kill()
        process.communicate(timeout=60)
        found = store.read()
        assert found is not None
        assert found.reveal().endswith("x" * 5000)


def test_concurrent_reader_sees_complete_files(path: Path) -> None:
    process = run(ENDLESS, path)
    assert process.stdout is not None
    process.stdout.readline()
    store = FileStore(path)
    seen = {store.read() for _ in range(200)}
    process.kill()
    process.communicate(timeout=60)
    assert None not in seen


async def test_concurrent_tasks_lose_nothing(path: Path) -> None:
    store = FileStore(path)
    await asyncio.gather(*(store.save(Token(f"T{number}"), str(number)) for number in range(20)))
    assert [await store.load(str(number)) for number in range(20)] == [Token(f"T{number}") for number in range(20)]
