"""Encryption of what several processes share through Redis or a database: logins, sessions, responses.

The key comes from an environment variable, so that access to the store alone does not reveal a token. Requires the
extra `redis` or `sql`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from .._core.arguments import check_text
from ..errors import ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["KEY_VARIABLE", "Sealer", "new_key"]

KEY_VARIABLE: Final = "CLOUD66_STORE_KEY"
"""The environment variable that holds the keys."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=")
_HOW_TO_CREATE = "python -c 'from cloud66_async.integrations.sealing import new_key; print(new_key())'"
_NEEDS_EXTRA = (
    "encryption requires an optional package; run: pip install 'cloud66-async[redis]' or 'cloud66-async[sql]'"
)


def new_key() -> str:
    """Return a new random key: 32 bytes in URL-safe Base64, for the environment variable CLOUD66_STORE_KEY."""
    key: bytes = _fernet().Fernet.generate_key()
    return key.decode()


class Sealer:
    """Encrypts values with the keys in an environment variable, and decrypts them (Fernet: AES-CBC and HMAC-SHA-256).

    The variable holds one key, or several that are separated by commas: the first one encrypts, and all of them
    decrypt. To change the key, put a new one in front, restart all processes, encrypt stored values again, and then
    remove the old one.

    A sealed value contains its place, for example the site and the profile of a login. Who can write to the store but
    does not have the key can therefore not give one user the login of another. `__init__` raises ConfigError if this
    is not the name of a variable; the variable is read on first use.
    """

    __slots__ = ("_keys", "_variable")

    def __init__(self, variable: str = KEY_VARIABLE) -> None:
        check_text("key_variable", variable)
        if _NAME.fullmatch(variable) is None:
            del variable  # it may be the key itself, and a traceback may show local variables
            raise ConfigError(
                f"invalid key_variable: expected the name of an environment variable, such as {KEY_VARIABLE}"
            )
        self._variable = variable
        self._keys: MultiFernet | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._variable!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._variable,)  # the other process has the key in its own environment

    def seal(self, place: Sequence[str], value: object) -> bytes:
        """Return the JSON-ready `value` encrypted and bound to `place`. Raises ConfigError if there is no key."""
        try:
            keys = self._read_keys()
        except ConfigError:
            del value  # a traceback may show local variables
            raise
        return keys.encrypt(json.dumps([list(place), value]).encode())

    def open(self, place: Sequence[str], sealed: bytes) -> Any:
        """Return the value that was sealed for `place`. Raises ConfigError if no key fits, or if the place is wrong."""
        content = self._decrypt(sealed)
        if content is None:
            raise ConfigError(
                f"cannot decrypt a stored value: no key in {self._variable} fits; "
                "add the key that it was stored with, or delete the value"
            )
        found, value = content
        if found != list(place):
            del content, value  # a traceback may show local variables
            raise ConfigError("a stored value belongs to another entry: somebody has changed the store; delete it")
        return value

    def reseal(self, sealed: bytes) -> bytes | None:
        """Return the same value encrypted with the first key, or None if no key fits. Raises ConfigError."""
        keys = self._read_keys()
        try:
            return keys.rotate(sealed)
        except (_fernet().InvalidToken, TypeError):
            return None

    def _decrypt(self, sealed: bytes) -> tuple[Any, Any] | None:
        """Return the place and the value, or None if no key fits."""
        keys = self._read_keys()
        try:
            place, value = json.loads(keys.decrypt(sealed))
        except (_fernet().InvalidToken, ValueError, TypeError):
            return None
        return place, value

    def _read_keys(self) -> MultiFernet:
        if self._keys is None:
            self._keys = _parse_keys(self._variable)
        return self._keys


def _parse_keys(variable: str) -> MultiFernet:
    module = _fernet()
    texts = [part.strip() for part in os.environ.get(variable, "").split(",") if part.strip()]
    if not texts:
        raise ConfigError(f"{variable} is not set; create a key and set it: {_HOW_TO_CREATE}")
    keys: MultiFernet | None = None
    if all(map(_KEY.fullmatch, texts)):  # Fernet ignores what follows a key, for example a second key after a space
        keys = module.MultiFernet([module.Fernet(text) for text in texts])
    del texts  # a traceback may show local variables
    if keys is None:
        raise ConfigError(
            f"invalid key in {variable}: expected 32 bytes in URL-safe Base64; create one: {_HOW_TO_CREATE}"
        )
    return keys


def _fernet() -> Any:
    try:
        from cryptography import fernet
    except ImportError:
        raise ConfigError(_NEEDS_EXTRA) from None
    return fernet
