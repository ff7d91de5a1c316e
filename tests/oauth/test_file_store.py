"""Logins in a file: invalid files, full disks, missing directories and packages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cloud66_async.errors import ConfigError
from cloud66_async.oauth import FileStore, file_store

from .stored import PLAIN, TOKEN


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", '"TOKEN-9"', '{"version":1}', '{"version":2,"logins":{}}', "[" * 100_000),
        *('{"version":1,"logins":[]}', '{"version":1,"logins":{"https://app.cloud66.com":["TOKEN-9"]}}'),
        '{"version":1,"logins":{"https://app.cloud66.com":{"default":{"":{"access_token":"TOKEN-9 x"}}}}}',
        '{"version":1,"logins":{"https://app.cloud66.com":{"default":{"":{"token":"TOKEN-9"}}}}}',
        '{"version":1,"logins":{"https://app.cloud66.com":{"default":{"":{"access_token":"TOKEN-9","scopes":5}}}}}',
        '{"version":1,"logins":{"https://app.cloud66.com":{"default":{"":{"access_token":"TOKEN-9","expires_at":"x"}}}}}',
    ],
)
async def test_invalid_file_is_reported_without_its_content(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="delete it and log in again") as caught:
        await FileStore(path).load()
    assert "TOKEN-9" not in repr(caught.value)
    assert caught.value.__context__ is None
    assert path.read_text() == content


async def test_unwritable_path_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot lock"):
        await FileStore(tmp_path / "file" / "logins.json").save(TOKEN)


async def test_full_disk_keeps_the_earlier_login(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(path)
    await store.save(TOKEN)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        await store.save(PLAIN)
    assert await store.load() == TOKEN
    assert sorted(file.name for file in path.parent.iterdir()) == [".logins.json.lock", "logins.json"]


async def test_held_lock_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store, "_LOCK_TIMEOUT", 0.05)
    store = FileStore(path)
    await store.save(TOKEN)
    with file_store._locked(path), pytest.raises(ConfigError, match="another process"):
        await store.save(PLAIN)
    assert await store.load() == TOKEN


async def test_load_and_delete_create_no_file(path: Path) -> None:
    store = FileStore(path)
    assert await store.load() is None
    assert await store.delete() is False
    assert not path.parent.exists()


def test_file_store_without_an_event_loop(path: Path) -> None:
    store = FileStore(path)
    store.write(TOKEN, "work")
    assert store.read("work") == TOKEN
    assert store.remove("work") is True
    assert store.read("work") is None


def test_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FileStore().path.name == "logins.json"
    assert FileStore().path.parent.name == "cloud66-async"
    assert FileStore().path.is_relative_to(tmp_path)


@pytest.mark.parametrize("package", ["platformdirs", "filelock"])
def test_missing_extra_is_reported(monkeypatch: pytest.MonkeyPatch, path: Path, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'cloud66-async\[cli\]'"):
        FileStore(path if package == "filelock" else None).write(TOKEN)


@pytest.mark.parametrize("package", ["platformdirs", "filelock"])
def test_is_available_requires_both_packages(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    assert file_store.is_available()

    def find_spec(name: str) -> str | None:
        return None if name == package else name

    monkeypatch.setattr(file_store, "find_spec", find_spec)
    assert not file_store.is_available()


async def test_profile_that_is_used_if_none_is_named(path: Path) -> None:
    store, elsewhere = FileStore(path), FileStore(path, site="https://other.example")
    assert (store.profiles(), store.default_profile()) == ((), "default")
    for profile in ("work", "default"):
        await store.save(TOKEN, profile)
    assert store.profiles() == ("default", "work")
    store.use("work")
    assert (store.default_profile(), elsewhere.default_profile()) == ("work", "default")
    assert elsewhere.profiles() == ()
    await store.save(PLAIN, "default")  # other changes keep it
    assert store.default_profile() == "work"
    with pytest.raises(ConfigError, match="no login is stored for the profile 'none'"):
        store.use("none")
    await store.delete("work")
    assert (store.profiles(), store.default_profile()) == (("default",), "default")
