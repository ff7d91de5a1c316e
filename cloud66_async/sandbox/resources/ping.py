"""Ping in the sandbox."""

from __future__ import annotations

from ...resources import ping as api
from ..handling import Context, handles
from ..table import Record

__all__: list[str] = []


@handles(api.CHECK, api.CHECK_TOKEN)
def check(_context: Context) -> Record:
    """Respond that the server, or the token, works."""
    return {"ok": True, "message": "pong"}
