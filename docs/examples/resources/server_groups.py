from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Add two servers to the group that runs containers."""
    for group in await c66.server_groups.list(stack):
        if group.type == "docker":
            adding = await c66.server_groups.scale_up(
                stack, group.id, subtype="docker", server_size="t3.medium", server_count=2
            )
            await c66.actions.wait(adding)


async def scale_down(c66: Cloud66, stack: str, group: int) -> None:
    """Remove servers until one is left in the group with the ID `group`."""
    found = await c66.server_groups.get(stack, group)
    print(found.name)
    removing = await c66.server_groups.scale_down(
        stack, group, subtype="docker", server_count=1
    )
    await c66.actions.wait(removing)
