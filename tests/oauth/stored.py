"""Tokens to store, and a keyring to store them in."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import keyring
import keyring.backend
import pytest

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
