"""Encryption of stored values: keys, rotation, places."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys

import pytest

from cloud66_async import ConfigError
from cloud66_async.integrations.sealing import KEY_VARIABLE, Sealer, new_key

from .conftest import STORE_KEY
from .logins import NEW_KEY, OLD_KEY
from .servers import require_package

PLACE = ("login", "https://app.cloud66.com", "ann")
STORED_SECRET = "STORED-TOKEN-1"
INVALID_SECRET = "hunter2-hunter2"

pytestmark = pytest.mark.usefixtures("_cryptography")


@pytest.fixture
def _cryptography() -> None:
    require_package("cryptography", "redis")


def with_keys(monkeypatch: pytest.MonkeyPatch, *keys: str) -> Sealer:
    """Return a sealer of a process that was started with these keys."""
    monkeypatch.setenv(KEY_VARIABLE, ",".join(keys))
    return Sealer()


def test_value_is_encrypted_and_bound_to_its_place() -> None:
    sealer, value = Sealer(), {"access_token": STORED_SECRET, "scopes": None, "☃": ["\ud800", 1]}
    sealed = sealer.seal(PLACE, value)
    assert sealer.open(PLACE, sealed) == value
    assert sealer.seal(PLACE, value) != sealed
    for text in (sealed, base64.urlsafe_b64decode(sealed)):
        assert STORED_SECRET.encode() not in text
        assert b"ann" not in text
    for other in (("login", "https://app.cloud66.com", "bob"), ("session", *PLACE[1:]), PLACE[:2], (*PLACE, "")):
        with pytest.raises(ConfigError, match="belongs to another entry: somebody has changed the store") as caught:
            sealer.open(other, sealed)
        assert caught.value.__context__ is None


def test_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    old = with_keys(monkeypatch, OLD_KEY)
    sealed = old.seal(PLACE, STORED_SECRET)
    both = with_keys(monkeypatch, f" {NEW_KEY} ", f"{OLD_KEY}\n")
    assert both.open(PLACE, sealed) == STORED_SECRET
    resealed = both.reseal(sealed)
    assert resealed is not None
    new = with_keys(monkeypatch, NEW_KEY)
    for found in (resealed, both.seal(PLACE, STORED_SECRET)):
        assert new.open(PLACE, found) == STORED_SECRET
        with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
            old.open(PLACE, found)
    with pytest.raises(ConfigError, match="add the key that it was stored with, or delete the value") as caught:
        new.open(PLACE, sealed)
    assert caught.value.__context__ is None
    assert new.reseal(sealed) is None


@pytest.mark.parametrize("sealed", [b"", b"x", b"\xff" * 200, base64.urlsafe_b64encode(b"\x80" * 120)])
def test_damaged_value(sealed: bytes) -> None:
    with pytest.raises(ConfigError, match="no key in CLOUD66_STORE_KEY fits"):
        Sealer().open(PLACE, sealed)
    assert Sealer().reseal(sealed) is None


@pytest.mark.parametrize("keys", [None, "", " , "])
def test_missing_key(monkeypatch: pytest.MonkeyPatch, keys: str | None) -> None:
    """No frame of the error shows the value that was to be sealed; tests/leaks.py checks that."""
    if keys is None:
        monkeypatch.delenv(KEY_VARIABLE)
    else:
        monkeypatch.setenv(KEY_VARIABLE, keys)
    with pytest.raises(
        ConfigError, match="CLOUD66_STORE_KEY is not set; create a key and set it: python -c "
    ) as caught:
        Sealer().seal(PLACE, STORED_SECRET)
    command = str(caught.value).partition("set it: ")[2]
    created = subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True, capture_output=True)
    monkeypatch.setenv(KEY_VARIABLE, created.stdout.decode())
    assert Sealer().open(PLACE, Sealer().seal(PLACE, 1)) == 1


@pytest.mark.parametrize(
    "key", [INVALID_SECRET, STORE_KEY[:-4], STORE_KEY * 2, f"{OLD_KEY} {NEW_KEY}", "\udcff" * 44, f"{STORE_KEY},x"]
)
def test_invalid_key_is_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(ConfigError, match="expected 32 bytes in URL-safe Base64") as caught:
        Sealer().seal(PLACE, 1)
    assert key not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["", "A B", "A=B", "a\0b", "\ud800", STORE_KEY])
def test_invalid_name_of_a_variable_is_not_shown(name: str) -> None:
    """It may be the key itself."""
    with pytest.raises(
        ConfigError, match="invalid key_variable: expected the name of an environment variable"
    ) as caught:
        Sealer(name)
    assert not name or name not in str(caught.value)


def test_sealer_pickles_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", NEW_KEY)
    sealer = Sealer("OTHER_KEY")
    sealed = sealer.seal(PLACE, 1)
    pickled = pickle.dumps(sealer)
    assert b"OTHER_KEY" in pickled
    assert NEW_KEY.encode() not in pickled
    assert base64.urlsafe_b64decode(NEW_KEY)[:16] not in pickled
    assert pickle.loads(pickled).open(PLACE, sealed) == 1
    assert repr(sealer) == "Sealer('OTHER_KEY')"


def test_new_keys_differ() -> None:
    assert len({new_key() for _ in range(20)}) == 20
    assert all(len(base64.urlsafe_b64decode(new_key())) == 32 for _ in range(20))


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.delitem(sys.modules, "cryptography.fernet", raising=False)
    for call in (new_key, lambda: Sealer().seal(PLACE, STORED_SECRET)):
        with pytest.raises(ConfigError, match=r"pip install 'cloud66-async\[redis\]' or 'cloud66-async\[sql\]'"):
            call()


def test_environment_is_read_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    sealer = Sealer()
    os.environ[KEY_VARIABLE] = STORE_KEY
    assert sealer.open(PLACE, sealer.seal(PLACE, 1)) == 1
