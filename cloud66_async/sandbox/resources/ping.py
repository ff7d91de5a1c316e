"""Ping in the sandbox."""

from __future__ import annotations

from ...resources import ping as api
from ..handling import Bare, Context, handles
from ..samples import account_name
from ..table import Record
from .users import current_user

__all__: list[str] = []


@handles(api.CHECK)
def check(_context: Context) -> Record:
    """Respond that the server works."""
    return {"ok": True, "message": "pong"}


@handles(api.CHECK_TOKEN)
def check_token(context: Context) -> Bare:
    """Return whom the token belongs to, without an envelope."""
    account = context.accounts[0]
    return Bare(
        {
            "ok": True,
            "message": "pong",
            "user_id": current_user(context)["id"],
            "user_name": context.user,
            "account_id": account,
            "account_name": account_name(account),
            "scope": " ".join(context.grant.scopes) if context.grant is not None else "",
        }
    )
