"""One login file, eight processes that write it, and one more that is killed again and again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloud66_async.oauth import FileStore
from cloud66_async.token import Token

WRITERS = 8
KILLS = 12
# Each token tells its number twice, with text between, so that a mixture of two writes is noticed.
WRITER = """
import sys
from cloud66_async.oauth import FileStore
from cloud66_async.token import Token
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = FileStore(path)
for number in range(count):
    store.write(Token(f"{name}-{number}-" + "x" * 4000 + f"-{number}"), name)
    print(number, flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


def start(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def number_of(token: Token | None, name: str) -> int:
    """Return which write the token is from. It must be whole."""
    assert token is not None
    start, number, text, end = token.reveal().split("-")
    assert (start, text, end) == (name, "x" * 4000, number)
    return int(number)


@pytest.mark.slow  # several seconds: it starts 20 interpreters
def test_file_is_whole_whoever_writes_and_dies(tmp_path: Path) -> None:
    path = tmp_path / "private" / "logins.json"
    store = FileStore(path)
    writers = [start(path, f"writer{number}", 6) for number in range(WRITERS)]
    try:
        for _ in range(KILLS):
            victim = start(path, "victim", 10**6)
            assert victim.stdout is not None
            reported = int(victim.stdout.readline())
            victim.kill()
            rest, _ = victim.communicate(timeout=60)
            last = int(rest.split()[-1]) if rest.split() else reported
            # The newest write, or the one before: the last one may be done and not reported.
            assert number_of(store.read("victim"), "victim") in (last, last + 1)
        for number, writer in enumerate(writers):
            writer.communicate(timeout=60)
            assert writer.returncode == 0
            name = f"writer{number}"
            assert number_of(store.read(name), name) == 5
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    store.write(Token("last"))  # what a killed process left is in nobody's way
    assert sorted(each.name for each in path.parent.iterdir()) == [".logins.json.lock", "logins.json"]
