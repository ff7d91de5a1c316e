"""The commands `whoami`, `accounts` and `quota`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ...client import Cloud66
from ...errors import Cloud66Error
from ...quota import Quota, next_hour
from ...resources.accounts import Account
from ...resources.ping import Identity
from ..logins import Login, described, environment_variable, find_login, site, store
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, AsJSON, Output
from ..running import run
from ..terminal.console import plain
from ..terminal.output import Field, Listing, print_details

__all__ = ["ACCOUNTS", "accounts", "identity_lines", "quota", "whoami"]

_MAX_PATH = 4096

ACCOUNTS: Listing[Account] = Listing.of_models(
    "account",
    Field("id", lambda account: account.id),
    Field("name", lambda account: account.friendly_name),
    Field("owner", lambda account: account.owner),
    Field("stacks", lambda account: account.stack_count),
    Field("clouds", lambda account: ", ".join(account.used_clouds or ()), dropped=1),
    Field("current", lambda account: bool(account.current_account)),
    Field("created", lambda account: account.created_at, extra=True),
)


def whoami(*, access: Access = DEFAULT_ACCESS, json: AsJSON = False) -> None:
    """Show who is logged in, where, with which token and scopes, and the quota.

    Of the token, only the end is shown.
    """
    run(_whoami(access, json_output=json))


def accounts(*, access: Access = DEFAULT_ACCESS, output: Output = DEFAULT_OUTPUT) -> None:
    """List the accounts that the user belongs to.

    Other commands act for one of them with --account and its ID. Needs a token with the scope users.
    """
    run(_accounts(access.open(), output))


def quota(*, access: Access = DEFAULT_ACCESS, json: AsJSON = False) -> None:
    """Show how many requests are left this hour. It takes one request to find out."""
    run(_quota(access.open(), json_output=json))


async def _whoami(access: Access, *, json_output: bool) -> None:
    async with access.open() as c66:
        identity = await c66.ping.check_token()
        found: list[Account] = []
        with suppress(Cloud66Error):  # needs the scope `users`
            found = await c66.accounts.list()
        left = c66.quota
    login = find_login(access.profile)
    number = f"; {len(found)} accounts: see cloud66-async accounts" if len(found) > 1 else ""
    lines = identity_lines(identity, scopes=_scopes(identity, login))
    names = dict(lines)
    details = (
        ("User", names["User"]),
        ("Account", names["Account"] and f"{names['Account']}{number}"),
        ("Server", names["Server"]),
        ("Token", "" if login is None else described(login)),
        ("File", "" if login is None or login.path is None else plain(login.path, max_length=_MAX_PATH)),
        ("Scopes", names["Scopes"]),
        ("Quota", _quota_text(left)),
        ("Note", _note(access.profile, login)),
    )
    print_details(details, _data(identity, login, left, found), json_output=json_output)


async def _accounts(c66: Cloud66, output: Output) -> None:
    async with c66:
        found = await c66.accounts.list()
    output.show(ACCOUNTS, found)


async def _quota(c66: Cloud66, *, json_output: bool) -> None:
    async with c66:
        await c66.ping.check_token()
        left = c66.quota
    resets = next_hour(datetime.now(UTC))
    details = (
        ("Limit", "unknown: the server does not say" if left.limit is None else f"{left.limit:,} requests an hour"),
        ("Remaining", "" if left.remaining is None else f"{left.remaining:,} requests"),
        ("Resets", f"{resets.astimezone():%H:%M}"),
    )
    data = {"limit": left.limit, "remaining": left.remaining, "resets_at": _iso(resets)}
    print_details(details, data, json_output=json_output)


def identity_lines(identity: Identity, *, scopes: str) -> list[tuple[str, str]]:
    """Return whom a token belongs to, as names with texts. A text is empty if the API does not say."""
    return [
        ("User", _named(identity.user_name, identity.user_id)),
        ("Account", _named(identity.account_name, identity.account_id)),
        ("Server", site()),
        ("Scopes", scopes),
    ]


def _named(name: str | None, number: int | None) -> str:
    return " ".join(part for part in (plain(name), "" if number is None else f"(id {number})") if part)


def _scopes(identity: Identity, login: Login | None) -> str:
    known = None if login is None else login.token.scopes
    return plain(" ".join(known) if known else identity.scope or "unknown: Cloud 66 does not say")


def _quota_text(left: Quota) -> str:
    if left.remaining is None or left.limit is None:
        return ""
    until = next_hour(datetime.now(UTC)).astimezone()
    return f"{left.remaining:,} of {left.limit:,} requests left until {until:%H:%M}"


def _note(profile: str | None, login: Login | None) -> str:
    """Return which variable of the environment decides, or does not although it is set."""
    variable = environment_variable()
    if variable is None:
        return ""
    if profile is not None:
        return f"{variable} is set, but --profile comes first"
    with suppress(Cloud66Error):
        if login is not None and login.profile is None and store().profiles():
            return f"{variable} is set and comes before the stored login; unset it to use that"
    return ""


def _data(identity: Identity, login: Login | None, left: Quota, found: list[Account]) -> Mapping[str, Any]:
    scopes = None if login is None else login.token.scopes
    return {
        "user_id": identity.user_id,
        "user_name": identity.user_name,
        "account_id": identity.account_id,
        "account_name": identity.account_name,
        "accounts": len(found) or None,
        "server": site(),
        "token_origin": None if login is None else login.origin,
        "profile": None if login is None else login.profile,
        "file": None if login is None or login.path is None else str(login.path),
        "scopes": list(scopes or (identity.scope or "").split()) or None,
        "limit": left.limit,
        "remaining": left.remaining,
    }


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
