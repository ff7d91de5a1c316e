"""Logging in: OAuth 2 by code, for web applications, terminals and scripts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Cloud66OAuth2Client
    from .file_store import FileStore
    from .login import OUT_OF_BAND, Login
    from .loopback import login_with_browser, login_with_code
    from .store import MemoryStore, TokenStore, ToolbeltStore

__all__ = [
    "OUT_OF_BAND",
    "Cloud66OAuth2Client",
    "FileStore",
    "Login",
    "MemoryStore",
    "TokenStore",
    "ToolbeltStore",
    "login_with_browser",
    "login_with_code",
]

# Authlib takes a tenth of a second to import: only who touches the client pays for it.
_HOMES = {
    "OUT_OF_BAND": "login",
    "Cloud66OAuth2Client": "client",
    "FileStore": "file_store",
    "Login": "login",
    "MemoryStore": "store",
    "TokenStore": "store",
    "ToolbeltStore": "store",
    "login_with_browser": "loopback",
    "login_with_code": "loopback",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
