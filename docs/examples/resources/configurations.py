from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Change the configuration of nginx now, and apply it later."""
    nginx = await c66.configurations.get(stack, "nginx")
    body = (nginx.body or "").replace("1024", "4096")
    changed = await c66.configurations.update(
        stack, "nginx", commit_message="More connections", body=body
    )
    await c66.actions.wait(changed)
    await c66.actions.wait(await c66.configurations.apply(stack, "nginx"))


async def pending(c66: Cloud66, stack: str) -> None:
    """Show which configuration files have changes that are not applied yet."""
    async for configuration in c66.configurations.list(stack):
        if configuration.can_apply:
            print(configuration.name, configuration.changed_by, configuration.comments)
