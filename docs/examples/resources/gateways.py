from __future__ import annotations

from cloud66_async import Cloud66, Secret


async def main(c66: Cloud66, account: int) -> None:
    """Open a gateway for an hour."""
    for gateway in await c66.gateways.list(account):
        if gateway.name == "office-bastion":
            key = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\n...")
            await c66.gateways.update(account, gateway.id, content=key, ttl=3600)


async def replace(c66: Cloud66, account: int) -> None:
    """Add a gateway, and delete all others."""
    await c66.gateways.create(
        account, name="new-bastion", username="deploy", address="192.0.2.7"
    )
    for gateway in await c66.gateways.list(account):
        if gateway.name != "new-bastion":
            await c66.gateways.delete(account, gateway.id)
