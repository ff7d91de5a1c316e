"""Devices in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ...resources import devices as api
from ...resources.devices import DeviceSubType, DeviceType
from ..handling import Context, also_at, handles, missing
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import legacy_timestamp, sample_hash, timestamp
from ..table import Kind, Record, Table, register
from .users import USERS, find_user

__all__ = ["DEVICES"]

_TIMES = ("created_at", "updated_at", "created_at_iso", "updated_at_iso")
_DEFAULTS: Record = {"device_type": DeviceType.IOS.value, "enabled": True, **dict.fromkeys(_TIMES)}


def sample(user: Record) -> Iterator[Record]:
    """Yield the iPad of a user with a verified phone number."""
    if user["has_valid_phone"]:
        yield {
            "token": sample_hash("device", user["email"]),
            "device_type": DeviceType.IOS.value,
            "sub_type": DeviceSubType.IPAD.value,
            "enabled": True,
            "created_at": "2025-06-02 07:41:18 UTC",
            "updated_at": "2025-06-02 07:41:18 UTC",
            "created_at_iso": "2025-06-02T07:41:18Z",
            "updated_at_iso": "2025-06-02T07:41:18Z",
        }


DEVICES = register(Kind("device", model=api.Device, key="token", sample=sample, parent=USERS, defaults=_DEFAULTS))


def _devices(context: Context, user: str) -> Table[Record]:
    """Return the devices of the user."""
    return context.world.table(DEVICES, find_user(context, user))


@handles(api.CREATE)
def create_device(context: Context, user: str) -> Record:
    """Register a device."""
    table, given = _devices(context, user), context.parameters
    if not given["token"]:
        raise bad_request("token must not be empty")
    if any(device["token"] == given["token"] for device in table.list()):
        raise Rejected(error_reply(409, "conflict", "There is a device with this token"))
    times = {"created_at": legacy_timestamp(context.now), "updated_at": legacy_timestamp(context.now)}
    times |= {f"{name}_iso": timestamp(context.now) for name in times}
    return table.add({**given, "enabled": True, **times})


@handles(api.UPDATE)
def update_device(context: Context, user: str, device: str | None = None) -> None:
    """Change a device, whose token is in the path or in the body."""
    token = context.request.data.get("token") if device is None else device
    times = {"updated_at": legacy_timestamp(context.now), "updated_at_iso": timestamp(context.now)}
    table = _devices(context, user)
    with suppress(KeyError):
        table.update(token, {**context.parameters, **times})
        return
    raise missing("device")


also_at("PUT", "/users/{user}/devices", api.UPDATE)


@handles(api.DELETE)
def delete_device(context: Context, user: str, device: str) -> None:
    """Delete a device."""
    table = _devices(context, user)
    with suppress(KeyError):
        table.delete(device)
        return
    raise missing("device")
