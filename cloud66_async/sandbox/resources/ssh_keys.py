"""SSH keys in the sandbox."""

from __future__ import annotations

import base64
import binascii

from ...resources import ssh_keys as api
from ..handling import Context, handles, missing
from ..parameters import bad_request
from ..table import Kind, Record, Table, register
from .users import USERS, current_user

__all__ = ["ACCESS_KEYS"]

ACCESS_KEYS: Kind[Record] = register(Kind("access key", model=api.AccessPublicKey, key="public_key", parent=USERS))
_PREFIXES = ("ssh-", "ecdsa-", "sk-")


def _keys(context: Context) -> Table[Record]:
    """Return the keys of the user: one, or none."""
    return context.world.table(ACCESS_KEYS, current_user(context))


@handles(api.GET_ACCESS_KEY)
def get_access_key(context: Context) -> Record:
    """Return the public key of the user. That it is not in base64 is a guess."""
    for record in _keys(context).list():
        return record
    raise missing("access key")


@handles(api.SET_ACCESS_KEY)
def set_access_key(context: Context) -> Record:
    """Set the public key of the user, which is in base64. The official client ignores what is in the envelope."""
    try:
        key = base64.b64decode(context.parameters["public_key"], validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad_request("public_key must be in base64") from None
    if not key.startswith(_PREFIXES):
        raise bad_request("public_key must be the public key of an SSH key")
    table = _keys(context)
    table.records.clear()
    table.add({"public_key": key})
    return {"ok": True}
