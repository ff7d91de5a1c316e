from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Turn security updates on for every server that does not have them."""
    for server in await c66.servers.list(stack):
        setting = await c66.server_settings.get(stack, server.uid, "security.updates")
        if setting.value is not True:
            await c66.server_settings.update(stack, server.uid, setting.key, value="true")


async def rename(c66: Cloud66, stack: str, server: str) -> None:
    """Rename a server, and show all of its settings."""
    renaming = await c66.server_settings.update(stack, server, "server.name", value="web-1")
    await c66.actions.wait(renaming)
    for setting in await c66.server_settings.list(stack, server):
        print(setting.key, setting.value)
