"""The commands `backups` and below."""

from __future__ import annotations

import json
import re
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.cli.work.backup_parts import BackupParts
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer
from cloud66_async.sandbox.storage import SIZE, content

from .conftest import Terminal
from .piped import Piped
from .terminal import access_to, on_terminal, run_on_terminal

NAME = "mail-portal"
FULL = f"{NAME}/production"
PARTS = ("tar-aa", "tar-ab")


@pytest.fixture(scope="module")
def served() -> Iterator[SandboxServer]:
    with SandboxServer(FakeCloud66(clock=SystemClock())) as server:
        yield server


@pytest.fixture(scope="module")
def access(served: SandboxServer) -> dict[str, str]:
    return access_to(served)


@pytest.fixture
def stack(served: SandboxServer) -> Iterator[FakeStack]:
    """Add a stack with three backups of two files each."""
    found = served.fake.add_stack(NAME)
    yield found
    served.fake.remove_stack(found)


@pytest.fixture
def known(served: SandboxServer, stack: FakeStack) -> tuple[dict[str, Any], ...]:
    """Return the backups, the newest first."""
    return served.fake.records("backup", stack)


@pytest.fixture
def backups(terminal: Terminal, served: SandboxServer, access: dict[str, str]) -> Piped:
    return Piped("backups", terminal, served.fake, access)


def stored(stack: FakeStack, backup: dict[str, Any]) -> list[bytes]:
    """Return the content of the files of a backup."""
    return [content(f"/storage/{stack.uid}/{backup['id']}/{backup['file_base']}.{part}") for part in PARTS]


def downloads(fake: FakeCloud66) -> list[int | None]:
    """Return the statuses of the responses of the storage."""
    return [request.status for request in fake.requests if request.operation == "storage.get"]


def wait_for_parts(directory: Path) -> None:
    """Wait until each file of a backup has been written in part."""
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size > 100_000 for path in directory.glob("*.part")) < len(PARTS):
        assert time.monotonic() < deadline, list(directory.iterdir())
        time.sleep(0.02)


# --- the listing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_table_fits(columns: int, known: tuple[dict[str, Any], ...], access: dict[str, str]) -> None:
    known[1].update(backup_status=1)
    shown = run_on_terminal(columns, "backups", FULL, environment=access)
    assert max(map(len, shown.lines)) <= columns
    titles, *rows, total = shown.lines
    assert titles.split()[:6] == ["ID", "TYPE", "DATABASE", "AGO", "SIZE", "RESULT"]
    assert [row.split()[0] for row in rows] == [str(backup["id"]) for backup in known]
    assert [row.split()[6] for row in rows] == ["ok", "failed", "ok"]
    assert all(f"{NAME}_production" in row and "48.2 MB" in row for row in rows)
    assert total == "3 backups"


def test_pipe(known: tuple[dict[str, Any], ...], backups: Piped) -> None:
    titles, row = (line.split() for line in backups(FULL).splitlines()[:2])
    assert dict(zip(titles[:6], row, strict=False))["SIZE"] == "48211968"
    assert row[-1] == known[0]["file_name"]
    first = json.loads(backups(FULL, "--json").splitlines()[0])
    assert (first["id"], first["backup_status"], first["backup_size"]) == (known[0]["id"], "ok", 48_211_968)
    backups(FULL, "--db-type", "redis")
    assert backups.err.splitlines() == [f"{FULL} has no redis backups."]


# --- downloads -------------------------------------------------------------------------------------


def test_newest_that_succeeded_becomes_one_file(
    stack: FakeStack, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    known[0].update(backup_status=1)
    path = tmp_path / known[1]["file_name"]
    assert backups("download", FULL) == f"{path.name}\n"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"".join(stored(stack, known[1]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"Z Backup {known[1]['id']} of {FULL} to {path.name}: 2 files" in backups.err


def test_chosen_backup_directory_and_json(
    stack: FakeStack, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    backups("download", FULL, str(known[2]["id"]), "-d", "new/place", "--json", "--quiet")
    path = Path("new/place", known[2]["file_name"])
    assert json.loads(backups.out) == {
        "path": str(path),
        "size": 2 * SIZE,
        "backup": known[2]["id"],
        "stack": stack.uid,
    }
    assert backups.err == ""
    assert (tmp_path / path).read_bytes() == b"".join(stored(stack, known[2]))


def test_backups_of_several_databases(
    served: SandboxServer, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    known[1].update(db_type="redis", database_name="cache")
    backups("download", FULL, code=2)
    assert f"{FULL} has backups of 2 databases. Which one?" in backups.err
    assert f"  {known[0]['id']}  postgresql {NAME}_production, " in backups.err
    assert f"  {known[1]['id']}  redis cache, " in backups.err
    for backup in known:
        backup.update(backup_status=1)
    backups("download", FULL, code=1)
    assert f"{FULL} has no backup that succeeded" in backups.err
    assert list(tmp_path.iterdir()) == []


def test_name_of_the_server_does_not_leave_the_directory(
    known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    known[0].update(file_name="../../\x1b[31m.ssh/authorized_keys")
    backups("download", FULL, "-d", "here")
    (found,) = (tmp_path / "here").iterdir()
    assert found.name.endswith("authorized_keys")
    assert {path.name for path in tmp_path.iterdir()} == {"here"}


def test_existing_file_is_not_replaced_without_asking(
    served: SandboxServer, stack: FakeStack, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    path = tmp_path / "kept.tar"
    path.write_text("kept")
    before = len(downloads(served.fake))
    backups("download", FULL, "--output", "kept.tar", code=2)
    assert "error: --yes is required to replace kept.tar without a terminal" in backups.err
    assert path.read_text() == "kept"
    assert len(downloads(served.fake)) == before
    backups("download", FULL, "--output", "kept.tar", "--yes")
    assert path.read_bytes() == b"".join(stored(stack, known[0]))


def test_invalid_places(known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path) -> None:
    backups("download", FULL, "-d", ".", "--output", "a", code=2)
    assert "--directory and --output exclude each other" in backups.err
    backups("download", FULL, "--output", str(tmp_path), code=2)
    assert f"{tmp_path} is a directory" in backups.err
    (tmp_path / "file").touch()
    backups("download", FULL, "-d", "file", code=1)
    assert "cannot write " in backups.err
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "mine").touch()
    backups("download", FULL, "--output", "a", code=1)
    assert "a.partial is not the directory of an unfinished download" in backups.err
    assert (tmp_path / "a.partial" / "mine").exists()


def test_backup_that_does_not_exist(stack: FakeStack, backups: Piped) -> None:
    backups("download", FULL, "999999", code=1)
    assert backups.err.splitlines() == [
        f"error: {FULL} has no backup 999999",
        f"  See: cloud66-async backups {FULL}",
    ]


# --- progress --------------------------------------------------------------------------------------


def test_bar_fits_the_terminal(known: tuple[dict[str, Any], ...], access: dict[str, str], tmp_path: Path) -> None:
    shown = run_on_terminal(80, "backups", "download", FULL, "-o", "a.tar", environment=access, home=tmp_path)
    assert shown.exit_code == 0
    lines = [line.rstrip() for text in shown.lines for line in text.split("\r")]
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"Backup {known[0]['id']} of {FULL} to a.tar: 2 files"
    bars = [line for line in lines if "100%  400.0 kB of 400.0 kB" in line]
    assert "━━━━" in bars[-1]
    assert lines[-1].startswith("a.tar: 400.0 kB in ")


def test_lines_while_nothing_arrives(served: SandboxServer, known: tuple[dict[str, Any], ...], backups: Piped) -> None:
    served.fake.faults.slow(2.5, operation="storage.get", body=True)
    backups("download", FULL, "--heartbeat", "1")
    beats = [line for line in backups.err.splitlines() if " of 400.0 kB" in line]
    assert len(beats) >= 2
    assert "Z 50%  200.0 kB of 400.0 kB" in beats[-1]  # what has been written to the disk


# --- continuing ------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_there_is_and_tells_how_to_continue(
    served: SandboxServer,
    stack: FakeStack,
    known: tuple[dict[str, Any], ...],
    access: dict[str, str],
    backups: Piped,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloud66_async.sandbox.storage.SIZE", 2_000_000)
    served.fake.faults.slow(600, times=2, operation="storage.get", body=True)
    arguments = ("backups", "download", FULL, "-o", "my backup.tar")
    with on_terminal(80, *arguments, environment=access, home=tmp_path) as started:
        started.wait_for("%  ")
        wait_for_parts(tmp_path / "my backup.tar.partial")
        started.type("\x03")
        assert started.exit_code() == 130, started.shown
        assert started.is_restored
    assert [path.name for path in tmp_path.iterdir()] == ["my backup.tar.partial"]
    command = started.shown.partition("Continue: ")[2].splitlines()[0]
    before = len(downloads(served.fake))
    program, group, *rest = shlex.split(command)
    assert (program, group) == ("cloud66-async", "backups")
    backups(*rest)
    assert re.search(r"2 files, [12]\.\d MB of them from before", backups.err)
    assert downloads(served.fake)[before:] == [206, 206]
    assert (tmp_path / "my backup.tar").read_bytes() == b"".join(stored(stack, known[0]))
    assert [path.name for path in tmp_path.iterdir()] == ["my backup.tar"]


def test_failure_of_one_file_keeps_the_other(
    served: SandboxServer, stack: FakeStack, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    served.fake.faults.fail(404, operation="storage.get")
    backups("download", FULL, "-d", ".", "--account", "1", code=1)
    assert backups.err.splitlines()[-1] == (
        f"  Continue: cloud66-async backups download {FULL} {known[0]['id']} -d . --account 1"
    )
    before = len(downloads(served.fake))
    backups("download", FULL)
    assert downloads(served.fake)[before:] == [200]
    assert (tmp_path / known[0]["file_name"]).read_bytes() == b"".join(stored(stack, known[0]))


def test_parts_of_another_backup_are_not_used(
    served: SandboxServer, stack: FakeStack, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    served.fake.faults.fail(404, operation="storage.get")
    backups("download", FULL, str(known[0]["id"]), "-o", "a", code=1)
    backups("download", FULL, str(known[1]["id"]), "-o", "a")
    assert (tmp_path / "a").read_bytes() == b"".join(stored(stack, known[1]))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_interrupted_joining_is_continued(
    steps: int,
    served: SandboxServer,
    stack: FakeStack,
    known: tuple[dict[str, Any], ...],
    backups: Piped,
    tmp_path: Path,
) -> None:
    parts = BackupParts(tmp_path / "a", f"backup {known[0]['id']} of stack {stack.uid}", PARTS)
    with parts.open():
        for file, data in zip(PARTS, stored(stack, known[0]), strict=True):
            parts.path(file).write_bytes(data)
            parts.complete(file, len(data))
        joining = parts.join(size=SIZE // 2)
        for _ in range(steps):
            next(joining)
        joining.close()
    before = len(downloads(served.fake))
    backups("download", FULL, "-o", "a")
    assert len(downloads(served.fake)) == before
    assert (tmp_path / "a").read_bytes() == b"".join(stored(stack, known[0]))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_second_download_to_the_same_file(
    stack: FakeStack, known: tuple[dict[str, Any], ...], backups: Piped, tmp_path: Path
) -> None:
    parts = BackupParts(tmp_path / "a", f"backup {known[0]['id']} of stack {stack.uid}", PARTS)
    with parts.open():
        backups("download", FULL, "-o", "a", code=1)
    assert "another download writes to a.partial" in backups.err


# --- new backups -----------------------------------------------------------------------------------


def test_new_backup_task(stack: FakeStack, backups: Piped) -> None:
    backups(
        "new",
        FULL,
        "--dbtypes",
        "postgresql",
        "--dbtypes",
        "redis",
        "--keep",
        "5",
        "--no-gzip",
        "--frequency",
        "0 * * * *",
    )
    ((name, sent),) = backups.changes
    assert name == "backups.create"
    assert (sent["db_type"], sent["keep_count"], sent["gzip"]) == (["postgresql", "redis"], 5, False)
    assert sent["frequency"] == "0 * * * *"
    assert "logical_backup" not in sent
    assert backups.out == f"{FULL}: Backup task created\n"
    backups("new", FULL, "--db-type", "oracle", code=2)
    assert "oracle" in backups.err
