from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Log in to servers with a new key."""
    await c66.ssh_keys.set_access_key(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc ada@example.com"
    )
    print((await c66.ssh_keys.get_access_key()).public_key)
