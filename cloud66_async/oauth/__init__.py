"""Logging in: OAuth 2 by code, for web applications, terminals and scripts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Cloud66OAuth2Client
    from .login import OUT_OF_BAND, Login

__all__ = ["OUT_OF_BAND", "Cloud66OAuth2Client", "Login"]

# Authlib takes a tenth of a second to import: only who touches the client pays for it.
_HOMES = {"OUT_OF_BAND": "login", "Cloud66OAuth2Client": "client", "Login": "login"}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
