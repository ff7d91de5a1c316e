"""Ping in the sandbox."""

from __future__ import annotations

from ...resources import ping as api
from ..handling import Context, handles
from ..table import Record
from .users import current_user

__all__: list[str] = []


@handles(api.CHECK)
def check(_context: Context) -> Record:
    """Respond that the server works."""
    return {"ok": True, "message": "pong"}


@handles(api.CHECK_TOKEN)
def check_token(context: Context) -> Record:
    """Return whom the token belongs to."""
    account = context.accounts[0]
    return {
        "ok": True,
        "message": "pong",
        "user_id": current_user(context)["id"],
        "user_name": context.user,
        "account_id": account,
        "account_name": context.world.account_name(account),
        "scope": " ".join(context.grant.scopes) if context.grant is not None else "",
    }
