"""OAuth 2 logins with the authorization code flow, for web applications, terminals and scripts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .callback import OUT_OF_BAND
    from .client import Cloud66OAuth2Client
    from .file_store import FileStore
    from .login import Login
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

# Imported lazily: Authlib takes 100 ms, and only the client needs it.
_MODULES = {
    "OUT_OF_BAND": "callback",
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
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)
