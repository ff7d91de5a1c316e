"""Devices: mobile devices of a user, which receive push notifications."""

from __future__ import annotations

import attrs

from .._core.model import IsoTimestamp, Model, OpenIntEnum, Timestamp
from ..operation import delete, post, put
from ..secret import Secret, conceal
from ._resource import Resource

__all__ = ["Device", "DeviceSubType", "DeviceType", "Devices"]


class DeviceType(OpenIntEnum):
    """Operating system of a device."""

    IOS = 1
    ANDROID = 2


class DeviceSubType(OpenIntEnum):
    """Model of a device."""

    IPHONE = 1
    IPAD = 2
    IPOD = 3


@attrs.frozen(kw_only=True)
class Device(Model):
    """One device. `User.devices` has the devices of a user."""

    token: Secret  # push token, which identifies the device
    device_type: DeviceType | None = None
    sub_type: DeviceSubType | None = None
    enabled: bool | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


CREATE = post(
    "/users/{user:int}/devices.json",
    Device,
    scope="users",
    body={"token": Secret, "device_type": DeviceType, "sub_type": DeviceSubType},
)
UPDATE = put(
    "/users/{user:int}/devices/{device:secret}.json",
    scope="users",
    body={"device_type": DeviceType | None, "sub_type": DeviceSubType | None},
)
DELETE = delete("/users/{user:int}/devices/{device:secret}.json", scope="users")


class Devices(Resource):
    """Mobile devices of a user. The push token of a device identifies it."""

    async def create(
        self, user: int, *, token: str | Secret, device_type: DeviceType, sub_type: DeviceSubType
    ) -> Device:
        """Register a device for push notifications. Return it."""
        token = conceal(token)
        return await self._call(CREATE.bind(user=user, token=token, device_type=device_type, sub_type=sub_type))

    async def update(
        self,
        user: int,
        device: str | Secret,
        *,
        device_type: DeviceType | None = None,
        sub_type: DeviceSubType | None = None,
    ) -> None:
        """Change the operating system or the model of the device with this token."""
        device = conceal(device)
        await self._call(UPDATE.bind(user=user, device=device, device_type=device_type, sub_type=sub_type))

    async def delete(self, user: int, device: str | Secret) -> None:
        """Delete the device with this token."""
        device = conceal(device)
        await self._call(DELETE.bind(user=user, device=device))
