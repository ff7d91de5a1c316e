"""Accounts: the organizations that the user belongs to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import get, many
from ..pager import Pager
from ..secret import Secret
from ._resource import Resource

if TYPE_CHECKING:
    from . import Resources

__all__ = ["Account", "Accounts", "OneTimePassword", "UnmanagedServer"]


@attrs.frozen(kw_only=True)
class UnmanagedServer(Model):
    """A server of an account's cloud provider that Cloud 66 does not manage."""

    id: str  # ID of the server at the cloud provider
    name: str | None = None
    vendor: str | None = None  # name of the cloud provider
    ip: str | None = None


@attrs.frozen(kw_only=True)
class Account(Model):
    """One account. `unmanaged_servers` is set only if it was requested."""

    id: int
    owner: str | None = None  # e-mail address of the owner
    friendly_name: str | None = None
    stack_count: int | None = None
    used_clouds: tuple[str, ...] | None = None  # names of the cloud providers
    current_account: bool | None = None  # whether it is the user's primary account
    unmanaged_servers: tuple[UnmanagedServer, ...] | None = None
    server_registration_script: Secret | None = None  # shell command that registers a server
    configstore_namespace: str | None = None  # UUID of the namespace in the config store
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class OneTimePassword(Model):
    """A one-time password."""

    otp: Secret
    ok: bool | None = None


LIST = get("/accounts.json", many(Account), scope="users")
GET = get("/accounts/{account:int}.json", Account, scope="users", query={"include_servers": bool | None})
GET_OTP = get("/accounts/otp.json", OneTimePassword)


class Accounts(Resource):
    """Accounts that the user belongs to."""

    def list(self) -> Pager[Account]:
        """List the accounts that the user belongs to."""
        return self._pages(LIST.bind())

    async def get(self, account: int, *, include_servers: bool = False) -> Account:
        """Return the account with this ID.

        With `include_servers`, the user's primary account also has its `unmanaged_servers`.
        """
        return await self._call(GET.bind(account=account, include_servers=include_servers or None))

    async def each_account(self) -> AsyncIterator[tuple[Account, Resources]]:
        """Yield every account with the resources of a view that acts for it.

        For example `async for account, c66 in c66.accounts.each_account(): await c66.stacks.list()`. The views share
        everything else with this client, also the hourly quota.
        """
        from . import Resources  # imported lazily: it is the package that this module belongs to

        async for account in self.list():
            view = Resources()
            view._sender = self._sender.for_account(account.id)  # noqa: SLF001  a view like those of `using`
            yield account, view

    async def get_otp(self) -> OneTimePassword:
        """Return a one-time password for the account (known from the official client)."""
        return await self._call(GET_OTP.bind())
