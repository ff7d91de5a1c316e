from __future__ import annotations

from cloud66_async import Cloud66, Secret
from cloud66_async.models import DeviceSubType, DeviceType


async def main(c66: Cloud66, user: int) -> None:
    """Register a phone for push notifications, correct its model, and remove it."""
    token = Secret("740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad")
    device = await c66.devices.create(
        user, token=token, device_type=DeviceType.IOS, sub_type=DeviceSubType.IPAD
    )
    await c66.devices.update(user, device.token, sub_type=DeviceSubType.IPHONE)
    await c66.devices.delete(user, device.token)
