"""Stored logins as encrypted values, for stores that several processes share."""

from __future__ import annotations

from .._core.arguments import check_text
from ..config import Address
from ..errors import ConfigError
from ..oauth.store import from_fields, to_fields
from ..token import Token
from .sealing import Sealer

__all__ = ["SealedLogins"]

_MAX_LENGTH = 255  # bytes: enough for an e-mail address, and not too long for an index of a database


class SealedLogins:
    """The logins of one site. Each is sealed for its site, profile and account."""

    def __init__(self, site: str, key_variable: str) -> None:
        self.site: str = Address.parse(site).site
        if len(self.site) > _MAX_LENGTH:
            raise ConfigError(f"invalid site: a URL of more than {_MAX_LENGTH} characters")
        self._sealer = Sealer(key_variable)
        self._key_variable = key_variable

    def row(self, profile: str, account: str | None) -> tuple[str, str, str]:
        """Return the site, the profile and the account ("" for none). Raises TypeError and ConfigError."""
        account = "" if account is None else account
        for name, text in (("profile", profile), ("account", account)):
            check_text(name, text)
            encoded = text.encode("utf-8", "replace")
            if len(encoded) > _MAX_LENGTH or "\0" in text or encoded.decode() != text:
                raise ConfigError(
                    f"invalid {name}: expected at most {_MAX_LENGTH} bytes of UTF-8, without NUL and surrogates"
                )
        return self.site, profile, account

    def seal(self, row: tuple[str, str, str], token: Token) -> bytes:
        """Return the token encrypted. Raises TypeError, and ConfigError if there is no key."""
        if not isinstance(token, Token):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid token: expected a Token, not {type(token).__name__}")
        return self._sealer.seal(("login", *row), to_fields(token))

    def open(self, row: tuple[str, str, str], sealed: bytes | None) -> Token | None:
        """Return the token, or None if there is none. Raises ConfigError if it cannot be decrypted."""
        if sealed is None:
            return None
        token = from_fields(self._sealer.open(("login", *row), sealed))
        if token is None:
            raise ConfigError(f"invalid login of the profile {row[1]!r}; delete it and log in again")
        return token

    def reseal(self, sealed: bytes) -> bytes | None:
        """Return the login encrypted with the newest key, or None if no key fits. Raises ConfigError."""
        return self._sealer.reseal(sealed)

    def check_resealed(self, failed: int) -> None:
        """Raise ConfigError if a number of logins could not be encrypted again."""
        if failed:
            raise ConfigError(
                f"cannot encrypt {failed} logins again: no key in {self._key_variable} fits; "
                "add the key that they were stored with, or delete them"
            )
