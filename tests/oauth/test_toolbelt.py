"""Logins of the official toolbelt, and users without a home directory."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud66_async import Cloud66, Retry
from cloud66_async.errors import ConfigError, LoginError, TransportError
from cloud66_async.oauth import FileStore, TokenStore, ToolbeltStore
from cloud66_async.token import Token

from .stored import PLAIN, SANDBOX, TOKEN, posix


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
    print(client._view.token.reveal(), client._view.token.expires_at)
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
