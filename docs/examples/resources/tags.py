from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Protect a stack from deletion, and show all of its tags."""
    await c66.tags.update("stack", stack, add=["c66.delete.protection"], remove=["trial"])
    for entity in await c66.tags.list("stack", stack):
        print([tag.value for tag in entity.tags or ()])


async def replace(c66: Cloud66, stack: str) -> None:
    """Replace the tags of every server, and delete those of the stack."""
    for server in await c66.servers.list(stack):
        await c66.tags.replace("server", server.uid, tags=["team:web"])
    await c66.tags.delete("stack", stack)
