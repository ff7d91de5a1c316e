"""Accounts in the sandbox."""

from __future__ import annotations

import uuid

from ...resources import accounts as api
from ..handling import Context, Listing, handles, missing
from ..samples import account_owner, sample_hash, sample_uid
from ..table import Record

__all__ = ["account_namespace"]

_OTP_SECONDS = 30


def account_namespace(account: int) -> str:
    """Return the namespace of this account in the config store."""
    return str(uuid.UUID(sample_uid("configstore", "account", account)))


@handles(api.LIST)
def list_accounts(context: Context) -> Listing[Record]:
    """List the accounts of the user."""
    return Listing([_account(context, account) for account in context.accounts])


@handles(api.GET)
def get_account(context: Context, account: str) -> Record:
    """Return one account, with its unmanaged servers if it is the user's own and they were requested."""
    number = next((known for known in context.accounts if str(known) == account), None)
    if number is None:
        raise missing("account")
    found = _account(context, number)
    if context.parameters.get("include_servers") and found["current_account"]:
        name, vendor = f"legacy-{number}", "DigitalOcean"
        found["unmanaged_servers"] = [{"id": str(30_000 + number), "name": name, "vendor": vendor, "ip": "203.0.113.9"}]
    return found


@handles(api.GET_OTP)
def get_otp(context: Context) -> Record:
    """Return the user's one-time password, which changes every 30 seconds."""
    period = int(context.now.timestamp()) // _OTP_SECONDS
    return {"ok": True, "otp": f"{int(sample_hash('otp', context.user, period), 16) % 10**6:06}"}


def _account(context: Context, account: int) -> Record:
    """Return every field of an account. The first account of a user is the user's own."""
    own = context.grant is not None and context.grant.user is not None and context.grant.user.accounts[0] == account
    stacks = context.world.visible((account,))
    key = sample_uid("registration", account)
    return {
        "id": account,
        "owner": account_owner(account),
        "friendly_name": context.world.account_name(account),
        "stack_count": len(stacks),
        "used_clouds": sorted({stack.data["cloud"] for stack in stacks} - {"no_cloud"}),
        "current_account": own,
        "unmanaged_servers": None,
        "server_registration_script": f"curl -s https://register.cloud66.example.com | sudo bash -s -- {key}",
        "configstore_namespace": account_namespace(account),
        # The documentation has the names with _iso, the official client reads the others.
        **dict.fromkeys(("created_at", "created_at_iso"), "2021-04-06T08:30:00Z"),
        **dict.fromkeys(("updated_at", "updated_at_iso"), "2025-11-20T16:45:12Z"),
    }
