"""Login files that only their owner can read or replace."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cloud66_async.errors import ConfigError
from cloud66_async.oauth import FileStore

from .stored import PLAIN, TOKEN, posix


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_file_and_directory_are_private(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        await FileStore(path).save(TOKEN)
        await FileStore(path).save(PLAIN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@posix
async def test_file_is_private_before_it_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    original = os.open

    def recording_open(name: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        descriptor = original(name, flags, mode, **options)
        if str(name).endswith(".new"):
            found = os.fstat(descriptor)
            seen.append((stat.S_IMODE(found.st_mode), found.st_size))
        return descriptor

    monkeypatch.setattr(os, "open", recording_open)
    before = os.umask(0)
    try:
        await FileStore(path).save(TOKEN)
    finally:
        os.umask(before)
    assert seen == [(0o600, 0)]


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
async def test_file_readable_by_others_is_rejected_with_a_command(path: Path, mode: int) -> None:
    store = FileStore(path.with_name("my logins.json"))
    await store.save(TOKEN)
    store.path.chmod(mode)
    for attempt in (store.load(), store.save(PLAIN), store.delete()):
        with pytest.raises(ConfigError) as caught:
            await attempt
        command = str(caught.value).partition("run: ")[2]
        assert command == f"chmod 600 '{store.path}'"
    subprocess.run(command, shell=True, check=True)
    assert await store.load() == TOKEN


@posix
async def test_directory_writable_by_others_is_rejected(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(ConfigError, match=f"chmod 700 {path.parent}"):
        await FileStore(path).save(TOKEN)
    path.parent.chmod(0o1777)  # like /tmp, where users cannot replace files of other users
    await FileStore(path).save(TOKEN)


@posix
@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_missing_parents_are_private(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "a" / "b" / "c" / "logins.json"
    before = os.umask(umask)
    try:
        await FileStore(path).save(TOKEN)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(parent.stat().st_mode) for parent in list(path.parents)[:3]] == [0o700] * 3


@posix
async def test_nothing_is_created_in_a_directory_that_others_can_write(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("content")
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(ConfigError, match="chmod 700"):
        await FileStore(path).save(TOKEN)
    assert list(path.parent.iterdir()) == []
    (path.parent / ".logins.json.lock").symlink_to(victim)
    with pytest.raises(ConfigError, match="chmod 700"):
        await FileStore(path).save(TOKEN)
    assert victim.read_text() == "content"


@posix
async def test_directory_of_another_user_is_rejected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(mode=0o755)
    if os.getuid() == 0:
        os.chown(path.parent, 54321, 54321)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        await FileStore(path).save(TOKEN)
    assert list(path.parent.iterdir()) == []


@posix
async def test_special_file_is_rejected(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        await FileStore(path).load()
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError):
        await FileStore(path).load()


@posix
async def test_file_of_another_user_is_rejected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await FileStore(path).save(TOKEN)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid() == 0:
        os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="another user"):
        await FileStore(path).load()
