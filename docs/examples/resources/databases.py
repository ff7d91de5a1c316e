from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Show the sizes of the databases."""
    groups = {group.type: group.id for group in await c66.server_groups.list(stack)}
    async for database in c66.databases.list(stack, groups["postgresql"]):
        print(database.name, database.size_bytes, database.users)


async def replace(c66: Cloud66, stack: str) -> None:
    """Create a database, and delete an old one."""
    groups = {group.type: group.id for group in await c66.server_groups.list(stack)}
    group = groups["postgresql"]
    creating = await c66.databases.create(stack, group, database_name="reports")
    await c66.actions.wait(creating)
    for database in await c66.databases.list(stack, group):
        if database.name == "app":
            await c66.actions.wait(await c66.databases.delete(stack, group, database.uid))
