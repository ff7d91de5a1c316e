from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Reboot the web servers of a stack, one after the other."""
    for server in await c66.servers.list(stack):
        if "web" in (server.server_roles or ()):
            await c66.actions.wait(await c66.servers.reboot(stack, server.uid))


async def private_key(c66: Cloud66, stack: str, server: str) -> None:
    """Show the private key of a server."""
    found = await c66.servers.get(stack, server, include_private_key=True)
    if found.ssh_private_key is not None:
        print(found.user_name, found.address, found.ssh_private_key.reveal())


async def replica(c66: Cloud66, stack: str, server: str) -> None:
    """Bring the replica on a server up to date, then make it a primary database."""
    resyncing = await c66.servers.resync_slave_db(stack, server, db_type="postgresql")
    await c66.actions.wait(resyncing)
    promoting = await c66.servers.promote_slave_db(stack, server, db_type="postgresql")
    await c66.actions.wait(promoting)


async def stop_replication(c66: Cloud66, stack: str, server: str) -> None:
    """Stop the replication to a server."""
    stopping = await c66.servers.disable_replication_slave_db(stack, server)
    await c66.actions.wait(stopping)
