"""Stored logins: real files, real processes, real crashes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest

from cloud66_async import Cloud66, Retry
from cloud66_async.errors import ConfigError, LoginError, TransportError
from cloud66_async.integrations.keyring import KeyringStore
from cloud66_async.oauth import FileStore, MemoryStore, TokenStore, ToolbeltStore, file_store
from cloud66_async.token import Token

TOKEN = Token("TOKEN-1", scopes=("public", "redeploy"), expires_at=datetime(2030, 1, 1, tzinfo=UTC))
PLAIN = Token("TOKEN-2")
SANDBOX = "http://127.0.0.1:8066"

posix = pytest.mark.skipif(os.name != "posix", reason="file permissions need POSIX")


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1  # pyright: ignore[reportAssignmentType]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    keyring.set_keyring(memory_keyring := MemoryKeyring())
    yield memory_keyring
    keyring.set_keyring(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings" / "logins.json"


@pytest.fixture(params=["memory", "file", "keyring"])
def store(request: pytest.FixtureRequest, path: Path, memory_keyring: MemoryKeyring) -> TokenStore:
    factories: dict[str, Callable[[], TokenStore]] = {
        "memory": MemoryStore,
        "file": lambda: FileStore(path),
        "keyring": KeyringStore,
    }
    return factories[request.param]()


# --- every store


async def test_one_login_per_profile_and_account(store: TokenStore) -> None:
    assert await store.load() is None
    assert await store.delete() is False
    await store.save(TOKEN)
    await store.save(PLAIN, "work")
    await store.save(Token("TOKEN-3"), "work", "7")
    await store.save(Token("TOKEN-4"), 'w"o/r:k', "../a:b")
    found = await store.load()
    assert found == TOKEN
    assert found is not None
    assert (found.scopes, found.expires_at) == (TOKEN.scopes, TOKEN.expires_at)
    assert await store.load("work") == PLAIN
    assert await store.load("work", "7") == Token("TOKEN-3")
    assert await store.load('w"o/r:k', "../a:b") == Token("TOKEN-4")
    assert await store.load("default", "7") is None
    await store.save(PLAIN)
    assert await store.load() == PLAIN
    assert await store.delete("work") is True
    assert await store.delete("work") is False
    assert await store.load("work") is None
    assert await store.load("work", "7") == Token("TOKEN-3")


async def test_repr_of_a_store_has_no_token(store: TokenStore) -> None:
    await store.save(TOKEN)
    assert "TOKEN-1" not in repr(store)
    assert "TOKEN-1" not in repr(vars(store)).replace(repr(MemoryKeyring), "")


# --- the file


async def test_logins_are_separate_for_each_site(path: Path, memory_keyring: MemoryKeyring) -> None:
    for here, there in (
        (FileStore(path), FileStore(path, site=SANDBOX)),
        (KeyringStore(), KeyringStore(site=SANDBOX)),
    ):
        await here.save(TOKEN)
        assert await there.load() is None
        await there.save(PLAIN)
        assert await there.load() == PLAIN
        assert await here.load() == TOKEN
        assert await there.delete()
        assert await here.load() == TOKEN


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


# --- several processes


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


# --- the toolbelt's logins


@pytest.fixture
def toolbelt(tmp_path: Path) -> Path:
    for name, text in (("cx.json", "BELT-1"), ("cx_work.json", "BELT-2")):
        file = tmp_path / name
        file.write_text(
            json.dumps({"AccessToken": text, "RefreshToken": "", "Expiry": "0001-01-01T00:00:00Z", "Extra": None})
        )
        file.chmod(0o600)
    return tmp_path


async def test_toolbelt_login_is_found(toolbelt: Path) -> None:
    store: TokenStore = ToolbeltStore(toolbelt)
    assert await store.load() == Token("BELT-1")
    assert await store.load("Work") == Token("BELT-2")
    assert await store.load("other") is None
    assert await store.load("work", "7") is None


def test_toolbelt_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ToolbeltStore().read() is None
    (tmp_path / ".cloud66").mkdir()
    file = tmp_path / ".cloud66" / "cx.json"
    file.write_text('{"AccessToken":"BELT-3"}')
    file.chmod(0o600)
    assert ToolbeltStore().read() == Token("BELT-3")


@pytest.mark.parametrize("profile", ["someone@example.com", "Some+One@example.com", "team#1", "a'b", "größe"])
async def test_toolbelt_profile_may_be_an_email_address(toolbelt: Path, profile: str) -> None:
    file = toolbelt / f"cx_{profile.lower()}.json"
    file.write_text('{"AccessToken":"BELT-4"}')
    file.chmod(0o600)
    assert await ToolbeltStore(toolbelt).load(profile) == Token("BELT-4")


@pytest.mark.parametrize(
    ("expiry", "expires_at"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-01-01T02:00:00.000000000+02:00", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
async def test_expiry_of_a_toolbelt_login_is_read(toolbelt: Path, expiry: str, expires_at: datetime | None) -> None:
    (toolbelt / "cx.json").write_text(json.dumps({"AccessToken": "BELT-5", "Expiry": expiry}))
    token = await ToolbeltStore(toolbelt).load()
    assert token is not None
    assert token.expires_at == expires_at
    async with Cloud66(token, url="http://127.0.0.1:1", retry=Retry(attempts=1)) as c66:
        with pytest.raises(TransportError if expires_at is None else LoginError):
            await c66.stacks.list()


async def test_toolbelt_store_is_read_only(toolbelt: Path) -> None:
    store = ToolbeltStore(toolbelt)
    before = sorted((file.name, file.read_bytes()) for file in toolbelt.iterdir())
    with pytest.raises(ConfigError, match="read-only"):
        await store.save(TOKEN)
    with pytest.raises(ConfigError, match="read-only"):
        await store.delete()
    assert sorted((file.name, file.read_bytes()) for file in toolbelt.iterdir()) == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"AccessToken":"a","Expiry":"x"}',
        '{"AccessToken":null}',
        '{"AccessToken":"a b"}',
        '"BELT-9"',
        "5",
    ],
)
async def test_invalid_toolbelt_login_is_reported(toolbelt: Path, content: str) -> None:
    (toolbelt / "cx.json").write_text(content)
    with pytest.raises(ConfigError, match="log in with `cx` again") as caught:
        await ToolbeltStore(toolbelt).load()
    assert caught.value.__context__ is None


@pytest.mark.parametrize("profile", ["../cx", "a/b", "", "a b", "a\\b", "c:d", "a\0", "a\u202eb", "a\nb"])
async def test_toolbelt_profile_is_not_a_path(toolbelt: Path, profile: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        await ToolbeltStore(toolbelt).load(profile)


@posix
async def test_toolbelt_login_readable_by_others_is_rejected(toolbelt: Path) -> None:
    (toolbelt / "cx.json").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        await ToolbeltStore(toolbelt).load()


# --- users without a home directory, and CI recipes

SHOW_TOKEN = """
import os, pwd, sys

def unknown(uid):
    raise KeyError(uid)

pwd.getpwuid = unknown
from cloud66_async import Cloud66, ConfigError, Token
from cloud66_async.oauth import FileStore, ToolbeltStore, file_store

if sys.argv[1] == "without cli":
    file_store.is_available = lambda: False
try:
    client = Cloud66()
except ConfigError as error:
    print("ConfigError", error)
else:
    print(client._token.reveal(), client._token.expires_at)
if sys.argv[1] == "stores":
    print(ToolbeltStore().read())
    try:
        FileStore().write(Token("TOKEN-1"))
    except ConfigError as error:
        print("ConfigError", error)
"""


def show_token(directory: Path, argument: str = "", **environment: str) -> list[str]:
    """Return what a new process prints that has only these environment variables."""
    command = [sys.executable, "-W", "ignore", "-c", SHOW_TOKEN, argument]
    return subprocess.run(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, check=True, text=True
    ).stdout.splitlines()


@posix
def test_user_without_home_directory(tmp_path: Path) -> None:
    for argument in ("with cli", "without cli"):
        [line] = show_token(tmp_path, argument)
        assert line.startswith("ConfigError no token")
    _, toolbelt_login, error = show_token(tmp_path, "stores")
    assert toolbelt_login == "None"
    assert error.startswith("ConfigError no directory for logins")
    assert list(tmp_path.iterdir()) == []


@posix
def test_configuration_directory_without_home_directory(tmp_path: Path) -> None:
    FileStore(tmp_path / "cloud66-async" / "logins.json").write(PLAIN)
    assert show_token(tmp_path, XDG_CONFIG_HOME=str(tmp_path)) == ["TOKEN-2 None"]


def toolbelt_variable(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


@posix
def test_token_of_the_toolbelt_in_the_environment(tmp_path: Path) -> None:
    login = toolbelt_variable('{"AccessToken":"BELT-6","RefreshToken":"","Expiry":"2100-01-01T00:00:00Z"}')
    assert show_token(tmp_path, CLOUD66_TOKEN=login) == ["BELT-6 2100-01-01 00:00:00+00:00"]
    wrapped = f"{login[:20]}\n{login[20:]}\n"  # as `base64` prints it
    assert show_token(tmp_path, CLOUD66_TOKEN=wrapped)[0].startswith("BELT-6")
    assert show_token(tmp_path, CLOUD66_TOKEN=login, CLOUD66_ACCESS_TOKEN="TOKEN-1")[0].startswith("TOKEN-1")
    # It is a login at Cloud 66 itself.
    assert show_token(tmp_path, CLOUD66_TOKEN=login, CLOUD66_URL=SANDBOX)[0].startswith("ConfigError no token")


@posix
@pytest.mark.parametrize("value", ["BELT-7", "BELT7BEL", toolbelt_variable('{"AccessToken":"BELT 7"}'), "é"])
def test_invalid_toolbelt_variable_is_reported(tmp_path: Path, value: str) -> None:
    [line] = show_token(tmp_path, CLOUD66_TOKEN=value)
    assert line.startswith("ConfigError invalid CLOUD66_TOKEN")
    assert value not in line


# --- the keyring


async def test_missing_keyring_is_reported() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(ConfigError, match=r"keyring failed \(NoKeyringError\); store logins in a file") as caught:
            await KeyringStore().load()
    finally:
        keyring.set_keyring(before)
    assert caught.value.__context__ is None


async def test_keyring_that_stores_nothing_is_reported() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(ConfigError, match="did not store the login"):
            await KeyringStore().save(TOKEN)
    finally:
        keyring.set_keyring(before)


async def test_keyring_error_does_not_contain_the_token(
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(service: str, username: str, password: str) -> None:
        raise keyring.errors.PasswordSetError(f"cannot store {password}")

    monkeypatch.setattr(memory_keyring, "set_password", fail)
    with pytest.raises(ConfigError, match="PasswordSetError") as caught:
        await KeyringStore().save(TOKEN)
    assert "TOKEN-1" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ["", "TOKEN-9", "{}", "[]", '{"access_token":"a b"}'])
async def test_invalid_keyring_entry_is_reported(memory_keyring: MemoryKeyring, text: str) -> None:
    await KeyringStore().save(TOKEN)
    [key] = memory_keyring.entries
    memory_keyring.entries[key] = text
    with pytest.raises(ConfigError, match="invalid login in the system keyring"):
        await KeyringStore().load()


def test_missing_keyring_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'cloud66-async\[keyring\]'"):
        KeyringStore()
