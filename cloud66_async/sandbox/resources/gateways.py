"""Gateways in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from ...resources import gateways as api
from ..handling import Context, Listing, handles, missing
from ..parameters import bad_request
from ..samples import timestamp
from ..table import Kind, Record, Table, register

__all__ = ["GATEWAYS"]

_NO_KEY = "N/A"


def sample(account: int) -> Iterator[Record]:
    """Yield a gateway that is closed."""
    yield {
        "id": 400 + account,
        "name": "office-bastion",
        "username": "deploy",
        "address": "203.0.113.20",
        "private_ip": "10.0.0.2",
        "ttl": None,
        "content": _NO_KEY,
        "created_by": "ada@example.com",
        "updated_by": "ada@example.com",
        "created_at_iso": "2025-03-14T09:26:53Z",
        "updated_at_iso": "2025-03-14T09:26:53Z",
    }


GATEWAYS = register(
    Kind(
        "gateway",
        model=api.Gateway,
        owners=("account",),
        sample=sample,
        defaults={
            "username": None,
            "address": None,
            "private_ip": None,
            "ttl": None,
            "content": _NO_KEY,
            "created_at_iso": None,
            "updated_at_iso": None,
        },
    )
)


def _gateways(context: Context, account: str) -> Table[Record]:
    """Return the gateways of the account, after those whose time is over were closed."""
    number = next((known for known in context.accounts if str(known) == account), None)
    if number is None:
        raise missing("account")
    table = context.world.table(GATEWAYS, number)
    for record in table.list():
        if record["ttl"] is not None and record["ttl"] <= timestamp(context.now):
            record.update(ttl=None, content=_NO_KEY)
    return table


@handles(api.LIST)
def list_gateways(context: Context, account: str) -> Listing[Record]:
    """List the gateways."""
    return Listing(_gateways(context, account).list())


@handles(api.CREATE)
def create_gateway(context: Context, account: str) -> Record:
    """Create a gateway. The response has no message."""
    _gateways(context, account).create({**_fields(context), "created_by": context.user})
    return {"ok": True}


@handles(api.UPDATE)
def update_gateway(context: Context, account: str, gateway: str) -> Record:
    """Change or open a gateway. The response has no message."""
    table = _gateways(context, account)
    with suppress(KeyError):
        table.update(gateway, _fields(context))
        return {"ok": True}
    raise missing("gateway")


@handles(api.DELETE)
def delete_gateway(context: Context, account: str, gateway: str) -> Record:
    """Delete a gateway. The response is empty in the documentation, but the official client requires an envelope."""
    table = _gateways(context, account)
    with suppress(KeyError):
        table.delete(gateway)
        return {"ok": True}
    raise missing("gateway")


def _fields(context: Context) -> Record:
    """Return the fields that are given, with the time at which the gateway closes for the seconds until then."""
    fields: Record = {**context.parameters, "updated_by": context.user}
    if fields.get("name") == "":
        raise bad_request("name must not be empty")
    seconds = fields.get("ttl")
    if seconds is not None:
        if not 0 < seconds <= 366 * 86_400:
            raise bad_request("ttl must be a number of seconds, at most a year")
        fields["ttl"] = timestamp(context.now + timedelta(seconds=seconds))
    return fields
